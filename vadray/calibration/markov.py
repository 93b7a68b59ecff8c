"""A hidden Markov model of footage that is normal or unusual, in stretches: smoothing that keeps edges."""

import math
from dataclasses import dataclass

import numpy as np

from vadray.calibration.timeline import checked_frames

STRETCH_S = 10.0  # that footage stays normal, or unusual, on average
SHIFT = 1.5  # spreads of the normal scores that unusual ones are above them
LOOK_S = 1.9  # seconds of footage tell as much as one frame on its own: what follows at once is much the same
SPREAD_AT = 0.8413  # quantile one standard deviation above the median of a normal distribution
BLOCK = 3  # stretches: what is held back
LARGEST = 500.0  # log odds, far from where an exponential overflows


@dataclass(frozen=True)
class Markov:
    """Two states, normal and unusual, that footage changes between; a score is evidence for the one or the other.

    Were the scores of both states normally distributed with one spread, the log likelihood ratio of a frame would be
    linear in its score. Frames that follow at once are not independent, so that it is weighed by time:

        evidence of a frame = weight * (score - middle) * min(seconds since the frame before, 1.9)

    and the smoothed score is the log odds of "unusual" given all frames near it. A long event is found by scores
    that a moving mean of its length would find, and its edges stay as sharp as those of a short one.

    Args:
        middle: The score that speaks for neither, halfway between normal and unusual.
        weight: Log odds that a second one above it is worth.
        stretch_s: Seconds for which footage stays normal, or unusual, on average.

    Raises:
        ValueError: A value is not finite, or `weight` or `stretch_s` is not above 0.

    Reference: Rabiner, "A tutorial on hidden Markov models and selected applications in speech recognition",
        Proceedings of the IEEE 77 (2), 1989, section III: forward and backward variables. The constants were chosen
        on anomalies planted in normal recordings, see docs/perspective_motion.md.
    """

    middle: float
    weight: float
    stretch_s: float = STRETCH_S

    def __post_init__(self) -> None:
        for name, value in (("weight", self.weight), ("stretch_s", self.stretch_s)):
            if not (np.isfinite(value) and value > 0):
                raise ValueError(f"`{name}` must be a finite number above 0. Received: {value}")
        if not np.isfinite(self.middle):
            raise ValueError(f"`middle` must be finite. Received: {self.middle}")

    @classmethod
    def fit(cls, score: np.ndarray) -> "Markov":
        """From normal scores `[n]`: unusual ones are taken to lie 1.5 spreads above them.

        The smallest score is left out: where it is that of all frames in which nothing moves, most of a night's may be
        so, and say nothing of how those differ in which something does.

        Raises:
            ValueError: The scores do not differ, or nearly all of those above the smallest are the same.
        """
        moving = score[score > score.min()]
        median, upper = np.quantile(moving, [0.5, SPREAD_AT]) if len(moving) else (0.0, 0.0)
        spread = float(upper - median)
        if not spread > 0:
            raise ValueError(
                "`smoothing` 'markov' needs normal scores that differ. "
                f"Received {len(score)} from {score.min():.6g} to {score.max():.6g}"
            )
        return cls(float(median) + SHIFT / 2 * spread, SHIFT / (spread * LOOK_S))


class MarkovSmoother:
    """Log odds of "unusual" for frames of one video that arrive in pieces; the same to the last bit for any split.

    What comes later is looked at up to the end of the next block of three stretches, on a grid of time that begins
    with the video: what lies farther has less than a four hundredth of its influence left.

    Args:
        model: See `Markov`.

    Example:
        >>> smoother = MarkovSmoother(Markov(middle=1.1, weight=6.0))
        >>> parts = [smoother.push(time_s, score) for time_s, score in chunks] + [smoother.finish()]
    """

    _first_s: float | None
    _last_s: float
    _before_s: float | None
    _forward: float
    _time_s: np.ndarray
    _excess: np.ndarray

    def __init__(self, model: Markov):
        self._model = model
        self._reset()

    def push(self, time_s: np.ndarray, score: np.ndarray, kept: np.ndarray | None = None) -> np.ndarray:
        """Takes the next frames; returns the log odds, in order, that no later frame can change.

        Args:
            time_s: Seconds, `[n]`.
            score: Scores, `[n]`.
            kept: Which count, bool `[n]`; the others are evidence for neither state. All by default.

        Raises:
            ValueError: The shapes differ, or a value is not finite.
        """
        time_s, score = checked_frames(time_s, score, self._last_s)
        if len(score) == 0:
            return score
        if self._first_s is None:
            self._first_s = float(time_s[0])
        self._last_s = float(time_s[-1])
        excess = score - self._model.middle
        self._time_s = np.concatenate([self._time_s, time_s])
        self._excess = np.concatenate([self._excess, excess if kept is None else np.where(kept, excess, 0.0)])
        return self._decide(at_end=False)

    def finish(self) -> np.ndarray:
        """The log odds still held; the smoother is then empty and ready for the next video."""
        log_odds = self._decide(at_end=True)
        self._reset()
        return log_odds

    def _reset(self) -> None:
        self._first_s = self._before_s = None  # of the video; of the last frame that was decided
        self._last_s = -np.inf
        self._forward = 0.0  # log odds given all frames that were decided, at the last of them
        self._time_s = np.empty(0)  # frames not decided yet
        self._excess = np.empty(0)

    def _decide(self, at_end: bool) -> np.ndarray:
        """Decides block after block, each in the light of the next one, which must be complete."""
        decided = [np.empty(0)]
        block = np.floor((self._time_s - (self._first_s or 0.0)) / (BLOCK * self._model.stretch_s))
        while len(block) and (at_end or block[-1] > block[0] + 1):
            own, seen = np.searchsorted(block, [block[0], block[0] + 1], side="right").tolist()
            decided.append(self._block(own, seen))
            block = block[own:]
        return np.concatenate(decided)

    def _block(self, own: int, seen: int) -> np.ndarray:
        """Log odds of the first `own` frames, which are then forgotten, given the first `seen`."""
        time_s = self._time_s[:seen]
        step_s = np.diff(time_s, prepend=time_s[0] if self._before_s is None else self._before_s)
        if self._before_s is None:
            step_s[0] = step_s[1] if seen > 1 else LOOK_S
        evidence = self._model.weight * self._excess[:seen] * np.minimum(step_s, LOOK_S)
        evidence = np.clip(evidence, -LARGEST, LARGEST).tolist()
        # of a chain in continuous time that leaves either state once in `stretch_s`
        change = (-np.expm1(-2 * step_s / self._model.stretch_s) / 2).tolist()
        later = [0.0] * seen
        for at in range(seen - 1, 0, -1):
            later[at - 1] = _carried(later[at] + evidence[at], change[at])
        log_odds = np.empty(own)
        for at in range(own):
            self._forward = _carried(self._forward, change[at]) + evidence[at]
            log_odds[at] = self._forward + later[at]
        self._before_s = float(time_s[own - 1])
        self._time_s, self._excess = self._time_s[own:], self._excess[own:]
        return log_odds


def _carried(log_odds: float, change: float) -> float:
    """Log odds one frame further on, when with probability `change` the state is the other one by then."""
    odds = math.exp(log_odds)
    return math.log((change + (1 - change) * odds) / (1 - change + change * odds))
