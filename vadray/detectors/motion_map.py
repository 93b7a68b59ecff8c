"""What the two detectors without training share: a map of how much moves where."""

from typing import Any

from keras import ops

from vadray.detectors.base import Detector
from vadray.errors import RequestError


class MotionMap(Detector):
    """Scores frames by their strongest motion; there is nothing to learn.

    A subclass measures the motion of each pixel in `movement`. It is averaged over cells, over `blur` x `blur` cells,
    and over the last `window - stride - least_context + 1` frames; the score is the map's maximum. Blurring in space
    asks for an object rather than a pixel, blurring in time for motion that lasts.

    Args:
        height: Rows.
        width: Columns.
        channels: 1 (grey) or 3 (RGB).
        window: Frames of a window, at least `stride + least_context`.
        stride: Frames by which windows move.
        blur: Side in cells of the square that motion is averaged over, odd. Defaults to 3.

    Raises:
        RequestError: `blur` is not a positive odd number, or `window` leaves too little context.
    """

    learns = False

    def __init__(
        self,
        height: int,
        width: int,
        channels: int = 1,
        window: int = 2,
        stride: int = 1,
        blur: int = 3,
        **kwargs: Any,
    ):
        super().__init__(height, width, channels, window, stride, **kwargs)
        if blur < 1 or blur % 2 == 0:
            raise RequestError(f"Argument `blur` must be a positive odd number. Received: blur={blur}")
        if self.context < self.least_context:
            raise RequestError(
                f"Argument `window` must be at least `stride` + {self.least_context}: motion needs a frame before. "
                f"Received: window={window}, stride={stride}"
            )
        self.blur = blur

    @property
    def least_context(self) -> int:
        """Frames that `movement` takes from before the first it gives; at least 1."""
        return 1

    def movement(self, frames: Any) -> Any:
        """Motion of each pixel, at least 0.

        Args:
            frames: float32 `[m, height, width, input_channels]`, prepared and consecutive.

        Returns:
            float32 `[m - least_context, height, width]`: that of the last frames, in order.
        """
        raise NotImplementedError(f"{type(self).__name__} is abstract in `movement`")

    def cell_errors(self, frames: Any) -> tuple[Any, Any]:
        count = ops.shape(frames)[0] - self.context
        motion = self.movement(frames)
        cells = ops.average_pool(motion[..., None], self.cell, strides=self.cell, padding="valid")
        cells = ops.average_pool(cells, self.blur, strides=1, padding="same")[..., 0]
        # a sum of its own for each frame, not a running one: scores must not depend on where a run begins
        averaged = self.context - self.least_context + 1
        lasting = sum(cells[start : start + count] for start in range(averaged)) / averaged
        picture = frames[self.context - 1 :, ..., : self.channels]
        return lasting, ops.mean(ops.square(picture[1:] - picture[:-1]), axis=(1, 2, 3))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "blur": self.blur}
