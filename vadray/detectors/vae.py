"""Variational autoencoder for images."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from vadray.detectors.base import Detector
from vadray.detectors.layers.convolutional import decoder
from vadray.errors import RequestError

LOG_VARIANCE_RANGE = (-10.0, 10.0)  # beyond it the exponential overflows before the loss can pull it back


@keras.saving.register_keras_serializable("vadray")
class VariationalAutoencoder(Detector):
    """Convolutional autoencoder whose code is a distribution, drawn from while training.

    The noise and the pull of every code towards a standard normal leave no room between the codes of normal
    pictures, so a defect cannot hide in an unused corner of the code. Scoring decodes the mean code, without noise:
    the same picture always has the same score.

    Args:
        height: Rows, a multiple of `2 ** len(filters)`.
        width: Columns, a multiple of `2 ** len(filters)`.
        channels: 1 (grey) or 3 (RGB). Defaults to 1.
        units: Numbers in the code z, at least 1. Defaults to 64.
        filters: Filters of each halving convolution. Defaults to (12, 24, 48).
        code_channels: Channels of the map between convolutions and dense layers. Defaults to 16.
        beta: Weight of the KL divergence, over the number of pixels, beside the mean squared error, at least 0.
            Defaults to 0.01, which is the evidence lower bound for pixels of standard deviation sqrt(beta / 2),
            about 0.07.
        seed: Of the noise. Defaults to 0.

    Input shape: float `[n, height, width, channels]` in 0 to 1.
    Output shape: the same.

    Raises:
        RequestError: An argument is out of its range.

    Example:
        >>> detector = VariationalAutoencoder(height=64, width=64)
        >>> score, error_map, mse = detector.score(np.zeros([4, 64, 64, 1], "uint8"))
        >>> error_map.shape
        (4, 8, 8)

    Reference: Kingma and Welling, "Auto-Encoding Variational Bayes", ICLR 2014, equation 10 and appendix B; beta
        after Higgins et al., "beta-VAE", ICLR 2017. An and Cho, "Variational Autoencoder based Anomaly Detection
        using Reconstruction Probability" (2015), score by the mean likelihood over several draws of z; with a fixed
        variance of pixels that is this squared error, blurred by the noise of the draws, and it would not be
        deterministic. Layers and beta are our choice.
    """

    name_of_detector = "vae"
    kind = "image"
    paper = "Kingma and Welling, ICLR 2014"
    takes_backbone = True
    default_size = (128, 128)

    def __init__(
        self,
        height: int,
        width: int,
        channels: int = 1,
        units: int = 64,
        filters: Sequence[int] = (12, 24, 48),
        code_channels: int = 16,
        beta: float = 0.01,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(height, width, channels, **kwargs)
        halved = 2 ** len(filters)
        if height % halved or width % halved:
            raise RequestError(
                f"Argument `filters` halves the picture once per entry, so height={height} and width={width} must "
                f"be multiples of {halved}. Received: filters={tuple(filters)}"
            )
        if units < 1:
            raise RequestError(f"Argument `units` must be at least 1. Received: units={units}")
        if beta < 0:
            raise RequestError(f"Argument `beta` must be at least 0. Received: beta={beta}")
        self.units, self.filters, self.code_channels, self.beta = units, tuple(filters), code_channels, beta
        # a replica of tf.distribute steps its own copy of this state, so all ranks draw the same noise
        self.seed, self.noise = seed, keras.random.SeedGenerator(seed)
        self.map_shape = (height // halved, width // halved, code_channels)
        self.map_size = self.map_shape[0] * self.map_shape[1] * code_channels
        self.encoder = self.encoder_of_pictures(self.filters, code_channels)
        self.mean = keras.layers.Dense(units, name="mean")
        self.log_variance = keras.layers.Dense(units, name="log_variance")
        self.expand = keras.layers.Dense(self.map_size, activation="leaky_relu", name="expand")
        self.decoder = decoder(self.filters, channels)

    def build_layers(self) -> None:
        self.encoder.build((None, self.height, self.width, self.channels))
        self.mean.build((None, self.map_size))
        self.log_variance.build((None, self.map_size))
        self.expand.build((None, self.units))
        self.decoder.build((None, *self.map_shape))

    def encode(self, frames: Any) -> tuple[Any, Any]:
        """Mean and logarithm of the variance of z, each `[n, units]`, of pictures."""
        features = ops.reshape(self.encoder(frames), (-1, self.map_size))
        return self.mean(features), ops.clip(self.log_variance(features), *LOG_VARIANCE_RANGE)

    def decode(self, codes: Any) -> Any:
        """Pictures `[n, height, width, channels]` of codes `[n, units]`."""
        return self.decoder(ops.reshape(self.expand(codes), (-1, *self.map_shape)))

    def call(self, frames: Any) -> Any:
        return self.decode(self.encode(frames)[0])

    def reconstruct(self, frames: Any) -> Any:
        return self(frames[..., : self.channels])

    def sample_loss(self, windows: Any) -> Any:
        frames = windows[:, 0, ..., : self.channels]
        mean, log_variance = self.encode(frames)
        noise = keras.random.normal(ops.shape(mean), seed=self.noise)
        drawn = mean + ops.exp(0.5 * log_variance) * noise
        loss = self.picture_loss(frames, self.decode(drawn))
        divergence = -0.5 * ops.sum(1 + log_variance - ops.square(mean) - ops.exp(log_variance), axis=-1)
        return loss + self.beta * divergence / (self.height * self.width * self.channels)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "filters": list(self.filters),
            "code_channels": self.code_channels,
            "beta": self.beta,
            "seed": self.seed,
        }
