"""Shapes drawn to a sixteenth of a pixel."""

import cv2
import numpy as np

SUBPIXEL_BITS = 4  # slow walkers would jump from pixel to pixel otherwise

Box = tuple[int, int, int, int]  # x, y, width, height in pixels
Colour = tuple[int, int, int] | float


def ellipse(picture: np.ndarray, x: float, y: float, half_w: float, half_h: float, colour: Colour) -> None:
    """Fill an ellipse around (`x`, `y`), half axes in pixels, into the picture, in place."""
    one = 1 << SUBPIXEL_BITS
    centre = (round(x * one), round(y * one))
    axes = (max(1, round(half_w * one)), max(1, round(half_h * one)))
    cv2.ellipse(picture, centre, axes, 0, 0, 360, colour, -1, cv2.LINE_AA, SUBPIXEL_BITS)
