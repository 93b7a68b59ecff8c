"""A code drawn anew from around itself."""

import math
from typing import Any

import keras
from keras import ops

LEAST_UNIFORM = 1e-4
LOG_VARIANCE_RANGE = (-8.0, 4.0)  # beyond it the exponential overflows before the loss can pull it back


@keras.saving.register_keras_serializable("vadray")
class Resampling(keras.layers.Layer):
    """Gives each code a mean and a variance; training draws from between, scoring keeps the mean.

    The decoder learns to make normal frames of anything near a normal code, and of nothing else.

    Args:
        depth: Channels of the code, at least 1.

    Input shape: float `[n, rows, columns, any]`.
    Output shape: `mean` and `log_variance`, `[n, rows, columns, depth]` each.

    Reference: Kingma and Welling, "Auto-Encoding Variational Bayes", ICLR 2014, section 2.4 and appendix B.
    """

    def __init__(self, depth: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.depth = depth
        self.mean = keras.layers.Conv2D(depth, 1, name="mean")
        self.log_variance = keras.layers.Conv2D(depth, 1, bias_initializer="zeros", name="log_variance")

    def build(self, input_shape: Any) -> None:
        self.mean.build(input_shape)
        self.log_variance.build(input_shape)
        self.built = True

    def call(self, maps: Any) -> tuple[Any, Any]:
        return self.mean(maps), ops.clip(self.log_variance(maps), *LOG_VARIANCE_RANGE)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "depth": self.depth}


def drawn(mean: Any, log_variance: Any) -> Any:
    """A draw around each code, of the shape of `mean`.

    The noise is a hash of the code and its place, not a random generator's: weights change in every step, so no
    sample sees the same noise twice, there is no state that a checkpoint would have to hold, and a sample's draw
    does not depend on how many replicas share the batch.
    """
    seeds = ops.stop_gradient(mean)
    _, rows, columns, depth = mean.shape
    # equal codes in different places, of a blank wall say, must not draw the same
    place = ops.reshape(ops.arange(rows * columns * depth, dtype="float32"), (1, rows, columns, depth))
    first = _uniform(seeds * 12.9898 + place * 0.7548777)
    second = _uniform(seeds * 78.233 + place * 0.5698403 + 1.0)
    # Box and Muller: two uniform numbers make a normal one
    noise = ops.sqrt(-2.0 * ops.log(ops.maximum(first, LEAST_UNIFORM))) * ops.cos(2.0 * math.pi * second)
    return mean + ops.exp(0.5 * log_variance) * noise


def divergence(mean: Any, log_variance: Any) -> Any:
    """Kullback-Leibler divergence from the standard normal distribution, mean over the code, `[n]`."""
    each = 0.5 * (ops.square(mean) + ops.exp(log_variance) - log_variance - 1.0)
    return ops.mean(each, axis=(1, 2, 3))


def _uniform(values: Any) -> Any:
    scaled = ops.sin(values) * 43758.547
    return scaled - ops.floor(scaled)
