"""The area under a part of a curve, which per-region overlap and region detection both are."""

import numpy as np


def partial_area(x: np.ndarray, y: np.ndarray, limit: float) -> float:
    """Area under a curve from 0 to `limit`, divided by `limit`, so that 1 is the best.

    Between points the curve is a straight line, at one `x` it rises upright, and after the last point it stays
    where it is.

    Args:
        x: `[n]`, from 0, non-decreasing.
        y: `[n]`.
        limit: Above 0.
    """
    inside = int(np.searchsorted(x, limit, side="right"))
    x_inside, y_inside = x[:inside], y[:inside]
    end = y_inside[-1]
    if inside < len(x):
        share = (limit - x_inside[-1]) / (x[inside] - x_inside[-1])
        end = end + share * (y[inside] - end)
    return float(np.trapezoid(np.append(y_inside, end), np.append(x_inside, limit)) / limit)
