"""The pass over normal footage after training: what is fitted rather than learned by gradients."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import ray

from vadray.detectors.base import Detector
from vadray.detectors.registry import detector_class
from vadray.sweep.scorer import Scorer, configure_device
from vadray.sweep.stages import unpack
from vadray.training.feed import Samples

MOST_FRAMES = 20_000  # spread over the footage; more say little more about what is usual
FIT_CPUS = 0.5


def needs_fit(detector: Detector) -> bool:
    """Whether there is anything to fit."""
    return type(detector).fit_normal is not Detector.fit_normal or detector.normal_error is not None


def fit_normal(detector: Detector, config: dict[str, Any], samples: Samples) -> None:
    """Fits `detector.fit_normal` and then `detector.normal_error`, where there is either, in a process of its own.

    Args:
        detector: Built, with learned weights; changed in place.
        config: Its arguments.
        samples: Normal footage that it was trained on.
    """
    threads = max(1, round(ray.cluster_resources().get("CPU", 1)))
    # no GPU is asked for: this takes seconds, and the device may be in other hands
    task = _fitted_weights.options(num_cpus=FIT_CPUS)
    weights = task.remote(detector.name_of_detector, config, detector.get_weights(), samples, threads)
    detector.set_weights(ray.get(weights))


@ray.remote
def _fitted_weights(
    name: str, config: dict[str, Any], weights: list[np.ndarray], samples: Samples, threads: int
) -> list[np.ndarray]:
    configure_device(threads)
    detector = detector_class(name)(**config)
    detector.build()
    detector.set_weights(weights)
    detector.fit_normal(_Runs(samples))
    if detector.normal_error is not None:
        scorer = Scorer(detector)
        detector.normal_error.fit(scorer.score(frames, lead)[1] for frames, lead in normal_runs(samples))
    return detector.get_weights()


class _Runs:
    """Runs that a detector may go through more than once, none of them held."""

    def __init__(self, samples: Samples):
        self._samples = samples

    def __iter__(self) -> Iterator[np.ndarray]:
        return (frames for frames, _ in normal_runs(self._samples))


def normal_runs(samples: Samples) -> Iterator[tuple[np.ndarray, int]]:
    """Decoded runs of frames with their lead-in, in the plan's order, at most about `MOST_FRAMES` frames of them."""
    every = max(1, -(-samples.frames // MOST_FRAMES))
    # by their places: tables lie in the order in which they were decoded, which is another one each time
    chunks = samples.places[:, :2]
    begins = np.diff(chunks, axis=0, prepend=-1).any(axis=1)
    for table, row in chunks[begins][every - 1 :: every].tolist():
        chunk = unpack(ray.get(samples.chunks[table]), row)[2]
        if len(chunk.frames) > chunk.lead:
            yield chunk.frames, chunk.lead
