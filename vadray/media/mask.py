"""Masks of a picture's regions, as people draw them."""

import cv2
import numpy as np


def decode_mask(content: bytes, *, name: str) -> np.ndarray:
    """Where a mask is white.

    Args:
        content: Bytes of a PNG or another picture.
        name: What to call it in errors.

    Returns:
        bool `[rows, columns]`.

    Raises:
        ValueError: It is no picture, or white nowhere.
    """
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE) if content else None
    if picture is None:
        raise ValueError(f"{name}: expected a PNG, received {len(content):,} other bytes")
    mask = picture >= 128
    if not mask.any():
        raise ValueError(f"{name}: expected a mask that is white somewhere, received one that is nowhere")
    return mask
