"""Models of time by name: what reads the codes of a window in order and leaves a state at every step."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from vadray.detectors.layers.temporal_attention import CausalAttention, PositionEncoding
from vadray.detectors.layers.temporal_convolution import (
    CausalConvolution3D,
    CausalResidual,
    ConvolutionalLSTM,
)

KERNEL = 3


@dataclass(frozen=True)
class TemporalChoice:
    """One model of time.

    Args:
        on_maps: It works on maps `[n, steps, rows, columns, channels]`; otherwise on vectors `[n, steps, units]`.
        make: From units (or channels) and depth to its layers.
    """

    on_maps: bool
    make: Callable[[int, int], list[Any]]


# unrolled: a window is short, and a while-loop costs more than its steps on a CPU
def _rnn(units: int, depth: int) -> list[Any]:
    return [keras.layers.SimpleRNN(units, return_sequences=True, unroll=True) for _ in range(depth)]


def _lstm(units: int, depth: int) -> list[Any]:
    return [keras.layers.LSTM(units, return_sequences=True, unroll=True) for _ in range(depth)]


def _tcn(units: int, depth: int) -> list[Any]:
    return [CausalResidual(units, KERNEL, dilation=2**level) for level in range(depth)]


def _attention(units: int, depth: int) -> list[Any]:
    return [PositionEncoding(), *(CausalAttention() for _ in range(depth))]


def _convlstm(channels: int, depth: int) -> list[Any]:
    return [ConvolutionalLSTM(channels, KERNEL) for _ in range(depth)]


def _conv3d(channels: int, depth: int) -> list[Any]:
    return [CausalConvolution3D(channels, KERNEL) for _ in range(depth)]


TEMPORAL: dict[str, TemporalChoice] = {
    "rnn": TemporalChoice(False, _rnn),
    "lstm": TemporalChoice(False, _lstm),
    "convlstm": TemporalChoice(True, _convlstm),
    "tcn": TemporalChoice(False, _tcn),
    "conv3d": TemporalChoice(True, _conv3d),
    "attention": TemporalChoice(False, _attention),
}


def temporal_model(temporal: str, units: int, depth: int, name: str = "temporal") -> keras.Sequential:
    """A causal model of time: the state at a step depends on no later step.

    - `rnn`: Elman's recurrent network. `lstm`: Hochreiter and Schmidhuber, Neural Computation 1997.
    - `convlstm`: an LSTM whose products are convolutions (Shi et al., NeurIPS 2015).
    - `tcn`: dilated causal convolutions over time in residual blocks (Bai et al., arXiv:1803.01271).
    - `conv3d`: causal convolutions over time and space (after Tran et al., ICCV 2015).
    - `attention`: masked self-attention with position encoding (Vaswani et al., NeurIPS 2017).

    Args:
        temporal: A key of `TEMPORAL`.
        units: Units of each layer, or channels where it works on maps. `attention` keeps what comes in.
        depth: Layers, or blocks of layers.
        name: Of the model.

    Input shape: `[n, steps, units]`, or `[n, steps, rows, columns, channels]` where it works on maps.
    Output shape: the same, the last axis `units`.
    """
    return keras.Sequential(TEMPORAL[temporal].make(units, depth), name=name)
