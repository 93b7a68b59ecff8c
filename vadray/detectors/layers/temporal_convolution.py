"""Convolutions over time that never look ahead, over codes and over maps of codes."""

from typing import Any

import keras
from keras import ops

from vadray.detectors.layers.convolutional import ACTIVATION


@keras.saving.register_keras_serializable("vadray")
class CausalResidual(keras.layers.Layer):
    """Two dilated causal convolutions over time, added to their input: the block of a TCN.

    The paper's weight normalisation and dropout are left out: with two or three blocks and short windows neither
    was needed, and random state cannot be updated in a data-parallel replica.

    Args:
        units: Filters of both convolutions.
        kernel: Steps that a filter spans. Defaults to 3.
        dilation: Steps between those. Defaults to 1.

    Input shape: `[n, steps, units_before]`.
    Output shape: `[n, steps, units]`.

    Reference: Bai et al., "An Empirical Evaluation of Generic Convolutional and Recurrent Networks for Sequence
        Modeling", arXiv:1803.01271 (2018), section 3.
    """

    def __init__(self, units: int, kernel: int = 3, dilation: int = 1, **kwargs: Any):
        super().__init__(**kwargs)
        self.units, self.kernel, self.dilation = units, kernel, dilation

    def build(self, input_shape: Any) -> None:
        self.convolutions = [
            keras.layers.Conv1D(
                self.units,
                self.kernel,
                padding="causal",
                dilation_rate=self.dilation,
                activation=ACTIVATION,
                name=f"convolution_{number}",
            )
            for number in range(2)
        ]
        self.match = None if input_shape[-1] == self.units else keras.layers.Dense(self.units, name="match")
        shape = tuple(input_shape)
        for layer in self.convolutions:
            layer.build(shape)
            shape = (*shape[:-1], self.units)
        if self.match:
            self.match.build(input_shape)
        self.built = True

    def call(self, codes: Any) -> Any:
        states = codes
        for layer in self.convolutions:
            states = layer(states)
        return states + (self.match(codes) if self.match else codes)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        own = {"units": self.units, "kernel": self.kernel, "dilation": self.dilation}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("vadray")
class CausalConvolution3D(keras.layers.Layer):
    """Convolution over time and space, padded by zeros before the first step and not after the last.

    Args:
        channels: Filters.
        kernel: Steps, rows and columns that a filter spans. Defaults to 3.

    Input shape: `[n, steps, rows, columns, channels_before]`.
    Output shape: `[n, steps, rows, columns, channels]`.

    Reference: Tran et al., "Learning Spatiotemporal Features with 3D Convolutional Networks", ICCV 2015; the
        causal padding is ours, so that a state knows no later frame.
    """

    def __init__(self, channels: int, kernel: int = 3, **kwargs: Any):
        super().__init__(**kwargs)
        self.channels, self.kernel = channels, kernel

    def build(self, input_shape: Any) -> None:
        self.convolution = keras.layers.Conv3D(
            self.channels, self.kernel, activation=ACTIVATION, name="convolution"
        )
        count, *volume, channels = input_shape
        self.convolution.build((count, *(side + self.kernel - 1 for side in volume), channels))
        self.built = True

    def call(self, maps: Any) -> Any:
        before, side = self.kernel - 1, self.kernel // 2
        after = before - side
        padding = ((0, 0), (before, 0), (side, after), (side, after), (0, 0))
        return self.convolution(ops.pad(maps, padding))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:-1], self.channels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "channels": self.channels, "kernel": self.kernel}


@keras.saving.register_keras_serializable("vadray")
class ConvolutionalLSTM(keras.layers.Layer):
    """An LSTM whose matrix products are convolutions, so that a state keeps its place in the picture.

    Keras has a ConvLSTM2D, which convolves eight times a step; here the inputs of all steps and all gates are
    convolved at once, and the state once a step for all gates. Without the paper's peephole terms, as Keras.

    Args:
        channels: Of state and memory.
        kernel: Rows and columns that a filter spans. Defaults to 3.

    Input shape: `[n, steps, rows, columns, channels_before]`, all but n known.
    Output shape: `[n, steps, rows, columns, channels]`.

    Reference: Shi et al., "Convolutional LSTM Network: A Machine Learning Approach for Precipitation Nowcasting",
        NeurIPS 2015, equation 3.
    """

    def __init__(self, channels: int, kernel: int = 3, **kwargs: Any):
        super().__init__(**kwargs)
        self.channels, self.kernel = channels, kernel

    def build(self, input_shape: Any) -> None:
        gates = 4 * self.channels
        self.from_input = keras.layers.Conv2D(gates, self.kernel, padding="same", name="from_input")
        self.from_state = keras.layers.Conv2D(
            gates, self.kernel, padding="same", use_bias=False, name="from_state"
        )
        self.from_input.build((None, *input_shape[2:]))
        self.from_state.build((None, *input_shape[2:4], self.channels))
        self.built = True

    def call(self, maps: Any) -> Any:
        _, steps, *picture = maps.shape
        gates = self.from_input(ops.reshape(maps, (-1, *picture)))
        gates = ops.reshape(gates, (-1, steps, *picture[:2], 4 * self.channels))
        memory: Any = None
        states: list[Any] = []
        for step in range(steps):
            now = gates[:, step] + self.from_state(states[-1]) if states else gates[:, step]
            enter, forget, leave, fresh = ops.split(now, 4, axis=-1)
            fresh = ops.sigmoid(enter) * ops.tanh(fresh)
            # memory is kept by default (Jozefowicz et al., ICML 2015): 1 is added to what opens the forget gate
            memory = fresh if memory is None else ops.sigmoid(forget + 1.0) * memory + fresh
            states.append(ops.sigmoid(leave) * ops.tanh(memory))
        return ops.stack(states, axis=1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:-1], self.channels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "channels": self.channels, "kernel": self.kernel}
