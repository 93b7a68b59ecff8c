"""The two halves of a thin U-Net: down to a code, and up again with or without the maps passed across."""

from collections.abc import Sequence
from typing import Any

import keras

from vadray.detectors.layers.convolutional import ACTIVATION, DepthToSpace
from vadray.errors import RequestError


def checked_filters(filters: Sequence[int], height: int, width: int) -> tuple[int, ...]:
    """`filters` as a tuple.

    Raises:
        RequestError: There is none, one is not positive, or the picture cannot be halved so often.
    """
    halved = 2 ** len(filters)
    if not filters or min(filters) < 1 or height % halved or width % halved:
        raise RequestError(
            "Argument `filters` must hold positive numbers, one for each time that the picture is halved, and "
            f"`height` and `width` must be multiples of 2 ** len(filters). Received: filters={list(filters)}, "
            f"height={height}, width={width}"
        )
    return tuple(filters)


@keras.saving.register_keras_serializable("vadray")
class Contraction(keras.layers.Layer):
    """Halves maps once per entry of `filters` by strided convolutions.

    Args:
        filters: Filters of each halving convolution, finest first.
        kernel: Side of the first convolution's kernel. Defaults to 3.

    Input shape: `[n, height, width, channels]`.
    Output shape: a list, `[n, height / 2**i, width / 2**i, filters[i - 1]]` for i = 1 … len(filters).
    """

    def __init__(self, filters: Sequence[int], kernel: int = 3, **kwargs: Any):
        super().__init__(**kwargs)
        self.filters, self.kernel = tuple(filters), kernel
        self.steps = [
            keras.layers.Conv2D(
                width, kernel if level == 0 else 3, strides=2, padding="same", activation=ACTIVATION
            )
            for level, width in enumerate(self.filters)
        ]

    def build(self, input_shape: Any) -> None:
        for step in self.steps:
            step.build(input_shape)
            input_shape = step.compute_output_shape(input_shape)
        self.built = True

    def call(self, maps: Any) -> list[Any]:
        levels = []
        for step in self.steps:
            maps = step(maps)
            levels.append(maps)
        return levels

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": list(self.filters), "kernel": self.kernel}


@keras.saving.register_keras_serializable("vadray")
class Expansion(keras.layers.Layer):
    """Doubles a code once per entry of `filters`, up to a picture.

    A 1 x 1 convolution and `DepthToSpace` double, then, where maps are passed across, those of the same resolution
    are added (adding costs nothing; the customary concatenation would double the next convolution), then a 3 x 3
    convolution. The last doubling writes the picture itself: no map but the picture exists at full resolution.

    Args:
        filters: As for `Contraction`.
        channels: Channels of the picture.
        activation: After the last convolution. Defaults to "linear", for differences.

    Input shape: `code [n, height / 2**k, width / 2**k, any]`, k = len(filters); `levels`, as from `Contraction`
        (its last entry is not used), or none.
    Output shape: `[n, height, width, channels]`.
    """

    def __init__(self, filters: Sequence[int], channels: int, activation: str = "linear", **kwargs: Any):
        super().__init__(**kwargs)
        self.filters, self.channels, self.activation = tuple(filters), channels, activation
        self.enter = keras.layers.Conv2D(self.filters[-1], 3, padding="same", activation=ACTIVATION)
        widths = list(reversed(self.filters[:-1]))
        self.widen = [keras.layers.Conv2D(4 * width, 1) for width in widths]
        self.refine = [
            keras.layers.Conv2D(width, 3, padding="same", activation=ACTIVATION) for width in widths
        ]
        # the picture in float32 whatever the policy: its error is a small difference of numbers that are nearly the same
        self.leave = keras.layers.Conv2D(
            4 * channels, 3, padding="same", activation=activation, dtype="float32"
        )
        self.double = DepthToSpace(2)
        self.spread = DepthToSpace(2, dtype="float32")

    def build(self, input_shape: Any) -> None:
        count, rows, columns, _ = input_shape
        self.enter.build(input_shape)
        depth = self.filters[-1]
        for widen, refine in zip(self.widen, self.refine, strict=True):
            widen.build((count, rows, columns, depth))
            rows, columns, depth = rows * 2, columns * 2, refine.filters
            refine.build((count, rows, columns, depth))
        self.leave.build((count, rows, columns, depth))
        self.spread.build((count, rows, columns, 4 * self.channels))
        self.built = True

    def call(self, code: Any, levels: Sequence[Any] | None = None) -> Any:
        maps = self.enter(code)
        for number, (widen, refine) in enumerate(zip(self.widen, self.refine, strict=True)):
            maps = self.double(widen(maps))
            if levels is not None:
                maps = maps + levels[-2 - number]
            maps = refine(maps)
        return self.spread(self.leave(maps))

    def compute_output_shape(self, code_shape: Any, levels_shape: Any = None) -> tuple[Any, ...]:
        halved = 2 ** len(self.filters)
        return (code_shape[0], code_shape[1] * halved, code_shape[2] * halved, self.channels)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": list(self.filters),
            "channels": self.channels,
            "activation": self.activation,
        }
