"""Encoders of detectors that begin with a pre-trained network."""

from collections.abc import Sequence
from typing import Any

import keras

from vadray.detectors.backbones.backbone import Backbone


@keras.saving.register_keras_serializable("vadray")
class PretrainedContraction(keras.layers.Layer):
    """Halves maps as `Contraction` does, by a pre-trained network that is trained on.

    A 1 x 1 convolution gives each of the network's maps the width that the detector wants. Where the input is no
    picture but frames side by side, or has optical flow, a learned 1 x 1 convolution makes three channels of it.

    Args:
        filters: Channels of each map that comes out.
        height: Rows of the input.
        width: Columns of the input.
        network: As for `Backbone`.
        weights: As for `Backbone`; read by `load`.
        reductions: How much smaller than the input each map is, ascending. Defaults to 2, 4, 8, …

    Input shape: `[n, height, width, channels]`, pictures in 0 to 1.
    Output shape: a list, `[n, height / reductions[i], width / reductions[i], filters[i]]`.

    Raises:
        RequestError: The network is unknown or has no map of a size that is asked for.
    """

    def __init__(
        self,
        filters: Sequence[int],
        height: int,
        width: int,
        network: str,
        weights: str | None,
        reductions: Sequence[int] | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        reductions = reductions or [2**level for level in range(1, len(filters) + 1)]
        self.backbone = Backbone(network, height, width, reductions, weights, name="backbone", trainable=True)
        self.enter = keras.layers.Conv2D(3, 1, name="enter")
        self.leave = [keras.layers.Conv2D(count, 1, name=f"leave_{i}") for i, count in enumerate(filters)]

    def load(self) -> None:
        """Reads the network's weights.

        Raises:
            RequestError: They are not there or are not this network's.
        """
        self.backbone.load()

    def build(self, input_shape: Any) -> None:
        self.is_picture = input_shape[-1] in (1, 3)
        if not self.is_picture:
            self.enter.build(input_shape)
        for layer, features in zip(self.leave, self.backbone.features, strict=True):
            layer.build((None, None, None, features))
        self.built = True

    def call(self, maps: Any) -> list[Any]:
        levels = self.backbone(maps if self.is_picture else self.enter(maps))
        return [layer(level) for layer, level in zip(self.leave, levels, strict=True)]


@keras.saving.register_keras_serializable("vadray")
class PretrainedEncoder(PretrainedContraction):
    """As `PretrainedContraction`, of a single map: the code.

    Args:
        code_channels: Channels of the code.
        height: Rows of the input.
        width: Columns of the input.
        network: As for `Backbone`.
        weights: As for `Backbone`.
        reduction: How much smaller than the input the code is.

    Output shape: `[n, height / reduction, width / reduction, code_channels]`.
    """

    def __init__(
        self,
        code_channels: int,
        height: int,
        width: int,
        network: str,
        weights: str | None,
        reduction: int,
        **kwargs: Any,
    ):
        super().__init__([code_channels], height, width, network, weights, [reduction], **kwargs)
        self.code_channels, self.reduction = code_channels, reduction

    def call(self, maps: Any) -> Any:
        return super().call(maps)[0]

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        count, rows, columns, _ = input_shape
        return (count, rows // self.reduction, columns // self.reduction, self.code_channels)
