"""Convolutional autoencoder for images."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from vadray.detectors.base import Detector
from vadray.detectors.layers.convolutional import decoder, encoder


@keras.saving.register_keras_serializable("vadray")
class ConvolutionalAutoencoder(Detector):
    """Reconstructs pictures of normality through a narrow convolutional code.

    Strided convolutions halve the picture at each step; a 1 x 1 convolution squeezes the rest into
    `code_channels` numbers for each remaining position; transposed convolutions undo it. Trained on normal
    pictures alone, it has no code for a defect, and the error shows where the defect is.

    Args:
        height: Rows, a multiple of `2 ** len(filters)`.
        width: Columns, a multiple of `2 ** len(filters)`.
        channels: 1 (grey) or 3 (RGB). Defaults to 1.
        filters: Filters of each halving convolution. Defaults to (32, 64, 64).
        code_channels: Channels of the code. Defaults to 8.

    Input shape: float `[n, height, width, channels]` in 0 to 1.
    Output shape: the same.

    Example:
        >>> detector = ConvolutionalAutoencoder(height=64, width=64)
        >>> score, error_map, mse = detector.score(np.zeros([4, 64, 64, 1], "uint8"))
        >>> error_map.shape
        (4, 8, 8)

    Reference: "Image and Video Anomaly Detection Using AI Based Deep Anomaly Detectors" (2024), steps 4 to 10 of
        its image algorithm; Masci et al., "Stacked Convolutional Auto-Encoders", ICANN 2011.
    """

    name_of_detector = "conv_ae"
    kind = "image"
    paper = "Masci et al., ICANN 2011"
    recommended = True
    default_size = (128, 128)

    def __init__(
        self,
        height: int,
        width: int,
        channels: int = 1,
        filters: Sequence[int] = (32, 64, 64),
        code_channels: int = 8,
        **kwargs: Any,
    ):
        super().__init__(height, width, channels, **kwargs)
        self.filters, self.code_channels = tuple(filters), code_channels
        self.encoder = encoder(self.filters, code_channels)
        self.decoder = decoder(self.filters, channels)

    def build(self, input_shape: Any = None) -> None:
        self.encoder.build((None, self.height, self.width, self.channels))
        self.decoder.build(self.encoder.compute_output_shape((None, self.height, self.width, self.channels)))
        self.built = True

    def call(self, frames: Any) -> Any:
        return self.decoder(self.encoder(frames))

    def reconstruct(self, frames: Any) -> Any:
        return self(frames)

    def sample_loss(self, windows: Any) -> Any:
        frames = windows[:, 0]
        return ops.mean(ops.square(frames - self(frames)), axis=(1, 2, 3))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": list(self.filters), "code_channels": self.code_channels}
