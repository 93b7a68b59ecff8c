"""Ways to choose the score from which a frame is anomalous; all but `best_f1` need normal data only."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from vadray.calibration.events import EventRules, find_events
from vadray.calibration.sketch import QuantileSketch
from vadray.calibration.tail import ParetoTail
from vadray.calibration.timeline import footage_hours

# A rate is measured when the footage would hold this many events at it; below, the tail is extrapolated.
MEASURABLE_EVENTS = 3
# No rate, however generous, flags more than a tenth of normal footage.
LOWEST_RATE_QUANTILE = 0.9
# Levels tried, highest first, for the events whose peaks are extrapolated, and how many events are enough.
_PEAK_QUANTILES = (0.98, 0.95, 0.9, 0.8)
_ENOUGH_PEAKS = 20
_NORMAL_STD_PER_MAD = 1.4826


@dataclass(frozen=True)
class Threshold:
    """A threshold and where it came from.

    Args:
        value: A frame is anomalous from this smoothed score on.
        method: Name of the method.
        extrapolated: True when it lies beyond what the data could show, on a fitted tail.
        detail: Figures of the method, for people.
    """

    value: float
    method: str
    extrapolated: bool = False
    detail: dict[str, float] = field(default_factory=dict)


def release_level(threshold: float, median: float, rules: EventRules) -> float:
    """The lower threshold of the hysteresis: between median and threshold, at `rules.release_fraction`.

    In between, because the median is where a camera rests: an event has ended when its score came at least
    half-way back (for the default 0.5), whatever the scale of the detector's scores.
    """
    return min(threshold, median + rules.release_fraction * (threshold - median))


def quantile_threshold(scores: np.ndarray, quantile: float) -> Threshold:
    """The lowest level that at most `1 - quantile` of the normal scores reach; `quantile` in (0, 1)."""
    _in_open_unit("quantile", quantile)
    value = float(np.quantile(scores, quantile))
    if np.mean(scores >= value) > (1 - quantile) + 1 / len(scores):
        value = _just_above(value)  # many scores tie here, and all of them would be flagged
    extrapolated = len(scores) * (1 - quantile) < 1
    return Threshold(value, "quantile", extrapolated, {"quantile": float(quantile)})


def sigma_threshold(scores: np.ndarray, k: float) -> Threshold:
    """Mean plus `k` standard deviations."""
    mean, std = float(np.mean(scores)), float(np.std(scores))
    value = mean + k * std if std > 0 else _just_above(mean)
    return Threshold(value, "sigma", False, {"k": float(k), "mean": mean, "std": std})


def mad_threshold(scores: np.ndarray, k: float) -> Threshold:
    """Median plus `k` times the median absolute deviation, scaled to a normal distribution's std."""
    median = float(np.median(scores))
    spread = _NORMAL_STD_PER_MAD * float(np.median(np.abs(scores - median)))
    value = median + k * spread if spread > 0 else _just_above(median)
    return Threshold(value, "mad", False, {"k": float(k), "median": median, "spread": spread})


def evt_threshold(scores: np.ndarray, quantile: float) -> Threshold:
    """Peaks over threshold: the quantile, in (0, 1), read from the fitted generalised Pareto tail."""
    _in_open_unit("quantile", quantile)
    sketch = QuantileSketch.fit(scores)
    exceeding = 1 - quantile
    if sketch.tail is None or exceeding >= sketch.tail_probability:
        # too little data for a tail, too many ties, or a quantile that lies below it
        return Threshold(
            quantile_threshold(scores, quantile).value, "evt", False, {"quantile": float(quantile)}
        )
    value = sketch.tail.level(exceeding / sketch.tail_probability)
    detail = {"quantile": float(quantile), "shape": sketch.tail.shape, "scale": sketch.tail.scale}
    return Threshold(value, "evt", len(scores) * exceeding < 1, detail)


def fixed_threshold(value: float) -> Threshold:
    """A level known from the domain, on the smoothed score."""
    if not np.isfinite(value):
        raise ValueError(f"`value` must be finite. Received: {value}")
    return Threshold(float(value), "fixed")


def best_f1_threshold(scores: np.ndarray, labels: np.ndarray) -> Threshold:
    """The level with the highest F1 on labelled frames (bool `[n]`): an upper bound, not a calibration."""
    if not np.any(labels):
        raise ValueError("`labels` must mark at least one anomalous frame. Received none")
    from sklearn.metrics import precision_recall_curve  # when it is needed: it takes long to load

    precision, recall, levels = precision_recall_curve(labels, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
    best = int(np.argmax(f1[:-1]))
    return Threshold(float(levels[best]), "best_f1", False, {"f1": float(f1[best])})


def false_alarm_threshold(
    videos: Sequence[tuple[np.ndarray, np.ndarray]], rate_per_hour: float, rules: EventRules
) -> Threshold:
    """The threshold at which normal footage gives `rate_per_hour` events, counted as the sweep counts them.

    Events are what `find_events` makes of the smoothed scores, so hysteresis, merging and the least length
    all count. Where the footage is long enough to show the rate (three events or more), the threshold is
    lowered from the top while the count stays within the rate. Where it is not, the peaks of the more
    frequent events are extrapolated with a generalised Pareto tail, but never below the threshold that
    leaves three events; `extrapolated` is then set.

    Args:
        videos: `(time_s, smoothed)` of each video, normal footage.
        rate_per_hour: Events per hour that are tolerable, above 0.
        rules: How scores become events.

    Raises:
        ValueError: The rate is not above 0, or the footage has no duration.

    Reference: Coles, "An Introduction to Statistical Modeling of Extreme Values", 2001, chapter 4.
    """
    if not (np.isfinite(rate_per_hour) and rate_per_hour > 0):
        raise ValueError(f"`rate_per_hour` must be above 0. Received: {rate_per_hour}")
    hours = sum(footage_hours(time_s) for time_s, _ in videos)
    if hours <= 0:
        raise ValueError(
            "`videos` must hold footage with increasing times, to count events per hour. "
            f"Received {len(videos)} videos with a total duration of 0 s"
        )
    footage = _Footage(videos, rules)
    tolerated = rate_per_hour * hours
    measured = footage.lowest_with(max(int(tolerated + 1e-9), MEASURABLE_EVENTS))
    detail = {"rate_per_hour": float(rate_per_hour), "hours": hours, "events_tolerated": tolerated}
    if tolerated >= MEASURABLE_EVENTS:
        detail["events_left"] = float(footage.count(measured))
        return Threshold(measured, "false_alarms_per_hour", False, detail)

    start, peaks = footage.frequent_peaks()
    detail |= {"peaks": float(len(peaks)), "peaks_above": start}
    value = _just_above(footage.highest)
    if len(peaks):
        tail = ParetoTail.fit(peaks - start, start)
        # fewer peaks than events tolerated leave nothing to extrapolate: their own level will do
        value = tail.level(min(tolerated / len(peaks), 1.0))
    return Threshold(max(value, measured), "false_alarms_per_hour", True, detail)


class _Footage:
    """All videos on one timeline, so that one pass counts the events of thousands of short clips."""

    def __init__(self, videos: Sequence[tuple[np.ndarray, np.ndarray]], rules: EventRules):
        self.rules = rules
        scores = np.concatenate([np.asarray(score, dtype=np.float64) for _, score in videos])
        self.median = float(np.median(scores))
        self.quantiles = {level: float(np.quantile(scores, level)) for level in _PEAK_QUANTILES}
        self.lowest_level = float(np.quantile(scores, LOWEST_RATE_QUANTILE))
        self.highest = float(scores.max())
        # A frame below every level after each video, and a pause longer than any merge, keep videos apart.
        below = float(scores.min()) - 1 - abs(float(scores.min()))
        pause_s = rules.merge_gap_s + 1
        times, padded, offset_s = [], [], 0.0
        for time_s, score in videos:
            if len(time_s) == 0:
                continue
            time_s = np.maximum.accumulate(np.asarray(time_s, dtype=np.float64))
            shifted_s = time_s - time_s[0] + offset_s
            times += [shifted_s, shifted_s[-1:] + pause_s]
            padded += [np.asarray(score, dtype=np.float64), np.array([below])]
            offset_s = shifted_s[-1] + 2 * pause_s
        self.time_s = np.concatenate(times)
        self.score = np.concatenate(padded)

    def events(self, threshold: float) -> list[tuple[int, int]]:
        release = release_level(threshold, self.median, self.rules)
        return find_events(self.time_s, self.score, threshold, release, self.rules)[1]

    def count(self, threshold: float) -> int:
        return len(self.events(threshold))

    def lowest_with(self, allowed: int) -> float:
        """The lowest threshold found, from the top down, that leaves at most `allowed` events.

        From the top, because counting is not monotone: at a level low enough, all footage is one event.
        """
        score = self.score
        is_peak = np.append(True, score[1:] > score[:-1]) & np.append(score[:-1] >= score[1:], True)
        # on a plateau that falls later the first frame may rise to an equal one: its value is the same
        levels = np.unique(score[is_peak])[::-1]
        levels = levels[levels > self.lowest_level]
        highest_first = np.append(_just_above(self.highest), levels)
        # `within` is the index of a level that leaves few enough events; `beyond` of one that leaves too many
        within, step, beyond = 0, max(allowed // 4, 1), len(highest_first)
        while within + step < len(highest_first):
            if self.count(highest_first[within + step]) > allowed:
                beyond = within + step
                break
            within += step
            step = max(step, within // 4)
        while beyond - within > 1:
            middle = (within + beyond) // 2
            if self.count(highest_first[middle]) > allowed:
                beyond = middle
            else:
                within = middle
        return float(highest_first[within])

    def frequent_peaks(self) -> tuple[float, np.ndarray]:
        """A level and the peak scores of the events above it: the highest level with enough of them."""
        best_start, best_peaks = self.highest, np.empty(0)
        for level in self.quantiles.values():
            start = level
            peaks = np.array(
                [self.score[first : last + 1].max() for first, last in self.events(_just_above(start))]
            )
            if len(peaks) > len(best_peaks):
                best_start, best_peaks = start, peaks
            if len(peaks) >= _ENOUGH_PEAKS:
                break
        return best_start, best_peaks


def _just_above(value: float) -> float:
    """A level above `value` by more than float32 storage or the order of a sum can blur."""
    return value + max(1e-6 * abs(value), 1e-12)


def _in_open_unit(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f"`{name}` must lie between 0 and 1. Received: {value}")
