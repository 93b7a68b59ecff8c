"""How optical flow travels with frames: each component as one byte, signed square root.

A linear byte would spend its levels on speeds that hardly occur. With the square root a step is 0.002 px at
rest, 0.09 px at one pixel and 0.5 px at the most that is kept. Plain NumPy, so that detectors may import it.
"""

import numpy as np

FLOW_ZERO = 128  # the byte of no motion
FLOW_LEVELS = 127.0  # on either side of it
FLOW_MOST_PX = 32.0  # faster motion is kept as this fast
FLOW_CHANNELS = 2  # horizontal, vertical


def encode_flow(flow: np.ndarray) -> np.ndarray:
    """Flow to bytes.

    Args:
        flow: float `[..., 2]`, pixels to the right and down.

    Returns:
        uint8 `[..., 2]`: 128 + 127 * sign(f) * sqrt(min(|f|, 32) / 32), rounded.
    """
    level = np.abs(flow, dtype=np.float32)
    np.minimum(level, FLOW_MOST_PX, out=level)
    level *= FLOW_LEVELS**2 / FLOW_MOST_PX
    np.sqrt(level, out=level)
    np.copysign(level, flow, out=level)
    level += FLOW_ZERO
    return np.rint(level, out=level).astype(np.uint8)


def decode_flow(code: np.ndarray) -> np.ndarray:
    """Bytes to flow, the inverse of `encode_flow`: off by at most 0.0005 + 0.045 * sqrt(|f|) pixels.

    Args:
        code: uint8 `[..., 2]`.

    Returns:
        float32 `[..., 2]`, pixels to the right and down.
    """
    level = (code.astype(np.float32) - FLOW_ZERO) / FLOW_LEVELS
    return level * np.abs(level) * FLOW_MOST_PX
