"""Convolutional autoencoder for images."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from vadray.detectors.base import Detector
from vadray.detectors.layers.convolutional import decoder
from vadray.detectors.layers.local_contrast import LocalContrast, box_blur
from vadray.errors import RequestError

LEAST_MEDIAN = 1e-6


@keras.saving.register_keras_serializable("vadray")
class ConvolutionalAutoencoder(Detector):
    """Reconstructs pictures of normality through a narrow convolutional code.

    Strided convolutions halve the picture at each step; a 1 x 1 convolution squeezes the rest into
    `code_channels` numbers for each remaining position; sub-pixel convolutions undo it. Trained on normal
    pictures alone, it has no code for a defect, and the error shows where the defect is.

    The plain model fails on textured surfaces: its error is highest where the light is brightest and the grain
    coarsest. Four things can be done about it; try `contrast=17, blur=3, per_picture=True, relative=True`. The
    picture is normalised by local contrast, so that light does not count; but neither does a large even spot, which
    is why it is not the default. The error is blurred before it is squared, so that unpredictable grain averages out
    and what is larger remains. The error map is divided by its own median, so that a coarse tile is compared with
    itself, and by what is usual in each place.

    Args:
        height: Rows, a multiple of `2 ** len(filters)`.
        width: Columns, a multiple of `2 ** len(filters)`.
        channels: 1 (grey) or 3 (RGB). Defaults to 1.
        filters: Filters of each halving convolution. Defaults to (12, 24, 48).
        code_channels: Channels of the code. Defaults to 8.
        contrast: Side in pixels of the neighbourhood for local contrast, odd and 3 or more, or 0 for the picture as
            it is. Defaults to 0.
        blur: Side in pixels of the square over which errors are averaged, twice, before they are squared; 0 for
            none. Defaults to 0.
        per_picture: Divide each error map by its median. Defaults to False.
        relative: Score each cell's error beside what is usual in its place. Defaults to False.

    Input shape: float `[n, height, width, channels]` in 0 to 1.
    Output shape: the same.

    Raises:
        RequestError: An argument is out of its range.

    Example:
        >>> detector = ConvolutionalAutoencoder(height=64, width=64)
        >>> score, error_map, mse = detector.score(np.zeros([4, 64, 64, 1], "uint8"))
        >>> error_map.shape
        (4, 8, 8)

    Reference: "Image and Video Anomaly Detection Using AI Based Deep Anomaly Detectors" (2024), steps 4 to 10 of
        its image algorithm; Masci et al., "Stacked Convolutional Auto-Encoders", ICANN 2011. Neither gives these
        layers, and the four things above are ours.
    """

    name_of_detector = "conv_ae"
    kind = "image"
    paper = "Masci et al., ICANN 2011"
    takes_backbone = True
    recommended = True
    default_size = (128, 128)

    def __init__(
        self,
        height: int,
        width: int,
        channels: int = 1,
        filters: Sequence[int] = (12, 24, 48),
        code_channels: int = 8,
        contrast: int = 0,
        blur: int = 0,
        per_picture: bool = False,
        relative: bool = False,
        **kwargs: Any,
    ):
        super().__init__(height, width, channels, relative=relative, **kwargs)
        halved = 2 ** len(filters)
        if height % halved or width % halved:
            raise RequestError(
                f"Argument `filters` halves the picture once per entry, so height={height} and width={width} must "
                f"be multiples of {halved}. Received: filters={tuple(filters)}"
            )
        if contrast and (contrast < 3 or contrast % 2 == 0):
            raise RequestError(
                f"Argument `contrast` must be 0 or an odd number of at least 3. Received: contrast={contrast}"
            )
        if blur < 0:
            raise RequestError(f"Argument `blur` must be at least 0. Received: blur={blur}")
        self.filters, self.code_channels = tuple(filters), code_channels
        self.contrast, self.blur, self.per_picture = contrast, blur, per_picture
        self.local_contrast = (
            LocalContrast(contrast, name="local_contrast", dtype="float32") if contrast else None
        )
        self.encoder = self.encoder_of_pictures(self.filters, code_channels)
        self.decoder = decoder(self.filters, channels, activation="linear" if contrast else "sigmoid")

    def build_layers(self) -> None:
        self.encoder.build((None, self.height, self.width, self.channels))
        self.decoder.build(self.encoder.compute_output_shape((None, self.height, self.width, self.channels)))

    def normalised(self, frames: Any) -> tuple[Any, Any, Any]:
        """What the model sees of pictures, and the mean and deviation that were taken out of it."""
        if self.local_contrast is None:
            return frames, 0.0, 1.0
        return self.local_contrast(frames)

    def call(self, frames: Any) -> Any:
        seen, mean, deviation = self.normalised(frames)
        return self.decoder(self.encoder(seen)) * deviation + mean

    def sample_loss(self, windows: Any) -> Any:
        seen, _, _ = self.normalised(windows[:, 0, ..., : self.channels])
        return self.picture_loss(seen, self.decoder(self.encoder(seen)))

    def reconstruct(self, frames: Any) -> Any:
        return self(frames[..., : self.channels])

    def errors(self, frames: Any) -> tuple[Any, Any]:
        frames = frames[..., : self.channels]
        seen, mean, deviation = self.normalised(frames)
        given = self.decoder(self.encoder(seen))
        difference = seen - given
        if self.blur > 1:
            difference = box_blur(difference, self.blur)
        in_picture = ops.square(frames - (given * deviation + mean))
        return self.picture_errors(difference)[0], ops.mean(in_picture, axis=(1, 2, 3))

    def cell_errors(self, frames: Any) -> tuple[Any, Any]:
        cells, mse = super().cell_errors(frames)
        if self.per_picture:
            median = ops.median(cells, axis=(1, 2), keepdims=True)
            cells = cells / ops.maximum(median, LEAST_MEDIAN)
        return cells, mse

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": list(self.filters),
            "code_channels": self.code_channels,
            "contrast": self.contrast,
            "blur": self.blur,
            "per_picture": self.per_picture,
        }
