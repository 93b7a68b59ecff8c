"""Three cheap figures of each small frame: brightness, sharpness and motion."""

import cv2
import numpy as np


def grey_of(frame: np.ndarray) -> np.ndarray:
    """Grey view or copy, uint8 `[height, width]`, of a frame uint8 `[height, width, 1 or 3]` (RGB)."""
    if frame.shape[2] == 1:
        return frame[:, :, 0]
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)


class FrameFigures:
    """Measures frames one after the other, remembering the grey frame before.

    `measure` gives brightness (mean grey level), sharpness (variance of the Laplacian) and motion (mean
    absolute difference from the frame before; 0 for the very first).
    """

    def __init__(self) -> None:
        self._previous: np.ndarray | None = None
        self._edges: np.ndarray | None = None

    def remember(self, frame: np.ndarray) -> None:
        """Takes a lead-in frame as the one before the next frame, without measuring it."""
        self._previous = grey_of(frame)

    def measure(self, frame: np.ndarray) -> tuple[float, float, float]:
        """Gives (brightness, sharpness, motion) of a uint8 frame `[height, width, channels]`.

        The frame is kept by reference until the next call: do not overwrite it before.
        """
        grey = grey_of(frame)
        brightness = cv2.mean(grey)[0]
        # Into the same memory each time: fresh pages would cost as much as the filter itself.
        edges = self._edges = cv2.Laplacian(grey, cv2.CV_16S, dst=self._edges)
        # Sums in two passes: `cv2.meanStdDev` takes ten times as long as these.
        mean_edge = cv2.sumElems(edges)[0] / edges.size
        sharpness = cv2.norm(edges, cv2.NORM_L2SQR) / edges.size - mean_edge**2
        motion = 0.0
        if self._previous is not None:
            motion = cv2.norm(grey, self._previous, cv2.NORM_L1) / grey.size
        self._previous = grey
        return brightness, max(0.0, sharpness), motion
