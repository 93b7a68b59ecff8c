"""Maps of features from a frozen, pre-trained network."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from vadray.detectors.backbones.applications import application, load_file
from vadray.detectors.backbones.efficientnet_lite0 import (
    DEVIATION,
    MEAN,
    efficientnet_lite0,
    load_imagenet,
)
from vadray.errors import RequestError

IMAGENET = "imagenet"
EFFICIENTNET_LITE0 = "efficientnet_lite0"


@keras.saving.register_keras_serializable("vadray")
class Backbone(keras.layers.Layer):
    """Features of a picture at some of a network's resolutions.

    A network that was trained on a million photographs tells textures and parts apart that a few hundred pictures
    of one's own cannot teach. The features are those of the last layer of each resolution, which in inverted
    residual networks is the wide, activated one before the next step down; layers behind the coarsest of them are
    left out. The network is frozen unless `trainable=True`; its batch norms, where it has any, run in inference mode.

    Args:
        network: "efficientnet_lite0", or a network of `keras.applications`, such as "ResNet50".
        height: Rows of the picture.
        width: Columns of the picture.
        reductions: How much smaller than the picture each map of features is, ascending. Defaults to (8, 16).
        weights: What `load` reads: "imagenet" (efficientnet_lite0 only: from an installed package), a path (the
            others, and efficientnet_lite0's own `.weights.h5`), or None for random ones. Defaults to "imagenet".

    Input shape: float `[n, height, width, 1 or 3]` in 0 to 1; grey is repeated.
    Output shape: a list of float `[n, height / reduction, width / reduction, features]`, rounded up.

    Raises:
        RequestError: An argument is wrong, or the network has no map of a size asked for.

    Example:
        >>> backbone = Backbone("efficientnet_lite0", 64, 64, weights=None)
        >>> [features.shape for features in backbone(np.zeros([1, 64, 64, 1]))]
        [(1, 8, 8, 240), (1, 4, 4, 672)]
    """

    def __init__(
        self,
        network: str,
        height: int,
        width: int,
        reductions: Sequence[int] = (8, 16),
        weights: str | None = IMAGENET,
        **kwargs: Any,
    ):
        super().__init__(**{"trainable": False, **kwargs})
        self.network_name, self.height, self.width = network, height, width
        self.reductions, self.weights_from = tuple(reductions), weights
        if not self.reductions or list(self.reductions) != sorted(set(self.reductions)):
            raise RequestError(f"reductions: expected ascending numbers, received {list(reductions)}")
        if network != EFFICIENTNET_LITE0 and weights == IMAGENET:
            raise RequestError(
                f"weights: expected a path to {network}'s weights, since nothing is downloaded; received {weights!r}"
            )
        _, self.network, self._preprocess = self._make()
        self.network.trainable = self.trainable

    def load(self) -> None:
        """Reads the weights that were asked for. Not called for a saved detector, which brings its own.

        Raises:
            RequestError: They are not there or are not this network's.
        """
        if self.weights_from is None:
            return
        whole, needed, _ = self._make()  # a file has the other layers too, which are not kept
        if self.weights_from == IMAGENET:
            load_imagenet(whole)
        else:
            load_file(whole, self.weights_from)
        self.network.set_weights(needed.get_weights())

    def _make(self) -> tuple[keras.Model, keras.Model, Callable[[Any], Any] | None]:
        """The whole network, the part of it that is needed, and its preprocessing."""
        if self.network_name == EFFICIENTNET_LITE0:
            whole, preprocess = efficientnet_lite0(self.height, self.width), None
        else:
            whole, preprocess = application(self.network_name, self.height, self.width)
        outputs = [
            _last_of_size(whole, -(-self.height // by), -(-self.width // by), by) for by in self.reductions
        ]
        return whole, keras.Model(whole.input, outputs, name=whole.name), preprocess

    def call(self, picture: Any) -> list[Any]:
        picture = ops.convert_to_tensor(picture) * 255.0
        if picture.shape[-1] == 1:
            picture = ops.repeat(picture, 3, axis=-1)
        ready = self._preprocess(picture) if self._preprocess else (picture - MEAN) / DEVIATION
        maps = self.network(ready, training=False)
        return list(maps) if isinstance(maps, list | tuple) else [maps]

    @property
    def features(self) -> list[int]:
        """Features of each map."""
        return [output.shape[-1] for output in self.network.outputs]

    @property
    def groups(self) -> list[int]:
        """Numbers of features that are weighed together: those of a map."""
        return self.features

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "network": self.network_name,
            "height": self.height,
            "width": self.width,
            "reductions": list(self.reductions),
            "weights": self.weights_from,
        }


def _last_of_size(network: keras.Model, rows: int, columns: int, reduction: int) -> Any:
    for layer in reversed(network.layers):
        output = layer.output
        if (
            hasattr(output, "shape")
            and tuple(output.shape[1:3]) == (rows, columns)
            and len(output.shape) == 4
        ):
            return output
    raise RequestError(
        f"reductions: expected maps that {network.name} has, received {reduction}: it has none of {rows}x{columns}"
    )
