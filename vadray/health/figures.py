"""Figures of a video in steps of ten seconds, from its frames as they come."""

from collections.abc import Iterator
from typing import Any

import numpy as np

STEP_S = 10.0
STEP = np.dtype(
    [
        ("start_s", np.float64),  # from the object's first frame
        ("seconds", np.float32),
        ("frames", np.int32),
        ("brightness", np.float32),  # medians
        ("sharpness", np.float32),
        ("still", np.float32),  # share of frames
        ("moved", np.bool_),  # the camera looks elsewhere than before
    ]
)
STILL = 0.003  # grey levels of mean change; the encoder repeats itself where nothing changes at all


class StepFigures:
    """Takes an object's frames in order; holds those of one step."""

    def __init__(self) -> None:
        self._held: list[np.ndarray] = []
        self._number: int | None = None

    def push(self, frames: dict[str, Any]) -> Iterator[np.ndarray]:
        """Gives the steps that ended.

        Args:
            frames: float arrays `[n]` by name: time_s, brightness, sharpness, motion.
        """
        rows = np.stack([frames[name] for name in ("time_s", "brightness", "sharpness", "motion")], axis=1)
        if len(rows) == 0:
            return
        numbers = np.floor(rows[:, 0] / STEP_S).astype(np.int64)
        bounds = np.flatnonzero(np.diff(numbers)) + 1
        for part, number in zip(np.split(rows, bounds), numbers[[0, *bounds]], strict=True):
            if number != self._number:
                yield from self.finish()
                self._number = int(number)
            self._held.append(part)

    def finish(self) -> Iterator[np.ndarray]:
        """Gives the step that is held, `[]` of `STEP`."""
        if self._held:
            time_s, brightness, sharpness, motion = np.concatenate(self._held).T
            count = len(time_s)
            every = float(np.median(np.diff(time_s))) if count > 1 else 0.0
            yield np.array(
                (
                    time_s[0],
                    time_s[-1] - time_s[0] + every,
                    count,
                    np.median(brightness),
                    np.median(sharpness),
                    np.mean(motion <= STILL),
                    False,
                ),
                STEP,
            )
        self._held, self._number = [], None
