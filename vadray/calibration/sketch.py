"""What a camera's normal scores look like, small enough for a JSON file, and p-values from it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from vadray.calibration.tail import ParetoTail

LEVELS = 1025
MIN_SCORES_FOR_TAIL = 50
TAIL_FRACTION = 0.02
MIN_TAIL_SCORES = 10  # in a small set the tail begins lower, so that it holds at least this many
SMALLEST_P_VALUE = 1e-12


@dataclass(frozen=True)
class QuantileSketch:
    """Order statistics of normal scores, dense towards the top, with a generalised Pareto tail above.

    Args:
        values: Scores that occurred, strictly increasing, float64 `[k]`, at most about `LEVELS` of them.
        at_least: How many of all scores are at least each of `values`, int64 `[k]`.
        count: How many scores there were.
        mean, std, median: Of all scores.
        tail: The tail above its `start`, or None when there was too little data or no spread.
        tail_probability: The probability of being above `tail.start`.
    """

    values: np.ndarray
    at_least: np.ndarray
    count: int
    mean: float
    std: float
    median: float
    tail: ParetoTail | None
    tail_probability: float

    @classmethod
    def fit(cls, scores: np.ndarray) -> "QuantileSketch":
        """Sketches finite scores, shape `[n]`, n at least 1.

        Raises:
            ValueError: There is no score, or one is not finite.
        """
        ordered = np.sort(np.asarray(scores, dtype=np.float64).ravel())
        count = len(ordered)
        if count == 0 or not np.isfinite(ordered).all():
            raise ValueError(f"`scores` must be finite and at least one. Received {count} scores")
        values = np.unique(ordered[_kept_ranks(count)])
        at_least = count - np.searchsorted(ordered, values, side="left")

        tail, tail_probability = None, 0.0
        if count >= MIN_SCORES_FOR_TAIL:
            tail_scores = max(int(TAIL_FRACTION * count), MIN_TAIL_SCORES)
            start = ordered[count - tail_scores - 1]
            above = ordered[ordered > start]
            # ties at the start may leave few scores strictly above it
            if len(above) >= MIN_TAIL_SCORES:
                tail = ParetoTail.fit(above - start, start)
                tail_probability = (len(above) + 1) / (count + 1)
        return cls(
            values=values,
            at_least=at_least,
            count=count,
            mean=float(ordered.mean()),
            std=float(ordered.std()),
            median=float(np.median(ordered)),
            tail=tail,
            tail_probability=tail_probability,
        )

    def p_value(self, scores: np.ndarray) -> np.ndarray:
        """The probability that a normal score is at least this high.

        At a score that the sketch holds it is `(r + 1) / (n + 1)`, r of n normal scores being at least as
        high; linear between; `1 / (n + 1)` above the highest score. Above `tail.start` the fitted tail
        extends it, but never goes below that rank where normal scores did occur.

        Args:
            scores: Finite scores of any shape.

        Returns:
            float64 of the same shape, in [1e-12, 1], non-increasing in the score.
        """
        scores = np.asarray(scores, dtype=np.float64)
        beyond = 1 / (self.count + 1) if self.tail is None else 0.0
        ranks = self._rank_p_values()
        p_value = np.interp(scores, self.values, ranks, left=1.0, right=beyond)
        # interpolation can miss a bracket's end by a last bit, and p would rise with the score there
        bracket = np.searchsorted(self.values, scores, side="left")
        p_value = np.maximum(p_value, np.append(ranks, 0.0)[bracket])
        if self.tail is not None:
            tail_p = self.tail_probability * self.tail.exceeded_with(scores)
            p_value = np.where(scores > self.tail.start, np.maximum(p_value, tail_p), p_value)
        return np.clip(p_value, SMALLEST_P_VALUE, 1.0)

    def standardise(self, scores: np.ndarray) -> np.ndarray:
        """Scores in standard deviations above the mean of the normal scores, float64 of the same shape."""
        spread = self.std if self.std > 1e-9 * abs(self.mean) else 1.0
        return (np.asarray(scores, dtype=np.float64) - self.mean) / spread

    def quantile(self, probability: float) -> float:
        """The score that normal scores stay below with this probability, in [0, 1)."""
        if not 0 <= probability < 1:
            raise ValueError(f"`probability` must be in [0, 1). Received: {probability}")
        exceeding = 1 - probability
        level = float(np.interp(exceeding, self._rank_p_values()[::-1], self.values[::-1]))
        if self.tail is not None and exceeding < self.tail_probability:
            level = max(level, self.tail.level(exceeding / self.tail_probability))
        return level

    def _rank_p_values(self) -> np.ndarray:
        return (self.at_least + 1) / (self.count + 1)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and lists, for JSON."""
        tail = self.tail and {
            "start": self.tail.start,
            "scale": self.tail.scale,
            "shape": self.tail.shape,
            "probability": self.tail_probability,
        }
        return {
            "count": self.count,
            "mean": self.mean,
            "std": self.std,
            "median": self.median,
            "values": self.values.tolist(),
            "at_least": self.at_least.tolist(),
            "tail": tail,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "QuantileSketch":
        """The inverse of `to_dict`, exact."""
        tail = data["tail"]
        return cls(
            values=np.asarray(data["values"], dtype=np.float64),
            at_least=np.asarray(data["at_least"], dtype=np.int64),
            count=int(data["count"]),
            mean=float(data["mean"]),
            std=float(data["std"]),
            median=float(data["median"]),
            tail=ParetoTail(tail["start"], tail["scale"], tail["shape"]) if tail else None,
            tail_probability=float(tail["probability"]) if tail else 0.0,
        )


def _kept_ranks(count: int) -> np.ndarray:
    """Ranks, from 0, of the order statistics kept: half evenly spaced, half evenly in the log of the tail."""
    if count <= LEVELS:
        return np.arange(count)
    even = np.linspace(0, count - 1, LEVELS // 2 + 1)
    from_top = np.geomspace(1, 0.2 * count, LEVELS // 2)
    return np.unique(np.round(np.concatenate([even, count - from_top])).astype(np.int64))
