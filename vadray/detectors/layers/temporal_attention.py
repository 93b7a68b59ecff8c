"""Self-attention over the steps of a window, blind to the future."""

from typing import Any

import keras
import numpy as np
from keras import ops

LONGEST_PERIOD = 10_000.0


@keras.saving.register_keras_serializable("vadray")
class PositionEncoding(keras.layers.Layer):
    """Adds sines and cosines of each step's number, by which attention tells the order of steps.

    Input shape: `[n, steps, units]`, `steps` known.
    Output shape: the same.

    Reference: Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 3.5.
    """

    def build(self, input_shape: Any) -> None:
        steps, units = input_shape[1], input_shape[2]
        unit = np.arange(units)
        angle = np.arange(steps)[:, None] / LONGEST_PERIOD ** ((unit // 2 * 2) / units)[None, :]
        self.encoding = np.where(unit % 2 == 0, np.sin(angle), np.cos(angle)).astype("float32")
        self.built = True

    def call(self, codes: Any) -> Any:
        return codes + ops.cast(self.encoding, codes.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


@keras.saving.register_keras_serializable("vadray")
class CausalAttention(keras.layers.Layer):
    """Attention of each step to itself and those before it, then two dense layers, each added to its input.

    Normalisation comes before each part rather than after it, as in the paper: so it trains without a warm-up of
    the learning rate. There is no dropout: random state cannot be updated in a data-parallel replica.

    Args:
        heads: Most heads; the greatest number up to it that divides the units is taken. Defaults to 4.

    Input shape: `[n, steps, units]`.
    Output shape: the same.

    Reference: Vaswani et al., "Attention Is All You Need", NeurIPS 2017, sections 3.1 to 3.3.
    """

    def __init__(self, heads: int = 4, **kwargs: Any):
        super().__init__(**kwargs)
        self.heads = heads

    def build(self, input_shape: Any) -> None:
        units = input_shape[-1]
        heads = next(count for count in range(self.heads, 0, -1) if units % count == 0)
        self.attention_norm = keras.layers.LayerNormalization(name="attention_norm")
        self.attention = keras.layers.MultiHeadAttention(heads, units // heads, name="attention")
        self.dense_norm = keras.layers.LayerNormalization(name="dense_norm")
        self.widen = keras.layers.Dense(2 * units, activation="gelu", name="widen")
        self.narrow = keras.layers.Dense(units, name="narrow")
        self.attention_norm.build(input_shape)
        self.attention.build(input_shape, input_shape)
        self.dense_norm.build(input_shape)
        self.widen.build(input_shape)
        self.narrow.build((*input_shape[:-1], 2 * units))
        self.built = True

    def call(self, codes: Any) -> Any:
        normal = self.attention_norm(codes)
        codes = codes + self.attention(normal, normal, use_causal_mask=True)
        return codes + self.narrow(self.widen(self.dense_norm(codes)))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "heads": self.heads}
