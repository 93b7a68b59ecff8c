"""Pictures without their lighting: what stands out from its surroundings, measured by how much does there."""

from typing import Any

import keras
from keras import ops

from vadray.errors import RequestError

LEAST_DEVIATION = 0.02  # of the 0 to 1 range, five grey levels: sensor noise on a bare surface stays small
MOST = 4.0  # deviations: one bright reflection must not outweigh the rest of the picture


def box_blur(pictures: Any, side: int, passes: int = 2) -> Any:
    """Mean over squares of `side` pixels, `passes` times: twice is near enough to a Gaussian.

    Rows and columns apart, since a large square costs its area and two strips only their length.

    Args:
        pictures: float `[n, height, width, channels]`.
        side: Of the square, in pixels.
        passes: How often. Defaults to 2.
    """
    for _ in range(passes):
        for strip in ((side, 1), (1, side)):
            pictures = ops.average_pool(pictures, strip, strides=1, padding="same")
    return pictures


@keras.saving.register_keras_serializable("vadray")
class LocalContrast(keras.layers.Layer):
    """Subtracts the local mean and divides by the local standard deviation.

    Args:
        side: Of the neighbourhood in pixels, an odd number of 3 or more.

    Input shape: float `[n, height, width, channels]` in 0 to 1.
    Output shape: three of the same: the normalised picture within -4 to 4, and the mean and the deviation, with
        which `normalised * deviation + mean` is the picture again, but for what was beyond 4.

    Raises:
        RequestError: `side` is even or less than 3.

    Reference: Jarrett et al., "What Is the Best Multi-Stage Architecture for Object Recognition?", ICCV 2009,
        section 2 (local contrast normalisation); the neighbourhood is a blurred box here, not a Gaussian.
    """

    def __init__(self, side: int, **kwargs: Any):
        super().__init__(**kwargs)
        if side < 3 or side % 2 == 0:
            raise RequestError(f"Argument `side` must be an odd number of at least 3. Received: side={side}")
        self.side = side

    def call(self, pictures: Any) -> tuple[Any, Any, Any]:
        mean = box_blur(pictures, self.side)
        centred = pictures - mean
        deviation = ops.sqrt(box_blur(ops.square(centred), self.side)) + LEAST_DEVIATION
        return ops.clip(centred / deviation, -MOST, MOST), mean, deviation

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "side": self.side}
