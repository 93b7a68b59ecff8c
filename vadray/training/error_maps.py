"""What a detector makes of labelled footage: its error maps, computed on the cluster, joined by object."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from vadray.keras_alone import keras  # isort: skip

import numpy as np
import pyarrow as pa
import ray

from vadray import storage
from vadray.config import ClusterOptions
from vadray.detectors.base import Detector
from vadray.detectors.recognition import frame_motion
from vadray.evaluation.datasets import ObjectLabels
from vadray.sweep.cluster import pools
from vadray.sweep.scorer import Scorer, configure_device
from vadray.sweep.stages import unpack
from vadray.sweep.units import FrameShape
from vadray.training import footage
from vadray.training.recognition import LabelledVideo


def look(
    base: Detector,
    units: list[dict[str, Any]],
    shape: FrameShape,
    options: ClusterOptions,
    say: Callable[[str], None],
) -> list[ray.ObjectRef]:
    """Decodes units and has `base` look at them. Ray must be connected.

    Args:
        base: With its weights.
        units: Plan rows.
        shape: Frames that it takes.
        options: Sizes of the pools.
        say: Where to tell of unreadable files.

    Returns:
        References to lists of rows: `unit_id`, `chunk`, `member` int32 `[n]`, `error_map` float32
        `[n, rows, columns]`, `motion` float32 `[n]`.
    """
    chunks = footage.load(units, shape, base.window, base.window, options, say).chunks
    size = pools(options)
    weights = ray.put(base.get_weights())
    config = keras.saving.serialize_keras_object(base)
    lookers = [
        _Looker.options(**size.device).remote(  # type: ignore[attr-defined]
            config, weights, size.threads
        )
        for _ in range(min(size.score or size.decode, len(chunks)))
    ]
    seen = [lookers[number % len(lookers)].look.remote(chunk) for number, chunk in enumerate(chunks)]
    ray.wait(seen, num_returns=len(seen), fetch_local=False)
    for looker in lookers:
        ray.kill(looker)
    return seen


@ray.remote
class _Looker:
    def __init__(self, config: dict[str, Any], weights: list[np.ndarray], threads: int):
        configure_device(threads)
        import vadray.detectors.registry  # noqa: F401  registers the class that the configuration names

        self._base = keras.saving.deserialize_keras_object(config)
        if not self._base.built:
            self._base.build()
        self._base.set_weights(weights)
        self._scorer = Scorer(self._base)

    def look(self, chunks: pa.Table) -> list[dict[str, Any]]:
        rows = []
        for row in range(chunks.num_rows):
            unit_id, _, chunk, _ = unpack(chunks, row)
            count = len(chunk.frames) - chunk.lead
            if count == 0:
                continue
            motion = np.zeros(count, np.float32)
            if self._base.kind == "video":
                # of an object's first frame there is none: it stays 0, as that of the copies before it
                known = np.asarray(frame_motion(chunk.frames[max(chunk.lead - 1, 0) :], self._base.channels))
                motion[count - len(known) :] = known
            rows.append(
                {
                    "unit_id": unit_id,
                    "chunk": chunk.chunk,
                    "member": chunk.member,
                    "error_map": self._scorer.score(chunk.frames, chunk.lead)[1],
                    "motion": motion,
                }
            )
        return rows


def labelled_videos(
    rows: Iterable[dict[str, Any]],
    units: list[dict[str, Any]],
    labels: Mapping[str, ObjectLabels],
    root: str,
) -> list[LabelledVideo]:
    """Joins what was seen of each object, in the order of `units`.

    Args:
        rows: What `look` left, in any order.
        units: Plan rows.
        labels: By path relative to `root`.
        root: URI of the labelled archive.
    """
    by_unit: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_unit[row["unit_id"]].append(row)
    parts: dict[str, list[tuple[np.ndarray, np.ndarray]]] = defaultdict(list)
    for unit in units:
        names = [storage.relative(one["object_uri"], root) for one in unit["members"]]
        for row in sorted(by_unit[unit["unit_id"]], key=lambda row: row["chunk"]):
            for place, name in enumerate(names):
                mine = row["member"] == place
                if mine.any():
                    parts[name].append((row["error_map"][mine], row["motion"][mine]))
    videos = []
    for name, seen in parts.items():
        error_map, motion = (np.concatenate(values) for values in zip(*seen, strict=True))
        videos.append(LabelledVideo(name, error_map, motion, labels[name].flags(len(motion))))
    return videos
