"""From smoothed scores to events: two thresholds (hysteresis), merging of near runs, a least length."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from vadray.calibration.markov import Markov, MarkovSmoother
from vadray.calibration.smoothing import KeptSmoother, Smoother, smooth
from vadray.calibration.timeline import TIME_TOLERANCE_S, checked_frames


@dataclass(frozen=True)
class EventRules:
    """How scores over time become events. All in seconds but `release_fraction` and `markov`.

    Args:
        smooth_s: Width of the centred moving mean applied to the scores first; 0 for none.
        release_fraction: Where an event ends: the level this far up from the median of the normal scores to
            the threshold, in [0, 1]. 1 means no hysteresis.
        min_event_s: Events whose last frame comes less than this after their first are dropped.
        merge_gap_s: Two events are joined when the second begins at most this after the first's last frame.
        markov: Smooths by log odds of this model in place of a moving mean; `smooth_s` then means nothing.

    Raises:
        ValueError: A value is negative or not finite, or `release_fraction` is above 1.
    """

    smooth_s: float = 0.5
    release_fraction: float = 0.5
    min_event_s: float = 0.0
    merge_gap_s: float = 1.0
    markov: Markov | None = None

    def __post_init__(self) -> None:
        for name, value in self._plain().items():
            if not (np.isfinite(value) and value >= 0):
                raise ValueError(f"`{name}` must be a finite number, at least 0. Received: {value}")
        if self.release_fraction > 1:
            raise ValueError(f"`release_fraction` must be at most 1. Received: {self.release_fraction}")

    def smoother(self) -> Smoother | MarkovSmoother:
        """A new streaming smoother for one video."""
        return MarkovSmoother(self.markov) if self.markov else Smoother(self.smooth_s)

    def kept_smoother(self) -> KeptSmoother | MarkovSmoother:
        """The same, whose `push` is told which frames count."""
        return MarkovSmoother(self.markov) if self.markov else KeptSmoother(self.smooth_s)

    def smooth(self, time_s: np.ndarray, score: np.ndarray) -> np.ndarray:
        """Smoothed scores of one whole video, float64 `[n]`, from its times and scores `[n]`."""
        if self.markov is None:
            return smooth(time_s, score, self.smooth_s)
        smoother = MarkovSmoother(self.markov)
        return np.concatenate([smoother.push(time_s, score), smoother.finish()])

    def to_dict(self) -> dict[str, Any]:
        return self._plain() | ({"markov": asdict(self.markov)} if self.markov else {})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "EventRules":
        markov = data.get("markov")
        return cls(**{**data, "markov": Markov(**markov) if markov else None})

    def _plain(self) -> dict[str, float]:
        return {one.name: float(getattr(self, one.name)) for one in fields(self) if one.name != "markov"}


IMAGE_RULES = EventRules(smooth_s=0.0, release_fraction=1.0, min_event_s=0.0, merge_gap_s=0.0)


def find_events(
    time_s: np.ndarray, smoothed: np.ndarray, threshold: float, release: float, rules: EventRules
) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """The events of one whole video.

    Args:
        time_s: Seconds, shape `[n]`, non-decreasing.
        smoothed: Smoothed scores, shape `[n]`.
        threshold: An event begins at a frame that scores at least this.
        release: It lasts while frames score at least this; not above `threshold`.
        rules: `min_event_s` and `merge_gap_s` are used; smoothing has been done by the caller.

    Returns:
        Flags, bool `[n]`, and the events as `(first, last)` frame indices, both inclusive: exactly the
        maximal runs of set flags.
    """
    builder = EventBuilder(threshold, release, rules)
    flags = np.concatenate([builder.push(time_s, smoothed), builder.finish()])
    return flags, runs(flags)


def runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """Maximal runs of true values as `(first, last)` indices, both inclusive."""
    first, last = _run_bounds(np.asarray(flags, dtype=bool))
    return list(zip(first.tolist(), last.tolist(), strict=True))


class EventBuilder:
    """Streaming form of `find_events` for one video, equal to it for any split of the frames.

    A frame is decided at most `min_event_s + merge_gap_s` of footage after it, so memory stays bounded.

    Args:
        threshold: An event begins at a frame that scores at least this.
        release: It lasts while frames score at least this; not above `threshold`.
        rules: `min_event_s` and `merge_gap_s` are used.

    Raises:
        ValueError: `release` is above `threshold`, or one of them is not a number.
    """

    _last_s: float
    _is_high: bool
    _time_s: np.ndarray
    _high: np.ndarray
    _open_end_s: float | None

    def __init__(self, threshold: float, release: float, rules: EventRules):
        if not release <= threshold:
            raise ValueError(f"`release` must be at most `threshold` ({threshold}). Received: {release}")
        self.threshold = threshold
        self.release = release
        self.rules = rules
        self._reset()

    def push(self, time_s: np.ndarray, smoothed: np.ndarray) -> np.ndarray:
        """Takes the next frames; returns the flags, bool, of the frames that became decided, in order."""
        time_s, smoothed = checked_frames(time_s, smoothed, self._last_s)
        if len(time_s) == 0:
            return np.zeros(0, dtype=bool)
        self._last_s = time_s[-1]
        high = self._hysteresis(smoothed)
        self._time_s = np.concatenate([self._time_s, time_s])
        self._high = np.concatenate([self._high, high])
        return self._decide(at_end=False)

    def finish(self) -> np.ndarray:
        """Flags of the frames still held; the builder is then empty and ready for the next video."""
        flags = self._decide(at_end=True)
        self._reset()
        return flags

    def _reset(self) -> None:
        self._last_s = -np.inf
        self._is_high = False  # state of the trigger after the last frame pushed
        self._time_s = np.empty(0)  # frames not decided yet
        self._high = np.empty(0, dtype=bool)
        # End of an event already long enough whose frames were returned, and which may still grow.
        self._open_end_s = None

    def _hysteresis(self, smoothed: np.ndarray) -> np.ndarray:
        """Schmitt trigger: each frame takes the state of the last frame that was decisive."""
        above = smoothed >= self.threshold
        decisive = above | (smoothed < self.release)
        last_decisive = np.maximum.accumulate(np.where(decisive, np.arange(len(smoothed)), -1))
        high = np.where(last_decisive >= 0, above[np.maximum(last_decisive, 0)], self._is_high)
        self._is_high = bool(high[-1])
        return high

    def _decide(self, at_end: bool) -> np.ndarray:
        time_s, count = self._time_s, len(self._time_s)
        first, last = _run_bounds(self._high)
        begin_s, end_s = time_s[first], time_s[last]
        if (
            self._open_end_s is not None
        ):  # the open event comes first: it lies before frame 0, and is long enough
            first, last = np.append(0, first), np.append(-1, last)
            begin_s, end_s = np.append(-np.inf, begin_s), np.append(self._open_end_s, end_s)
        if len(first) == 0:
            self._keep(count, None)
            return np.zeros(count, dtype=bool)

        joined = begin_s[1:] - end_s[:-1] <= self.rules.merge_gap_s + TIME_TOLERANCE_S
        if self._open_end_s is not None and self._high[:1].any():
            joined[0] = True  # the open event goes on without a break, however far the clock jumped
        begins = np.flatnonzero(np.append(True, ~joined))
        ends = np.append(begins[1:] - 1, len(first) - 1)
        first, last, begin_s, end_s = first[begins], last[ends], begin_s[begins], end_s[ends]
        long_enough = end_s - begin_s >= self.rules.min_event_s - TIME_TOLERANCE_S

        change = np.zeros(count + 1, dtype=np.int8)
        change[first[long_enough]] += 1
        change[last[long_enough] + 1] -= 1
        flags = np.cumsum(change[:count], dtype=np.int8) > 0

        may_grow = not at_end and self._last_s - end_s[-1] <= self.rules.merge_gap_s + TIME_TOLERANCE_S
        if not may_grow:
            self._keep(count, None)
            return flags
        if long_enough[-1]:
            decided = int(last[-1]) + 1
            self._keep(decided, float(end_s[-1]))
        else:
            decided = int(first[-1])
            self._keep(decided, None)
        return flags[:decided]

    def _keep(self, decided: int, open_end_s: float | None) -> None:
        self._time_s = self._time_s[decided:]
        self._high = self._high[decided:]
        self._open_end_s = open_end_s


def _run_bounds(flags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    change = np.diff(flags.astype(np.int8), prepend=0, append=0)
    return np.flatnonzero(change == 1), np.flatnonzero(change == -1) - 1
