"""Attention to places where something is."""

from typing import Any

import keras
from keras import ops

LEAST_VARIANCE = 1e-6


@keras.saving.register_keras_serializable("vadray")
class VarianceAttention(keras.layers.Layer):
    """Weighs each place by the variance of its channels: where things move, features differ, on a wall they do not.

    The variances of a map are compared with their mean and spread over the map and go through a sigmoid, so that
    weights lie between 1 and 2 around 1.5. The plain softmax over all places, which the paper writes, gives each
    of a map's hundreds of places about nothing, and everything to one of them once a variance is large.

    Input shape: float `[n, rows, columns, channels]`.
    Output shape: the same.

    Reference: Chang et al., "Clustering Driven Deep Autoencoder for Video Anomaly Detection", ECCV 2020, its
        variance-based attention.
    """

    def call(self, maps: Any) -> Any:
        variance = ops.var(maps, axis=-1, keepdims=True)
        mean = ops.mean(variance, axis=(1, 2), keepdims=True)
        spread = ops.sqrt(ops.var(variance, axis=(1, 2), keepdims=True) + LEAST_VARIANCE)
        return maps * (1.0 + ops.sigmoid((variance - mean) / spread))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape
