"""What a fixed camera looks at, small: a view to keep, and how far another one is shifted against it."""

from dataclasses import dataclass

import cv2
import numpy as np

VIEW_WIDTH = 96
_EDGES_AT_MOST = 95  # percentile: a lamp must not outweigh a whole room


def view_of(frames: np.ndarray) -> bytes:
    """A small grey JPEG of what frames have in common: their median, so that what moves is not in it.

    Args:
        frames: uint8 `[n, height, width, channels]`, RGB or grey in the first channels; n at least 1.
    """
    colour = frames.shape[-1] >= 3
    small = []
    for frame in frames:
        grey = (
            cv2.cvtColor(np.ascontiguousarray(frame[..., :3]), cv2.COLOR_RGB2GRAY)
            if colour
            else frame[..., 0]
        )
        rows = max(16, round(grey.shape[0] * VIEW_WIDTH / grey.shape[1]))
        small.append(cv2.resize(np.ascontiguousarray(grey), (VIEW_WIDTH, rows), interpolation=cv2.INTER_AREA))
    median = np.median(small, axis=0).astype(np.uint8)
    return cv2.imencode(".jpg", median, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()


@dataclass(frozen=True)
class Shift:
    """How one view lies against another.

    Args:
        distance: That it is shifted by, as a share of the width.
        alike: Correlation of their edges as they lie, -1 to 1.
        alike_shifted: The same once the shift is taken back.
    """

    distance: float
    alike: float
    alike_shifted: float


def shift_of(view: bytes, other: bytes) -> Shift:
    """The shift of a view against another, by phase correlation of their edges (Kuglin and Hines, 1975).

    Args:
        view: Of `view_of`.
        other: Of a picture of the same shape.
    """
    one, two = _edges(view), _edges(other)
    if one.shape != two.shape:
        two = cv2.resize(two, one.shape[::-1], interpolation=cv2.INTER_AREA)
    window = cv2.createHanningWindow(one.shape[::-1], cv2.CV_32F)
    (right, down), _ = cv2.phaseCorrelate(one, two, window)
    back = np.array([[1, 0, -right], [0, 1, -down]], np.float32)
    shifted = cv2.warpAffine(two, back, one.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    weight = float(window.sum())
    return Shift(
        distance=float(np.hypot(right, down)) / one.shape[1],
        alike=float((one * two * window).sum()) / weight,
        alike_shifted=float((one * shifted * window).sum()) / weight,
    )


def _edges(view: bytes) -> np.ndarray:
    decoded = np.asarray(cv2.imdecode(np.frombuffer(view, np.uint8), cv2.IMREAD_GRAYSCALE), np.float32)
    picture = cv2.GaussianBlur(decoded, (0, 0), 1)
    edges = np.hypot(cv2.Sobel(picture, cv2.CV_32F, 1, 0), cv2.Sobel(picture, cv2.CV_32F, 0, 1))
    edges = np.minimum(edges, np.percentile(edges, _EDGES_AT_MOST))
    return ((edges - edges.mean()) / (edges.std() + 1e-6)).astype(np.float32)
