"""Derivative filters in place of a pre-trained network: nothing is learned from anybody else's pictures."""

from typing import Any

import keras
import numpy as np
from keras import ops

from vadray.detectors.layers.derivatives import derivative, filtered, unit

FILTER_BANK = "filter_bank"
SCALES = (1.0, 2.0, 4.0)  # deviations of the Gaussians in pixels
TURNS = 4
REACH = 12  # pixels on each side
GAIN = 100.0  # of pictures in 0 to 1: per cent
LEAST = 0.05  # below which a response is as good as none


@keras.saving.register_keras_serializable("vadray")
class FilterBank(keras.layers.Layer):
    """Describes texture by how strongly filters answer to it: edges and lines of four directions, and spots.

    First and second derivatives of elongated Gaussians in four directions, and the Laplacian of a round one, at three
    scales: 27 filters. Of each, what is positive and what is negative is taken apart, and its mean and its largest
    within a cell, as square roots, since responses are few and strong; then the brightness of the cell, and of 5 x 5
    cells around it: 110 features. Colours are averaged.

    Args:
        reduction: Side of a cell in pixels.

    Input shape: float `[n, height, width, channels]` in 0 to 1.
    Output shape: a list of one float `[n, height / reduction, width / reduction, 110]`, rounded up, as a `Backbone`'s.

    Source: the bank is of the kind in Leung and Malik, "Representing and Recognizing the Visual Appearance of Materials
        using Three-dimensional Textons", IJCV 2001, section 2; scales, pooling and roots are ours.
    """

    network_name = FILTER_BANK
    weights_from = None

    def __init__(self, reduction: int, **kwargs: Any):
        super().__init__(**{"trainable": False, "dtype": "float32", **kwargs})
        self.reduction = reduction
        self._filters = np.stack(_bank(), axis=-1)[:, :, None]

    @property
    def features(self) -> list[int]:
        """Features of each map."""
        return [4 * self._filters.shape[-1] + 2]

    @property
    def groups(self) -> list[int]:
        """Numbers of features that are weighed together: each by itself."""
        return [1] * self.features[0]

    def call(self, picture: Any) -> list[Any]:
        grey = ops.mean(picture, axis=-1, keepdims=True)
        response = GAIN * filtered(grey, self._filters)
        energy = ops.concatenate([ops.relu(response), ops.relu(-response)], axis=-1)
        mean = ops.average_pool(energy, self.reduction, padding="same")
        largest = ops.max_pool(energy, self.reduction, padding="same")
        brightness = ops.average_pool(grey, self.reduction, padding="same")
        around = ops.average_pool(brightness, 5, strides=1, padding="same")
        roots = [ops.sqrt(pooled + LEAST) for pooled in (mean, largest)]
        return [ops.concatenate([*roots, brightness, around], axis=-1)]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "reduction": self.reduction}


def _bank() -> list[np.ndarray]:
    """Filters `[25, 25]`."""
    y, x = np.mgrid[-REACH : REACH + 1, -REACH : REACH + 1]
    square = x**2 + y**2
    filters = []
    for scale in SCALES:
        for turn in np.arange(TURNS) * np.pi / TURNS:
            filters += [derivative(order, scale, 2 * scale, turn, REACH) for order in (1, 2)]
        filters.append(unit((square / scale**2 - 2) * np.exp(-square / (2 * scale**2))))
    return filters
