"""Small JPEG pictures of a frame with a box drawn on it."""

import cv2
import numpy as np

LONGEST_WIDTH = 320


def thumbnail(frame: np.ndarray, box: tuple[int, int, int, int], quality: int = 80) -> bytes:
    """A JPEG of a frame with a box.

    Args:
        frame: uint8 `[height, width, 1]` grey or `[height, width, 3]` RGB.
        box: x, y, width and height in the frame's pixels.
        quality: Of the JPEG, 1 to 100.

    Returns:
        The JPEG file's bytes, at most 320 pixels wide.
    """
    colour = cv2.COLOR_GRAY2BGR if frame.shape[2] == 1 else cv2.COLOR_RGB2BGR
    picture = cv2.cvtColor(np.ascontiguousarray(frame), colour)
    x, y, width, height = box
    cv2.rectangle(picture, (x, y), (x + width - 1, y + height - 1), (40, 40, 235), 1)
    if picture.shape[1] > LONGEST_WIDTH:
        rows = round(picture.shape[0] * LONGEST_WIDTH / picture.shape[1])
        picture = cv2.resize(picture, (LONGEST_WIDTH, max(rows, 1)), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
