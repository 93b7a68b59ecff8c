"""Small pictures of a frame: with the event's box on it, of what its error map shows, of the seconds around it."""

from collections.abc import Sequence

import cv2
import numpy as np

LONGEST_WIDTH = 320
STRIP_WIDTH = 96  # of each of its pictures
STRIP_GAP = 2
BLUR_SHARE = 0.03  # standard deviation, as a share of the longer side: faces and number plates are gone


def thumbnail(frame: np.ndarray, box: tuple[int, int, int, int], quality: int = 80) -> bytes:
    """A JPEG of a frame with a box.

    Args:
        frame: uint8 `[height, width, 1]` grey or `[height, width, 3]` RGB.
        box: x, y, width and height in the frame's pixels.
        quality: Of the JPEG, 1 to 100.

    Returns:
        The JPEG file's bytes, at most 320 pixels wide.
    """
    picture = _bgr(frame)
    x, y, width, height = box
    cv2.rectangle(picture, (x, y), (x + width - 1, y + height - 1), (40, 40, 235), 1)
    return _jpeg(_at_most(picture, LONGEST_WIDTH), quality)


def strip(frames: Sequence[np.ndarray], quality: int = 70) -> bytes:
    """A JPEG of frames side by side, each at most 96 pixels wide.

    Args:
        frames: uint8 `[height, width, 1 or 3]` each, at least one, all of one shape.
        quality: Of the JPEG, 1 to 100.
    """
    tiles = [_at_most(_bgr(frame), STRIP_WIDTH) for frame in frames]
    gap = np.full((tiles[0].shape[0], STRIP_GAP, 3), 255, np.uint8)
    parts = [part for tile in tiles for part in (gap, tile)][1:]
    return _jpeg(np.concatenate(parts, axis=1), quality)


def heat_map(error_map: np.ndarray) -> bytes:
    """A PNG to lay over a frame: what is not unusual is clear, the peak is opaque and yellow.

    Args:
        error_map: float32 `[rows, columns]`.

    Returns:
        The PNG file's bytes, RGBA, a pixel a cell, at most 96 columns.
    """
    low, high = float(error_map.min()), float(error_map.max())
    share = (error_map - low) / (high - low) if high > low else np.zeros_like(error_map)
    level = _at_most(np.round(share * 255).astype(np.uint8), STRIP_WIDTH)
    coloured = cv2.cvtColor(cv2.applyColorMap(level, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2BGRA)
    coloured[..., 3] = level
    return cv2.imencode(".png", coloured)[1].tobytes()


def blurred(frame: np.ndarray) -> np.ndarray:
    """The frame without anything by which a person could be told.

    Args:
        frame: uint8 `[height, width, channels]`.
    """
    sigma = max(1.0, BLUR_SHARE * max(frame.shape[:2]))
    return cv2.GaussianBlur(np.ascontiguousarray(frame), (0, 0), sigma).reshape(frame.shape)


def _bgr(frame: np.ndarray) -> np.ndarray:
    colour = cv2.COLOR_GRAY2BGR if frame.shape[2] == 1 else cv2.COLOR_RGB2BGR
    return cv2.cvtColor(np.ascontiguousarray(frame), colour)


def _at_most(picture: np.ndarray, width: int) -> np.ndarray:
    if picture.shape[1] <= width:
        return picture
    rows = round(picture.shape[0] * width / picture.shape[1])
    return cv2.resize(picture, (width, max(rows, 1)), interpolation=cv2.INTER_AREA)


def _jpeg(picture: np.ndarray, quality: int) -> bytes:
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
