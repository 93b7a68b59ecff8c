"""How far a distribution has drifted: population stability index and Kolmogorov-Smirnov distance of binned counts."""

import numpy as np

P_BINS = 100  # of p-values, which are uniform while footage is like that of the calibration
BRIGHTNESS_EDGES = np.linspace(0, 256, 65)
SHARPNESS_EDGES = 2.0 ** np.linspace(-2, 16, 73)
DECILES, LEAST_SHARE = 10, 1e-4
SOME, SHIFTED = 0.1, 0.25  # the usual reading of the index: below nothing, between some drift, above a shift


def known(value: float) -> float | None:
    """None where a figure is NaN, since nothing was counted."""
    return value if np.isfinite(value) else None


def binned(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Counts int64 `[len(edges) - 1]`; what lies outside counts in the first or the last bin."""
    return np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]


def p_counts(p_value: np.ndarray) -> np.ndarray:
    """Counts int64 `[P_BINS]` of p-values."""
    return np.bincount(np.minimum((np.asarray(p_value) * P_BINS).astype(int), P_BINS - 1), minlength=P_BINS)


def median_of(counts: np.ndarray, edges: np.ndarray) -> float:
    """The median of binned values, linear within its bin; NaN where nothing was counted."""
    total = counts.sum()
    if total == 0:
        return float("nan")
    below = np.concatenate([[0], np.cumsum(counts)])
    return float(np.interp(total / 2, below, edges))


def stability_index(counts: np.ndarray, reference: np.ndarray) -> float:
    """The population stability index over deciles of the reference: the sum of (p - q) ln(p / q).

    Siddiqi, Credit Risk Scorecards (2006). An empty decile counts as a share of `LEAST_SHARE`.

    Args:
        counts: int64 `[bins]`.
        reference: int64 `[bins]` or shares, of the same bins.

    Returns:
        At least 0; NaN where one of them is empty.
    """
    if counts.sum() == 0 or reference.sum() == 0:
        return float("nan")
    place = np.cumsum(reference) / reference.sum()
    decile = np.minimum((np.concatenate([[0.0], place[:-1]]) * DECILES + 1e-9).astype(int), DECILES - 1)
    one, other = (
        np.maximum(np.bincount(decile, weights=part)[np.unique(decile)] / part.sum(), LEAST_SHARE)
        for part in (counts, reference)
    )
    return float(np.sum((one - other) * np.log(one / other)))


def ks_distance(counts: np.ndarray, reference: np.ndarray) -> float:
    """The largest difference of the two cumulative shares at the bins' edges, 0 to 1; NaN where one is empty."""
    if counts.sum() == 0 or reference.sum() == 0:
        return float("nan")
    return float(np.abs(np.cumsum(counts) / counts.sum() - np.cumsum(reference) / reference.sum()).max())
