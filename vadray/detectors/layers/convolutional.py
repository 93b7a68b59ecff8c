"""The convolutional encoder and decoder that the autoencoders share, and how they change resolution."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from vadray.errors import RequestError

# thin layers lose whole channels to a plain ReLU; a small slope keeps them alive at no cost
ACTIVATION = "leaky_relu"
MOST_LAST_DOUBLINGS = 2


@keras.saving.register_keras_serializable("vadray")
class DepthToSpace(keras.layers.Layer):
    """Moves blocks of channels into space: each position becomes `block` x `block` positions.

    A convolution before it works at the low resolution, where a CPU multiplies at its full rate, and still writes
    every pixel of the high one: sub-pixel convolution.

    Args:
        block: Side of the square that one position becomes, at least 1. Defaults to 2.

    Input shape: `[n, rows, columns, block * block * channels]`.
    Output shape: `[n, rows * block, columns * block, channels]`.

    Raises:
        RequestError: `block` is less than 1, or does not divide the channels.

    Reference: Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel
        Convolutional Neural Network", CVPR 2016, section 3.2.
    """

    def __init__(self, block: int = 2, **kwargs: Any):
        super().__init__(**kwargs)
        if block < 1:
            raise RequestError(f"Argument `block` must be at least 1. Received: block={block}")
        self.block = block

    def build(self, input_shape: Any) -> None:
        if input_shape[-1] % self.block**2:
            raise RequestError(
                f"Argument `block` must divide the input's channels by its square. Received: block={self.block}, "
                f"channels={input_shape[-1]}"
            )
        self.built = True

    def call(self, maps: Any) -> Any:
        _, rows, columns, depth = maps.shape
        block, channels = self.block, depth // self.block**2
        maps = ops.reshape(maps, (-1, rows, columns, block, block, channels))
        maps = ops.transpose(maps, (0, 1, 3, 2, 4, 5))
        return ops.reshape(maps, (-1, rows * block, columns * block, channels))

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        count, rows, columns, depth = input_shape
        return (count, rows * self.block, columns * self.block, depth // self.block**2)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "block": self.block}


def encoder(filters: Sequence[int], code_channels: int, name: str = "encoder") -> keras.Sequential:
    """Halves the picture once per entry of `filters`, then squeezes it to `code_channels`.

    Input `[n, height, width, channels]`; output `[n, height / 2**k, width / 2**k, code_channels]`, k = len(filters).
    """
    steps: list[keras.layers.Layer] = []
    for depth, width in enumerate(filters):
        steps.append(
            keras.layers.Conv2D(
                width, 5 if depth == 0 else 3, strides=2, padding="same", activation=ACTIVATION
            )
        )
    steps.append(keras.layers.Conv2D(code_channels, 1))
    return keras.Sequential(steps, name=name)


def decoder(
    filters: Sequence[int],
    channels: int,
    name: str = "decoder",
    activation: str = "sigmoid",
    last_doublings: int = MOST_LAST_DOUBLINGS,
) -> keras.Sequential:
    """Mirror of `encoder`: doubles the picture once per entry of `filters` and ends in 0 to 1 by a sigmoid.

    Every convolution works at the resolution it starts from and doubles it by `DepthToSpace`; the last one writes
    blocks of `2**last_doublings` pixels at once, so that nothing but the picture itself exists at full resolution.

    Input `[n, rows, columns, code]`; output `[n, rows * 2**k, columns * 2**k, channels]`, k = len(filters).

    Args:
        filters: As for `encoder`.
        channels: Channels of the picture.
        name: Of the model.
        activation: After the last convolution; "linear" for differences of pictures. Defaults to "sigmoid".
        last_doublings: Doublings that the last convolution does at once, 1 (finer) or 2 (cheaper). Defaults to 2.
    """
    last = min(last_doublings, len(filters))
    widths = list(reversed(filters))
    steps: list[keras.layers.Layer] = []
    for width in widths[1 : len(widths) - last + 1]:
        steps.append(keras.layers.Conv2D(4 * width, 3, padding="same", activation=ACTIVATION))
        steps.append(DepthToSpace(2))
    steps.append(keras.layers.Conv2D(widths[len(widths) - last], 3, padding="same", activation=ACTIVATION))
    # the picture in float32 whatever the policy: its error is a small difference of numbers that are nearly the same
    steps.append(
        keras.layers.Conv2D(4**last * channels, 3, padding="same", activation=activation, dtype="float32")
    )
    steps.append(DepthToSpace(2**last, dtype="float32"))
    return keras.Sequential(steps, name=name)
