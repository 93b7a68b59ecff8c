"""What a lens, a codec and a moved camera do to pictures that were decoded already; flow measured anew after it."""

import cv2
import numpy as np

from vadray.media.flow import StreamFlow
from vadray.media.flow_code import FLOW_CHANNELS
from vadray.media.motion import grey_of


def blurred(pictures: np.ndarray, sigma_px: float) -> np.ndarray:
    """Out of focus: a Gaussian blur of each picture, borders mirrored.

    Args:
        pictures: uint8 `[n, height, width, 1 or 3]`.
        sigma_px: Standard deviation in pixels, above 0.

    Returns:
        uint8 of the same shape.
    """
    result = np.empty_like(pictures)
    for index, picture in enumerate(pictures):
        # OpenCV drops a last axis of one channel
        result[index] = cv2.GaussianBlur(picture, (0, 0), sigma_px).reshape(picture.shape)
    return result


def jpeg_coded(pictures: np.ndarray, quality: int) -> np.ndarray:
    """Coded as JPEG and decoded again, each picture on its own.

    Args:
        pictures: uint8 `[n, height, width, 1 or 3]`, grey or RGB.
        quality: Of the JPEG, 1 to 100.

    Returns:
        uint8 of the same shape.
    """
    result = np.empty_like(pictures)
    colour = pictures.shape[-1] == 3
    for index, picture in enumerate(pictures):
        # OpenCV takes and gives BGR: the other way round red would be coded as finely as blue
        ordered = np.ascontiguousarray(picture[..., ::-1]) if colour else picture
        content = cv2.imencode(".jpg", ordered, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        decoded = cv2.imdecode(content, cv2.IMREAD_COLOR if colour else cv2.IMREAD_GRAYSCALE)
        assert decoded is not None  # what OpenCV has just coded
        result[index] = decoded[..., ::-1] if colour else decoded[..., None]
    return result


def with_flow(pictures: np.ndarray, across: int) -> np.ndarray:
    """Pictures and their optical flow, as decoding gives them.

    Args:
        pictures: uint8 `[n, height, width, 1 or 3]`: a whole video from its first frame, at least 16 pixels a side.
        across: Frames across which flow is measured, at least 1.

    Returns:
        uint8 `[n, height, width, channels + 2]`, coded as in `vadray.media.flow_code`.
    """
    flow = StreamFlow(across)
    channels = pictures.shape[-1]
    frames = np.empty((*pictures.shape[:-1], channels + FLOW_CHANNELS), np.uint8)
    frames[..., :channels] = pictures
    for index, picture in enumerate(pictures):
        frames[index, ..., channels:] = flow.measure(np.ascontiguousarray(grey_of(picture)))
    if len(frames) > across:
        frames[:across, ..., channels:] = frames[across, ..., channels:]
    return frames
