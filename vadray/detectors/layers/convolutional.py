"""The convolutional encoder and decoder that the autoencoders share."""

from collections.abc import Sequence

import keras


def encoder(filters: Sequence[int], code_channels: int, name: str = "encoder") -> keras.Sequential:
    """Halves the picture once per entry of `filters`, then squeezes it to `code_channels`.

    Input `[n, height, width, channels]`; output `[n, height / 2**k, width / 2**k, code_channels]`, k = len(filters).
    """
    steps: list[keras.layers.Layer] = []
    for depth, width in enumerate(filters):
        steps.append(
            keras.layers.Conv2D(width, 5 if depth == 0 else 3, strides=2, padding="same", activation="relu")
        )
    steps.append(keras.layers.Conv2D(code_channels, 1))
    return keras.Sequential(steps, name=name)


def decoder(filters: Sequence[int], channels: int, name: str = "decoder") -> keras.Sequential:
    """Mirror of `encoder`: doubles the picture once per entry of `filters` and ends in 0 to 1 by a sigmoid.

    Input `[n, rows, columns, code]`; output `[n, rows * 2**k, columns * 2**k, channels]`, k = len(filters).
    """
    steps: list[keras.layers.Layer] = []
    for width in reversed(filters):
        steps.append(keras.layers.Conv2DTranspose(width, 4, strides=2, padding="same", activation="relu"))
    steps.append(keras.layers.Conv2D(channels, 3, padding="same", activation="sigmoid"))
    return keras.Sequential(steps, name=name)
