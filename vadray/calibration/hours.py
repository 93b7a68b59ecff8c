"""Thresholds by hour of the day: scores of an hour on the scale of the camera's own threshold."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np

SECONDS = 3600.0


class Levels(Protocol):
    """What is asked of a camera's calibration."""

    @property
    def threshold(self) -> float: ...
    @property
    def release(self) -> float: ...
    def p_value(self, smoothed: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class ByHour:
    """A camera's calibration, with those of single hours where there are some.

    Args:
        own: Of the camera.
        hours: By the hour of the day, UTC, 0 to 23.
    """

    own: Levels
    hours: Mapping[int, Levels] = field(default_factory=dict)

    def p_value(self, smoothed: np.ndarray, hour: np.ndarray | None) -> np.ndarray:
        """The probability that normal footage of that hour scores as high, float64 `[n]`.

        Args:
            smoothed: Smoothed scores, `[n]`.
            hour: Of each, int `[n]`; None where it is not known.
        """
        found = self.own.p_value(smoothed)
        for mine, one in self._parts(hour):
            found[mine] = one.p_value(smoothed[mine])
        return found

    def levelled(self, smoothed: np.ndarray, hour: np.ndarray | None) -> np.ndarray:
        """Scores that are at or above the camera's threshold where they are so in their own hour; likewise of release,
        as long as the camera's two differ.

        Linear between and beyond; equal to `smoothed` in hours without a calibration of their own.
        """
        found = np.array(smoothed, dtype=np.float64)
        for mine, one in self._parts(hour):
            found[mine] = _onto(found[mine], one, self.own)
        return found

    def _parts(self, hour: np.ndarray | None) -> list[tuple[np.ndarray, Levels]]:
        if hour is None:
            return []
        return [(mine, one) for number, one in self.hours.items() if (mine := hour == number).any()]


def _onto(score: np.ndarray, one: Levels, own: Levels) -> np.ndarray:
    wide, narrow = one.threshold - one.release, own.threshold - own.release
    scale = narrow / wide if wide > 0 and narrow > 0 else 1.0
    if not math.isfinite(scale):  # as good as one level
        scale = 1.0
    level = own.threshold + (score - one.threshold) * scale
    # to the last bit: rounding must not decide
    for theirs, ours in ((one.release, own.release), (one.threshold, own.threshold)):
        level = np.where(
            score >= theirs, np.maximum(level, ours), np.minimum(level, np.nextafter(ours, -np.inf))
        )
    return level


def tells_day_alone(captured_at: datetime) -> bool:
    """Whether it is midnight to the second."""
    return (captured_at.hour, captured_at.minute, captured_at.second) == (0, 0, 0)


def hours_of(captured_at: datetime | None, time_s: np.ndarray) -> np.ndarray | None:
    """The hour of the day, UTC, of each frame, int64 `[n]`; None where it is not known.

    It is not known of an object of midnight to the second: a path that tells the day alone says that of noon too.

    Args:
        captured_at: When the object's first frame was captured.
        time_s: Seconds since then, `[n]`.
    """
    if captured_at is None or tells_day_alone(captured_at):
        return None
    since_midnight = timedelta(hours=captured_at.hour, minutes=captured_at.minute, seconds=captured_at.second)
    return np.floor((since_midnight.total_seconds() + np.asarray(time_s)) / SECONDS).astype(np.int64) % 24
