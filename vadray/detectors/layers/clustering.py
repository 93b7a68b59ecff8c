"""Deep k-means."""

from typing import Any

import keras
from keras import ops

from vadray.errors import RequestError

LEAST_LENGTH = 1e-6


@keras.saving.register_keras_serializable("vadray")
class SoftClusters(keras.layers.Layer):
    """How far the code of each place is from the clusters of normal codes.

    Every code belongs to every cluster by the softmax of its negative squared distances; its distance is the mean
    of the squared distances, weighted so. Soft membership has a gradient, so the centres are trained weights.
    Distances are relative to the mean squared length of the map's codes: otherwise the encoders could bring all
    codes near the centres by shrinking them.

    Args:
        clusters: Centres, at least 2.
        sharpness: Factor on the squared distance (per channel, relative) before the softmax, above 0. The greater,
            the nearer to k-means' hard choice. Defaults to 8.

    Input shape: float `[n, rows, columns, depth]`.
    Output shape: `[n, rows, columns]`, at least 0.

    Raises:
        RequestError: An argument is out of its range.

    Reference: Moradi Fard et al., "Deep k-Means: Jointly clustering with k-Means and learning representations",
        Pattern Recognition Letters 138, 2020, equations 2 to 5.
    """

    def __init__(self, clusters: int, sharpness: float = 8.0, **kwargs: Any):
        super().__init__(**kwargs)
        if clusters < 2:
            raise RequestError(f"Argument `clusters` must be at least 2. Received: clusters={clusters}")
        if sharpness <= 0:
            raise RequestError(f"Argument `sharpness` must be above 0. Received: sharpness={sharpness}")
        self.clusters, self.sharpness = clusters, sharpness

    def build(self, input_shape: Any) -> None:
        self.centres = self.add_weight(
            shape=(self.clusters, input_shape[-1]),
            initializer=keras.initializers.RandomNormal(stddev=0.5),
            name="centres",
        )
        self.built = True

    def call(self, codes: Any) -> Any:
        centres = ops.convert_to_tensor(self.centres)
        length = ops.mean(ops.square(codes), axis=(1, 2, 3), keepdims=True) + LEAST_LENGTH
        codes = codes / ops.sqrt(length)
        # |c|^2 - 2 c r + |r|^2 by a matrix product: the difference of every pair would not fit a cache
        squares = ops.mean(ops.square(codes), axis=-1, keepdims=True)
        products = ops.matmul(codes, ops.transpose(centres)) / codes.shape[-1]
        distances = ops.maximum(squares - 2.0 * products + ops.mean(ops.square(centres), axis=-1), 0.0)
        return ops.sum(ops.softmax(-self.sharpness * distances, axis=-1) * distances, axis=-1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape[:-1]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "clusters": self.clusters, "sharpness": self.sharpness}
