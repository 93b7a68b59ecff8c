"""The paper's spatiotemporal autoencoder for video."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from vadray.detectors.base import Detector
from vadray.detectors.layers.convolutional import decoder, encoder
from vadray.errors import RequestError

TEMPORAL = ("lstm",)


@keras.saving.register_keras_serializable("vadray")
class SpatiotemporalAutoencoder(Detector):
    """Convolutional encoder, LSTM layers over the codes of consecutive frames, decoder.

    Each frame is encoded alone, so a frame shared by many windows is encoded once; the LSTM layers read the codes
    of a window in order and their output at each step is decoded to a reconstruction of that step's frame. While
    scoring, only the frames that a window scores are decoded.

    Args:
        height: Rows, a multiple of `2 ** len(filters)`.
        width: Columns, a multiple of `2 ** len(filters)`.
        channels: 1 (grey) or 3 (RGB). Defaults to 1.
        window: Frames of a window. Defaults to 8.
        stride: Frames by which windows move. Defaults to 1.
        temporal: Model of time: "lstm". Defaults to "lstm".
        units: Hidden units of each temporal layer. Defaults to 256, as in the paper.
        layers: Temporal layers. Defaults to 2.
        filters: Filters of each halving convolution. Defaults to (32, 48, 64).
        code_channels: Channels of a frame's code before it is flattened. Defaults to 16.

    Input shape: float `[n, window, height, width, channels]` in 0 to 1.
    Output shape: the same.

    Raises:
        RequestError: `temporal` is not a known model of time.

    Example:
        >>> detector = SpatiotemporalAutoencoder(height=64, width=96, window=4)
        >>> score, error_map, mse = detector.score(np.zeros([3 + 16, 64, 96, 1], "uint8"))
        >>> score.shape
        (16,)

    Reference: "Image and Video Anomaly Detection Using AI Based Deep Anomaly Detectors" (2024), its video
        algorithm: LSTM layers with 256 hidden units, learning rate 0.001, batch 32, 50 epochs. After Chong and
        Tay, "Abnormal Event Detection in Videos using Spatiotemporal Autoencoder", ISNN 2017.
    """

    name_of_detector = "stae"
    kind = "video"
    paper = "Image and Video Anomaly Detection Using AI Based Deep Anomaly Detectors, 2024"
    recommended = True
    default_size = (128, 192)
    default_window = 8

    def __init__(
        self,
        height: int,
        width: int,
        channels: int = 1,
        window: int = 8,
        stride: int = 1,
        temporal: str = "lstm",
        units: int = 256,
        layers: int = 2,
        filters: Sequence[int] = (32, 48, 64),
        code_channels: int = 16,
        **kwargs: Any,
    ):
        super().__init__(height, width, channels, window, stride, **kwargs)
        if temporal not in TEMPORAL:
            raise RequestError(
                f"Argument `temporal` must be one of {', '.join(TEMPORAL)}. Received: temporal={temporal}"
            )
        # `layers` is a property of keras.Model
        self.temporal, self.units, self.temporal_depth = temporal, units, layers
        self.filters, self.code_channels = tuple(filters), code_channels
        self.encoder = encoder(self.filters, code_channels)
        halved = 2 ** len(self.filters)
        self.code_shape = (height // halved, width // halved, code_channels)
        code_size = self.code_shape[0] * self.code_shape[1] * code_channels
        self.flatten = keras.layers.Flatten()
        self.squeeze = keras.layers.Dense(units, name="squeeze")
        # unrolled: a window is short, and a while-loop costs more than its steps on a CPU
        self.recurrent = [
            keras.layers.LSTM(units, return_sequences=True, unroll=True, name=f"lstm_{i}")
            for i in range(layers)
        ]
        self.expand = keras.layers.Dense(code_size, activation="relu", name="expand")
        self.unflatten = keras.layers.Reshape(self.code_shape)
        self.decoder = decoder(self.filters, channels)

    def build(self, input_shape: Any = None) -> None:
        self.encoder.build((None, self.height, self.width, self.channels))
        self.squeeze.build((None, self.code_shape[0] * self.code_shape[1] * self.code_channels))
        for layer in self.recurrent:
            layer.build((None, self.window, self.units))
        self.expand.build((None, self.units))
        self.decoder.build((None, *self.code_shape))
        self.built = True

    def encode(self, frames: Any) -> Any:
        """Codes `[n, units]` of frames `[n, height, width, channels]`."""
        return self.squeeze(self.flatten(self.encoder(frames)))

    def remember(self, codes: Any) -> Any:
        """Temporal states `[n, window, units]` of windows of codes of the same shape."""
        for layer in self.recurrent:
            codes = layer(codes)
        return codes

    def decode(self, states: Any) -> Any:
        """Frames `[n, height, width, channels]` of temporal states `[n, units]`."""
        return self.decoder(self.unflatten(self.expand(states)))

    def call(self, windows: Any) -> Any:
        picture = (self.height, self.width, self.channels)
        codes = self.encode(ops.reshape(windows, (-1, *picture)))
        states = self.remember(ops.reshape(codes, (-1, self.window, self.units)))
        frames = self.decode(ops.reshape(states, (-1, self.units)))
        return ops.reshape(frames, (-1, self.window, *picture))

    def reconstruct(self, frames: Any) -> Any:
        codes = self.encode(frames)
        count = ops.shape(frames)[0] - self.context
        starts = ops.arange(0, count, self.stride)
        windows = ops.take(codes, starts[:, None] + ops.arange(self.window)[None, :], axis=0)
        states = self.remember(windows)[:, self.context :]
        return self.decode(ops.reshape(states, (-1, self.units)))

    def sample_loss(self, windows: Any) -> Any:
        return ops.mean(ops.square(windows - self(windows)), axis=(1, 2, 3, 4))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "temporal": self.temporal,
            "units": self.units,
            "layers": self.temporal_depth,
            "filters": list(self.filters),
            "code_channels": self.code_channels,
        }
