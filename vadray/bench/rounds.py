"""What rounds that were measured by turns come to."""

import statistics
from collections.abc import Sequence


def median_ratio(ours: Sequence[float], others: Sequence[float]) -> float:
    """Median of the ratios within each round: what the machine did to both in one round cancels out."""
    return statistics.median(one / other for one, other in zip(ours, others, strict=True))
