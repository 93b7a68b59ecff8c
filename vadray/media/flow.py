"""Optical flow between frames: Dense Inverse Search, how far it can be trusted, and how it goes with a stream.

Reference: Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016, as OpenCV has it. Its
    result depends neither on the number of threads nor on the frames measured before.
"""

from collections import deque
from typing import Any, Literal, get_args

import cv2
import numpy as np

from vadray.media.flow_code import FLOW_CHANNELS, FLOW_ZERO, encode_flow

Preset = Literal["ultrafast", "fast", "fine", "medium"]
# Changing it changes what detectors with flow see, and so their scores.
DEFAULT_PRESET: Preset = "fine"
_PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "fine": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}
# OpenCV's fast search stops at a quarter of the resolution, where a far pedestrian is three pixels wide.
_FINEST_SCALE = {"fine": 1}
# Bound of the forward-backward error: a share of the squared lengths, and square pixels.
_BOUND_SHARE, _BOUND_PX2 = 0.01, 0.5


class OpticalFlow:
    """Dense optical flow between two grey frames.

    Keeps its working memory from pair to pair; use one for each size of frame and each thread.

    Args:
        preset: How much time is spent: `"ultrafast"`, `"fast"` or `"medium"` as OpenCV has them, or `"fine"`, the
            fast search taken down to half the resolution. Defaults to `"fine"`.

    Raises:
        ValueError: There is no such preset.

    Example:
        >>> flow = OpticalFlow().between(before, now)
    """

    def __init__(self, preset: Preset = DEFAULT_PRESET):
        if preset not in _PRESETS:
            raise ValueError(f"`preset` must be one of {', '.join(get_args(Preset))}. Received: {preset!r}")
        search: Any = cv2.DISOpticalFlow.create(_PRESETS[preset])  # typed as if it had to start from a flow
        self._search = search
        if preset in _FINEST_SCALE:
            self._search.setFinestScale(_FINEST_SCALE[preset])

    def between(self, before: np.ndarray, now: np.ndarray) -> np.ndarray:
        """Where each pixel of `before` has gone in `now`.

        Args:
            before: uint8 `[height, width]`, at least 16 a side.
            now: The same.

        Returns:
            float32 `[height, width, 2]`, pixels to the right and down.
        """
        return self._search.calc(before, now, None)  # type: ignore[call-overload]  # the stubs want a flow to begin with


class StreamFlow:
    """Flow, coded in bytes, of frames that come one after the other.

    Args:
        across: Frames from the one flow is measured from to the one it is measured to, at least 1.
        preset: As for `OpticalFlow`.
    """

    def __init__(self, across: int, preset: Preset = DEFAULT_PRESET):
        self._flow = OpticalFlow(preset)
        self._before: deque[np.ndarray] = deque(maxlen=across)

    def measure(self, grey: np.ndarray) -> np.ndarray:
        """Coded flow to the next frame.

        Args:
            grey: uint8 `[height, width]`, kept by reference: do not overwrite it.

        Returns:
            uint8 `[height, width, 2]` from the frame `across` before; FLOW_ZERO while there is none.
        """
        if len(self._before) < (self._before.maxlen or 0):
            code = np.full((*grey.shape, FLOW_CHANNELS), FLOW_ZERO, np.uint8)
        else:
            code = encode_flow(self._flow.between(self._before[0], grey))
        self._before.append(grey)
        return code


def reliable(forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """Where forward and backward flow agree.

    With w the forward flow at x and v the backward flow at x + w, interpolated, a pixel is reliable if

        |w + v|^2 < 0.01 * (|w|^2 + |v|^2) + 0.5

    A pixel that leaves the picture cannot be checked and is not reliable.

    Args:
        forward: float32 `[height, width, 2]`, from one frame to another.
        backward: The same, from the other to the one.

    Returns:
        bool `[height, width]`.

    Reference: Sundaram, Brox and Keutzer, "Dense Point Trajectories by GPU-accelerated Large Displacement Optical
        Flow", ECCV 2010, where tracks end: the check of forward against backward flow.
    """
    height, width = forward.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    to_x, to_y = columns + forward[..., 0], rows + forward[..., 1]
    # a pixel's area reaches half a pixel beyond its centre: a border that hardly trembles has not left
    inside = (to_x >= -0.5) & (to_x < width - 0.5) & (to_y >= -0.5) & (to_y < height - 0.5)
    back = cv2.remap(backward, to_x, to_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    error = np.square(forward + back).sum(axis=-1)
    lengths = np.square(forward).sum(axis=-1) + np.square(back).sum(axis=-1)
    return inside & (error < _BOUND_SHARE * lengths + _BOUND_PX2)


def reliability(forward: np.ndarray, backward: np.ndarray) -> float:
    """Share of pixels, 0 to 1, that are `reliable`."""
    return float(reliable(forward, backward).mean())
