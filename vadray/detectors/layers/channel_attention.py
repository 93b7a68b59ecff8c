"""Attention over channels."""

from typing import Any

import keras
from keras import ops

from vadray.errors import RequestError


@keras.saving.register_keras_serializable("vadray")
class ChannelAttention(keras.layers.Layer):
    """Weighs each channel by what the whole map says.

    The mean of each channel over the map goes through a narrow layer and back to one weight, 0 to 1, for each
    channel. Of maps joined from two streams, it decides which stream to believe.

    Args:
        reduction: Channels for each unit of the narrow layer, at least 1. Defaults to 4.

    Input shape: float `[n, rows, columns, channels]`.
    Output shape: the same.

    Raises:
        RequestError: `reduction` is less than 1.

    Reference: Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018, equations 2 to 4.
    """

    def __init__(self, reduction: int = 4, **kwargs: Any):
        super().__init__(**kwargs)
        if reduction < 1:
            raise RequestError(f"Argument `reduction` must be at least 1. Received: reduction={reduction}")
        self.reduction = reduction

    def build(self, input_shape: Any) -> None:
        channels = input_shape[-1]
        narrow = max(1, channels // self.reduction)
        self.squeeze = keras.layers.Dense(narrow, activation="relu", name="squeeze")
        self.excite = keras.layers.Dense(channels, activation="sigmoid", name="excite")
        self.squeeze.build((None, channels))
        self.excite.build((None, narrow))
        self.built = True

    def call(self, maps: Any) -> Any:
        weights = self.excite(self.squeeze(ops.mean(maps, axis=(1, 2))))
        return maps * weights[:, None, None, :]

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "reduction": self.reduction}
