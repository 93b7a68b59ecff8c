"""Derivatives of Gaussians as filters: what edges, lines and texture are told by."""

from typing import Any

import numpy as np
from keras import ops


def derivative(order: int, across: float, along: float, turn: float, reach: int) -> np.ndarray:
    """First or second derivative, across, of an elongated Gaussian: answers to edges, or to dark lines.

    Args:
        order: 1 or 2.
        across: Deviation of the Gaussian in the direction of the derivative, in pixels.
        along: Deviation along the line, in pixels.
        turn: Radians; 0 is for lines that run up and down.
        reach: Pixels on each side of the middle.

    Returns:
        float32 `[2 reach + 1, 2 reach + 1]`, without a mean and of magnitude 1.
    """
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    gaussian = np.exp(-(u**2) / (2 * across**2) - v**2 / (2 * along**2))
    return unit(-u * gaussian if order == 1 else (u**2 / across**2 - 1) * gaussian)


def unit(filter_: np.ndarray) -> np.ndarray:
    """A filter without its mean, its magnitudes of sum 1; float32."""
    centred = filter_ - filter_.mean()
    return (centred / np.abs(centred).sum()).astype(np.float32)


def filtered(grey: Any, filters: np.ndarray) -> Any:
    """Answers to square filters of odd side; the picture goes on beyond its border as in a mirror.

    Args:
        grey: float `[n, height, width, 1]`.
        filters: float32 `[side, side, 1, count]`.

    Returns:
        float `[n, height, width, count]`.
    """
    reach = [filters.shape[0] // 2] * 2
    return ops.conv(ops.pad(grey, [[0, 0], reach, reach, [0, 0]], mode="symmetric"), filters, padding="valid")
