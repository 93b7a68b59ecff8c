"""A centred moving mean over time, for whole videos and for videos that arrive in pieces."""

import numpy as np

from vadray.calibration.timeline import TIME_TOLERANCE_S, checked_frames


def smooth(time_s: np.ndarray, score: np.ndarray, smooth_s: float) -> np.ndarray:
    """The mean score of the frames within `smooth_s / 2` of each frame of one video.

    Args:
        time_s: Seconds, shape `[n]`, non-decreasing.
        score: Scores, shape `[n]`.
        smooth_s: Width of the window in seconds; 0 returns the scores as they are.

    Returns:
        float64, shape `[n]`, equal to the last bit to what `Smoother` gives for any split of the frames.

    Raises:
        ValueError: The shapes differ, a value is not finite, or `smooth_s` is negative.
    """
    reach_s = _reach_s(smooth_s)
    time_s, score = checked_frames(time_s, score, -np.inf)
    if smooth_s == 0 or len(score) == 0:
        return score.copy()
    return _window_means(time_s, score, 0, len(score), reach_s)


class Smoother:
    """Streaming form of `smooth` for one video: holds one window of frames, never the video.

    Args:
        smooth_s: Width of the window in seconds, at least 0.

    Example:
        >>> smoother = Smoother(1.0)
        >>> parts = [smoother.push(time_s, score) for time_s, score in chunks] + [smoother.finish()]
    """

    _last_s: float
    _time_s: np.ndarray
    _score: np.ndarray
    _done: int

    def __init__(self, smooth_s: float):
        self.smooth_s = smooth_s
        self._reach_s = _reach_s(smooth_s)
        self._reset()

    def push(self, time_s: np.ndarray, score: np.ndarray) -> np.ndarray:
        """Takes the next frames; returns the smoothed scores, in order, that no later frame can change."""
        time_s, score = checked_frames(time_s, score, self._last_s)
        if len(score) == 0:
            return score
        self._last_s = time_s[-1]
        if self.smooth_s == 0:
            return score.copy()
        self._time_s = np.concatenate([self._time_s, time_s])
        self._score = np.concatenate([self._score, score])
        final = int(np.searchsorted(self._time_s + self._reach_s, self._last_s, side="left"))
        smoothed = _window_means(self._time_s, self._score, self._done, final, self._reach_s)
        first_needed = int(np.searchsorted(self._time_s, self._time_s[final] - self._reach_s, side="left"))
        self._time_s = self._time_s[first_needed:]
        self._score = self._score[first_needed:]
        self._done = final - first_needed
        return smoothed

    def finish(self) -> np.ndarray:
        """The smoothed scores still held; the smoother is then empty and ready for the next video."""
        if len(self._score) == 0:
            return self._score
        smoothed = _window_means(self._time_s, self._score, self._done, len(self._score), self._reach_s)
        self._reset()
        return smoothed

    def _reset(self) -> None:
        self._last_s = -np.inf
        self._time_s = np.empty(0)
        self._score = np.empty(0)
        self._done = 0  # frames at the front whose smoothed score was already returned


class KeptSmoother:
    """As `Smoother`, but the mean is over the frames that are kept: what goes on in the others does not reach into it.

    Args:
        smooth_s: Width of the window in seconds, at least 0.
    """

    def __init__(self, smooth_s: float):
        # of scores, 0 where not kept, and of 1 and 0: their quotient is the mean of those that are
        self._score, self._share = Smoother(smooth_s), Smoother(smooth_s)

    def push(self, time_s: np.ndarray, score: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """As `Smoother.push`; 0 where no kept frame is near.

        Args:
            time_s: Seconds, `[n]`.
            score: Scores, `[n]`.
            kept: Which count, bool `[n]`.
        """
        return self._mean(
            self._score.push(time_s, np.where(kept, score, 0.0)),
            self._share.push(time_s, kept.astype(float)),
        )

    def finish(self) -> np.ndarray:
        """As `Smoother.finish`."""
        return self._mean(self._score.finish(), self._share.finish())

    @staticmethod
    def _mean(score: np.ndarray, share: np.ndarray) -> np.ndarray:
        return np.divide(score, share, out=np.zeros_like(score), where=share > 0)


def _reach_s(smooth_s: float) -> float:
    if not (np.isfinite(smooth_s) and smooth_s >= 0):
        raise ValueError(f"`smooth_s` must be a number of seconds, at least 0. Received: {smooth_s}")
    return smooth_s / 2 + TIME_TOLERANCE_S


def _window_means(time_s: np.ndarray, score: np.ndarray, first: int, stop: int, reach_s: float) -> np.ndarray:
    """Means over the windows of frames `first` to `stop - 1`.

    Each window is summed from its own elements in their own order (`reduceat`), not taken as a difference of
    running sums: those depend on where the running sum began, so a split would change the last bits, and a
    last bit can flip a frame across the threshold.
    """
    if first >= stop:
        return np.empty(0)
    centre_s = time_s[first:stop]
    begin = np.searchsorted(time_s, centre_s - reach_s, side="left")
    end = np.searchsorted(time_s, centre_s + reach_s, side="right")
    # reduceat sums score[begin:end] at even places; the odd places only separate. The appended zero makes
    # `end == len(score)` a legal index.
    edges = np.stack([begin, end], axis=1).ravel()
    sums = np.add.reduceat(np.append(score, 0.0), edges)[::2]
    return sums / (end - begin)
