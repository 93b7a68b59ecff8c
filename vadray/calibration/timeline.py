"""What smoothing and event building share about frame times: order, tolerance and duration."""

import numpy as np

# Containers count in ticks of a microsecond or more; sums of such times differ by float noise far below this.
TIME_TOLERANCE_S = 1e-6


def checked_frames(time_s: np.ndarray, score: np.ndarray, floor_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Frame times made non-decreasing, and scores, both float64.

    Real files hold repeated and slightly decreasing timestamps; each is raised to the largest time seen.

    Args:
        time_s: Seconds, shape `[n]`.
        score: Scores, shape `[n]`.
        floor_s: The last time of the frames before these, `-inf` when there are none.

    Raises:
        ValueError: The shapes differ, or a time or score is not finite.
    """
    time_s = np.asarray(time_s, dtype=np.float64)
    score = np.asarray(score, dtype=np.float64)
    if time_s.ndim != 1 or time_s.shape != score.shape:
        raise ValueError(
            "`time_s` and `score` must be one-dimensional and of one length. "
            f"Received shapes {time_s.shape} and {score.shape}"
        )
    for name, values in (("time_s", time_s), ("score", score)):
        finite = np.isfinite(values)
        if not finite.all():
            raise ValueError(
                f"`{name}` must be finite. Received {values[~finite][0]} at index {finite.argmin()}"
            )
    return np.maximum(np.maximum.accumulate(time_s), floor_s), score


def footage_hours(time_s: np.ndarray) -> float:
    """Hours of footage that the frames of one video stand for: last minus first, plus one frame interval."""
    if len(time_s) < 2:
        return 0.0
    time_s = np.maximum.accumulate(np.asarray(time_s, dtype=np.float64))
    return float(time_s[-1] - time_s[0] + np.median(np.diff(time_s))) / 3600
