"""False alarms an hour: what a person who watches the alarms pays for a threshold."""

from collections.abc import Iterable

import numpy as np

from vadray.calibration.events import runs

SECONDS_PER_HOUR = 3600.0


def false_alarms(labels: np.ndarray, flags: np.ndarray) -> int:
    """Found events of one video that overlap no true event.

    An event that overlaps a true one by a frame is no false alarm, and one long event that covers normal footage
    between true ones is none either.

    Args:
        labels: Anomalous in truth, bool `[n]`.
        flags: Found anomalous, bool `[n]`.

    Raises:
        ValueError: Lengths differ.
    """
    labels, flags = np.asarray(labels, dtype=bool), np.asarray(flags, dtype=bool)
    if labels.shape != flags.shape:
        raise ValueError(f"`flags` must have one value per label, {labels.shape}. Received: {flags.shape}")
    return sum(not labels[first : last + 1].any() for first, last in runs(flags))


def normal_hours(labels: np.ndarray, time_s: np.ndarray) -> float:
    """Hours of normal footage in one video: a frame lasts until the next, the last one as long as is usual.

    Args:
        labels: Anomalous in truth, bool `[n]`.
        time_s: Seconds of each frame, `[n]`, non-decreasing. One frame alone has no duration.

    Raises:
        ValueError: Lengths differ.
    """
    labels, time_s = np.asarray(labels, dtype=bool), np.asarray(time_s, dtype=np.float64)
    if labels.shape != time_s.shape:
        raise ValueError(f"`time_s` must have one value per label, {labels.shape}. Received: {time_s.shape}")
    if len(time_s) < 2:
        return 0.0
    steps = np.diff(time_s)
    durations = np.append(steps, np.median(steps))
    return float(durations[~labels].sum() / SECONDS_PER_HOUR)


def false_alarms_per_hour(
    videos: Iterable[tuple[np.ndarray, np.ndarray]], hours_normal: float
) -> float | None:
    """False alarms of all videos for each hour of normal footage.

    Args:
        videos: Of each its labels and flags, bool `[n]`.
        hours_normal: Hours of normal footage in all of them; see `normal_hours`.

    Returns:
        None where there is no normal footage.

    Raises:
        ValueError: Lengths differ, or the hours are negative or not a number.
    """
    if not hours_normal >= 0:
        raise ValueError(f"`hours_normal` must be at least 0. Received: {hours_normal}")
    count = sum(false_alarms(labels, flags) for labels, flags in videos)
    return count / hours_normal if hours_normal > 0 else None
