"""What is usually written in place of vadray: OpenCV reads, overlapping windows go through `keras.Model.predict`."""

from collections.abc import Sequence
from typing import Any, cast

import cv2
import keras
import numpy as np

from vadray.detectors.base import Detector

BATCH = 32


class Windowed(keras.Model):
    """Windows in, an error for each out: each window is taken as if it were the only one.

    Args:
        detector: What is learned by gradients; it stands for the whole model.
    """

    def __init__(self, detector: Detector):
        super().__init__()
        self.detector = detector

    def call(self, windows: Any) -> Any:
        return self.detector.sample_loss(self.detector.prepare(windows))


def predict(model: Windowed, frames: np.ndarray) -> np.ndarray:
    """Errors of all windows of frames uint8 `[n, height, width, channels]`."""
    window, stride = model.detector.window, model.detector.stride
    view = np.lib.stride_tricks.sliding_window_view(frames, window, axis=0)[::stride]
    windows = np.ascontiguousarray(np.moveaxis(view, -1, 1))
    return model.predict(windows, batch_size=BATCH, verbose=0)


def videos(model: Windowed, paths: Sequence[str]) -> int:
    """Scores videos one after another; the number of their frames."""
    height, width = model.detector.height, model.detector.width
    count = 0
    for path in paths:
        capture, frames = cv2.VideoCapture(path), []
        while True:
            read, picture = capture.read()
            if not read:
                break
            frames.append(cv2.cvtColor(cv2.resize(picture, (width, height)), cv2.COLOR_BGR2GRAY))
        capture.release()
        predict(model, np.stack(frames)[..., None])
        count += len(frames)
    return count


def pictures(model: Windowed, paths: Sequence[str]) -> int:
    """Scores pictures a batch at a time; their number."""
    height, width = model.detector.height, model.detector.width
    for start in range(0, len(paths), BATCH):
        batch = [cast(np.ndarray, cv2.imread(path)) for path in paths[start : start + BATCH]]
        grey = [cv2.cvtColor(cv2.resize(one, (width, height)), cv2.COLOR_BGR2GRAY) for one in batch]
        predict(model, np.stack(grey)[..., None])
    return len(paths)
