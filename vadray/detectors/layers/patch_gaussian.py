"""A Gaussian of normal patches at each place of the picture."""

from typing import Any

import keras
import numpy as np
from keras import ops

RIDGE = 0.01  # of the mean variance, on the diagonal: there may be fewer pictures than dimensions


@keras.saving.register_keras_serializable("vadray")
class PatchGaussian(keras.layers.Layer):
    """Mahalanobis distance of each patch to the Gaussian of normal patches in its place.

    Input shape: float `[n, rows, columns, dimensions]`.
    Output shape: float `[n, rows, columns]`, at least 0.

    Reference: Defard et al., "PaDiM: a Patch Distribution Modeling Framework for Anomaly Detection and
        Localization", ICPR 2021, equations 1 and 2.
    """

    def build(self, input_shape: Any) -> None:
        rows, columns, dimensions = input_shape[1:]
        self.mean = self.add_weight(
            shape=(rows, columns, dimensions), initializer="zeros", trainable=False, name="mean"
        )
        self.whitening = self.add_weight(
            shape=(rows, columns, dimensions, dimensions),
            initializer="zeros",
            trainable=False,
            name="whitening",
        )

    def call(self, codes: Any) -> Any:
        centred = codes - ops.convert_to_tensor(self.mean)
        white = ops.einsum("nrcd,rcde->nrce", centred, ops.convert_to_tensor(self.whitening))
        return ops.sqrt(ops.sum(ops.square(white), axis=-1))

    def fit(self, codes: Any) -> None:
        """Fits mean and covariance of each place.

        Args:
            codes: Iterable of float32 `[n, rows, columns, dimensions]`.
        """
        rows, columns, dimensions = self.mean.shape
        count = 0
        total = np.zeros((rows, columns, dimensions))
        products = np.zeros((rows * columns, dimensions, dimensions), np.float32)
        for block in codes:
            count += len(block)
            total += block.sum(axis=0)
            places = block.reshape(len(block), -1, dimensions).transpose(1, 2, 0)
            products += places @ places.transpose(0, 2, 1)
        mean = total / count
        flat = mean.reshape(-1, dimensions, 1)
        covariance = products / count - flat @ flat.transpose(0, 2, 1)
        variance = np.trace(covariance, axis1=1, axis2=2).mean() / dimensions
        covariance += np.eye(dimensions) * max(RIDGE * variance, 1e-6)
        # x^T C^-1 x = |x L^-T|^2 with C = L L^T; float64, since C is nearly singular
        inverse = np.linalg.inv(np.linalg.cholesky(covariance)).transpose(0, 2, 1)
        self.mean.assign(mean.astype(np.float32))
        self.whitening.assign(inverse.reshape(rows, columns, dimensions, dimensions).astype(np.float32))
