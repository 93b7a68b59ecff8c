"""The paper's plain autoencoder for images."""

from typing import Any

import keras
from keras import ops

from vadray.detectors.base import Detector
from vadray.errors import RequestError


@keras.saving.register_keras_serializable("vadray")
class DenseAutoencoder(Detector):
    """One dense layer to a short code and one back, over the flattened picture.

    Every pixel is tied to every number of the code, so it learns a few whole pictures and their mixtures, much as
    principal components do: right for parts that always lie in the same place, blind to where in the picture
    something is. It has no convolution, so the picture should be small.

    Args:
        height: Rows, a positive multiple of 8. 64 by default in `vadray train`.
        width: Columns, a positive multiple of 8. 64 by default in `vadray train`.
        channels: 1 (grey) or 3 (RGB). Defaults to 1.
        units: Numbers in the code h, at least 1. Defaults to 64.
        activation: f, of the code: any name that Keras knows. Defaults to "tanh".

    Input shape: float `[n, height, width, channels]` in 0 to 1.
    Output shape: the same.

    Raises:
        RequestError: `units` is less than 1 or `activation` unknown.

    Example:
        >>> detector = DenseAutoencoder(height=64, width=64)
        >>> score, error_map, mse = detector.score(np.zeros([4, 64, 64, 1], "uint8"))
        >>> error_map.shape
        (4, 8, 8)

    Reference: "Image and Video Anomaly Detection Using AI Based Deep Anomaly Detectors" (2024): h = f(W x + b)
        (equation 10), x' = g(W' h + b') (equation 11), loss ||x - x'||^2 (equation 12). The paper leaves f, g and
        the length of h open: here tanh, the sigmoid (pictures are 0 to 1) and 64; W' is not tied to W.
    """

    name_of_detector = "dense_ae"
    kind = "image"
    paper = "Image and Video Anomaly Detection Using AI Based Deep Anomaly Detectors, 2024, equations 10-12"
    default_size = (64, 64)

    def __init__(
        self,
        height: int,
        width: int,
        channels: int = 1,
        units: int = 64,
        activation: str = "tanh",
        **kwargs: Any,
    ):
        super().__init__(height, width, channels, **kwargs)
        if units < 1:
            raise RequestError(f"Argument `units` must be at least 1. Received: units={units}")
        try:
            keras.activations.get(activation)
        except ValueError:
            raise RequestError(
                f"Argument `activation` must be the name of a Keras activation. Received: activation={activation}"
            ) from None
        self.units, self.activation = units, activation
        self.picture_size = height * width * channels
        self.code = keras.layers.Dense(units, activation=activation, name="code")
        self.picture = keras.layers.Dense(
            self.picture_size, activation="sigmoid", name="picture", dtype="float32"
        )

    def build_layers(self) -> None:
        self.code.build((None, self.picture_size))
        self.picture.build((None, self.units))

    def call(self, frames: Any) -> Any:
        code = self.code(ops.reshape(frames, (-1, self.picture_size)))
        return ops.reshape(self.picture(code), (-1, self.height, self.width, self.channels))

    def reconstruct(self, frames: Any) -> Any:
        return self(frames[..., : self.channels])

    def sample_loss(self, windows: Any) -> Any:
        frames = windows[:, 0, ..., : self.channels]
        # the mean where equation 12 has the sum: the learning rate then means the same at every size
        return self.picture_loss(frames, self(frames))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "activation": self.activation}
