"""The upper tail of a set of scores: a generalised Pareto distribution fitted to what exceeds a level."""

from dataclasses import dataclass
from typing import Any

import numpy as np

# Below this many exceedances the fitted shape is mostly noise (standard error above 0.14), so the tail is
# taken as exponential, the limit for every light-tailed score.
MIN_EXCEEDANCES_FOR_SHAPE = 50
# Not below 0: a bounded tail would call some score impossible, all p-values beyond equal, on the word of one
# night's normal data. Not above 0.5: beyond that the variance is infinite and extrapolation means nothing.
SHAPE_RANGE = (0.0, 0.5)


def _distribution() -> Any:
    from scipy.stats import genpareto  # when it is needed: it takes longer to load than the rest of vadray

    return genpareto


@dataclass(frozen=True)
class ParetoTail:
    """Exceedances of `start` follow a generalised Pareto distribution.

    Args:
        start: The level above which the tail holds.
        scale: Scale of the exceedances, above 0.
        shape: Shape (xi), in `SHAPE_RANGE`; 0 is the exponential distribution.

    Reference: Pickands, "Statistical inference using extreme order statistics", Annals of Statistics, 1975.
    """

    start: float
    scale: float
    shape: float

    @classmethod
    def fit(cls, exceedances: np.ndarray, start: float) -> "ParetoTail":
        """Fits scores minus `start`, all above 0, at least one of them."""
        mean = float(np.mean(exceedances))
        shape = 0.0
        if len(exceedances) >= MIN_EXCEEDANCES_FOR_SHAPE:
            fitted, _, _ = _distribution().fit(exceedances / mean, 0.1, floc=0)
            shape = float(np.clip(fitted, *SHAPE_RANGE)) if np.isfinite(fitted) else 0.0
        # With the shape fixed by its guard, the scale that keeps the mean exceedance; never so small that
        # float noise around a constant score looks like a tail.
        scale = max(mean * (1 - shape), 1e-9 * abs(start), np.finfo(np.float64).tiny)
        return cls(float(start), float(scale), shape)

    def exceeded_with(self, scores: np.ndarray) -> np.ndarray:
        """Probability that a score above `start` is at least each of `scores`."""
        return _distribution().sf(
            np.asarray(scores, dtype=np.float64) - self.start, self.shape, scale=self.scale
        )

    def level(self, probability: float) -> float:
        """The level that a score above `start` reaches with this probability, in (0, 1]."""
        return self.start + float(_distribution().isf(probability, self.shape, scale=self.scale))
