"""What every detector is: a Keras model that turns frames into per-frame scores and coarse error maps."""

from typing import Any, ClassVar, Literal

import keras
from keras import ops

from vadray.errors import RequestError


class Detector(keras.Model):
    """Base of all detectors: reconstructs (or predicts) normality and scores what it cannot.

    A detector sees windows of `window` frames. The grid of windows is anchored at an object's first frame and
    moves by `stride`: each window scores its last `stride` frames and uses the `window - stride` before them as
    context, so that every frame is scored exactly once. An image detector is the case `window = 1`.

    Args:
        height: Rows of the input, a positive multiple of 8.
        width: Columns of the input, a positive multiple of 8.
        channels: 1 (grey) or 3 (RGB). Defaults to 1.
        window: Frames the model sees at once, at least 1. Defaults to 1.
        stride: Frames by which windows move, from 1 to `window`. Defaults to 1.
        cell: Side in pixels of a cell of the error map. Must divide `height` and `width`. Defaults to 8.

    Raises:
        RequestError: An argument is out of its range.
    """

    name_of_detector: ClassVar[str]
    kind: ClassVar[Literal["image", "video"]]
    paper: ClassVar[str]
    recommended: ClassVar[bool] = False
    default_size: ClassVar[tuple[int, int]] = (128, 128)
    default_window: ClassVar[int] = 1

    def __init__(
        self,
        height: int,
        width: int,
        channels: int = 1,
        window: int = 1,
        stride: int = 1,
        cell: int = 8,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        for argument, value in (("height", height), ("width", width)):
            if value <= 0 or value % 8 or value % cell:
                raise RequestError(
                    f"Received an invalid value for argument `{argument}`, expected a positive multiple of 8 and "
                    f"of `cell`={cell}. Received: {argument}={value}"
                )
        if channels not in (1, 3):
            raise RequestError(
                f"Argument `channels` must be 1 (grey) or 3 (RGB). Received: channels={channels}"
            )
        if window < 1 or not 1 <= stride <= window:
            raise RequestError(
                "Arguments `window` and `stride` must fulfil 1 <= stride <= window. "
                f"Received: window={window}, stride={stride}"
            )
        self.height, self.width, self.channels = height, width, channels
        self.window, self.stride, self.cell = window, stride, cell

    @property
    def context(self) -> int:
        """Frames needed before the first scored one."""
        return self.window - self.stride

    def sample_loss(self, windows: Any) -> Any:
        """Training loss of each window.

        Args:
            windows: float32 `[batch, window, height, width, channels]` in 0 to 1.

        Returns:
            float32 `[batch]`.
        """
        raise NotImplementedError(f"{type(self).__name__} is abstract in `sample_loss`")

    def reconstruct(self, frames: Any) -> Any:
        """Normal appearance of each scored frame.

        Args:
            frames: float32 `[context + n, height, width, channels]` in 0 to 1, `n` a multiple of `stride`.

        Returns:
            float32 `[n, height, width, channels]`.
        """
        raise NotImplementedError(f"{type(self).__name__} is abstract in `reconstruct`")

    def score(self, frames: Any) -> tuple[Any, Any, Any]:
        """Scores frames, encoding each once (equations 13 and 14 of the paper: squared reconstruction error).

        The squared error is averaged over channels and over cells of `cell` x `cell` pixels, blurred by 3 x 3
        cells, and the score is the map's maximum: a small anomaly must not drown in a large quiet picture.

        Args:
            frames: uint8 `[context + n, height, width, channels]`, `n` a multiple of `stride`.

        Returns:
            `(score [n], error_map [n, height / cell, width / cell], mse [n])`, float32; `mse` is the plain mean
            over the frame in units of the 0 to 1 range, from which PSNR follows.
        """
        frames = ops.cast(frames, "float32") / 255.0
        difference = frames[self.context :] - self.reconstruct(frames)
        squared = ops.mean(ops.square(difference), axis=-1, keepdims=True)
        cells = ops.average_pool(squared, self.cell, strides=self.cell, padding="valid")
        error_map = ops.average_pool(cells, 3, strides=1, padding="same")[..., 0]
        return ops.max(error_map, axis=(1, 2)), error_map, ops.mean(cells, axis=(1, 2, 3))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "height": self.height,
            "width": self.width,
            "channels": self.channels,
            "window": self.window,
            "stride": self.stride,
            "cell": self.cell,
        }
