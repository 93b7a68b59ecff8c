"""Spatiotemporal consistency-enhanced network for video."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from vadray.detectors.base import Detector
from vadray.detectors.layers.resampling import Resampling, divergence, drawn
from vadray.detectors.layers.spatiotemporal import SpatiotemporalContraction, clip_discriminator
from vadray.detectors.layers.unet import Expansion, checked_filters
from vadray.detectors.layers.windows import flat, repeated, unstacked
from vadray.detectors.prediction import check_no_flow, check_prediction
from vadray.errors import RequestError


@keras.saving.register_keras_serializable("vadray")
class SpatiotemporalConsistency(Detector):
    """Predicts frames by a 3-D encoder and a 2-D decoder, kept honest by a 3-D discriminator.

    The encoder's 3-D convolutions see motion as well as appearance; the decoder is a 2-D one, since one frame comes
    out. While training, the code is drawn from around itself (`Resampling`): the decoder learns to answer everything
    near a normal code with a normal frame, and answers an abnormal one so too. A discriminator judges the predicted
    frame together with those before it: a frame that is sharp but moves wrongly is found out.

    The encoder runs once over all frames: time is not padded, so each window's code is one step of its output.

    The paper states: a 3-D convolutional encoder and a 2-D convolutional decoder in a U shape that predict the next
    frame; resampling of the latent code while training on normal data; a 3-D convolutional discriminator of the
    consistency between the predicted frame and its former frames; prediction error as the score.
    We had to choose: thin layers, for two CPU cores; a code with a mean and a variance, pulled weakly
    towards a standard normal, as the form of resampling; least squares for the adversarial losses; the maps of each
    level's last step to pass across the U; the change since the last frame rather than the frame; the weights,
    small, since the validation loss must go on measuring prediction; the largest error of a cell as the score.

    Args:
        height: Rows, a multiple of `2 ** len(filters)` and of 16.
        width: Columns, likewise.
        channels: 1 (grey) or 3 (RGB). Defaults to 1.
        window: Frames of a window: those seen and those predicted. Defaults to 5.
        stride: Frames predicted by a window, less than `window`. Defaults to 1.
        filters: Filters of each halving convolution. Defaults to (8, 16, 32).
        code_channels: Channels of the code. Defaults to 16.
        discriminator_filters: Filters of the discriminator's convolutions. Defaults to (8, 16).
        divergence_weight: Weight of the code's divergence from a standard normal, at least 0. Defaults to 0.00001.
        adversary_weight: Weight of the adversarial loss, at least 0; 0 for no discriminator. Defaults to 0.0001.
        error_norm: Error of a pixel, "absolute" or "squared". Defaults to "absolute".

    Input shape: float `[n, window - stride, height, width, channels]` in 0 to 1.
    Output shape: `[n, stride, height, width, channels]`.

    Raises:
        RequestError: An argument is out of its range.

    Example:
        >>> detector = SpatiotemporalConsistency(height=64, width=96, window=5)
        >>> score, error_map, mse = detector.score(np.zeros([4 + 16, 64, 96, 1], "uint8"))
        >>> score.shape
        (16,)

    Reference: Hao et al., "Spatiotemporal consistency-enhanced network for video anomaly detection", Pattern
        Recognition 121, 2022; Mao et al., "Least Squares Generative Adversarial Networks", ICCV 2017, equation 9.
    """

    name_of_detector = "stcen"
    kind = "video"
    paper = "Hao et al., Pattern Recognition 121, 2022"
    default_size = (192, 288)
    default_window = 5
    default_error_norm = "absolute"

    def __init__(
        self,
        height: int,
        width: int,
        channels: int = 1,
        window: int = 5,
        stride: int = 1,
        filters: Sequence[int] = (8, 16, 32),
        code_channels: int = 16,
        discriminator_filters: Sequence[int] = (8, 16),
        divergence_weight: float = 0.00001,
        adversary_weight: float = 0.0001,
        **kwargs: Any,
    ):
        super().__init__(height, width, channels, window, stride, **kwargs)
        check_prediction(window, stride)
        check_no_flow("stcen", self.flow)
        if code_channels < 1:
            raise RequestError(
                f"Argument `code_channels` must be at least 1. Received: code_channels={code_channels}"
            )
        for argument, value in (
            ("divergence_weight", divergence_weight),
            ("adversary_weight", adversary_weight),
        ):
            if value < 0:
                raise RequestError(f"Argument `{argument}` must be at least 0. Received: {argument}={value}")
        if not discriminator_filters or min(discriminator_filters) < 1:
            raise RequestError(
                "Argument `discriminator_filters` must hold positive numbers. "
                f"Received: discriminator_filters={list(discriminator_filters)}"
            )
        self.filters = checked_filters(filters, height, width)
        self.code_channels, self.discriminator_filters = code_channels, tuple(discriminator_filters)
        self.divergence_weight, self.adversary_weight = divergence_weight, adversary_weight
        self.contraction = SpatiotemporalContraction(self.filters, self.context, name="contraction")
        self.resampling = Resampling(code_channels, name="resampling")
        self.expansion = Expansion(self.filters, stride * channels, name="expansion")
        self.discriminator = clip_discriminator(self.discriminator_filters) if adversary_weight else None

    @property
    def adversary_variables(self) -> list[Any]:
        return self.discriminator.trainable_variables if self.discriminator else []

    def build_layers(self) -> None:
        halved = 2 ** len(self.filters)
        place = (None, self.height // halved, self.width // halved)
        self.contraction.build((None, self.context, self.height, self.width, self.channels))
        self.resampling.build((*place, self.filters[-1]))
        self.expansion.build((*place, self.code_channels))
        if self.discriminator:
            self.discriminator.build((None, self.window, self.height, self.width, self.channels))

    def encode(self, runs: Any, starts: Any) -> list[Any]:
        """Maps of each level for the windows of runs of frames.

        Args:
            runs: `[b, steps, height, width, channels]`.
            starts: int `[m]`: the first frame of each window in its run.

        Returns:
            A list of `[b * m, rows, columns, filters]`, finest first: each window's last step.
        """
        levels = []
        for maps, left in zip(self.contraction(runs), self.contraction.remaining, strict=True):
            levels.append(flat(ops.take(maps, starts + (left - 1), axis=1)))
        return levels

    def decode(self, code: Any, levels: list[Any], last: Any) -> Any:
        """Frames `[n, stride, height, width, channels]` after the frames `last`."""
        change = self.expansion(code, levels)
        return unstacked(repeated(last, self.stride) + change, self.stride)

    def call(self, before: Any) -> Any:
        levels = self.encode(before, ops.zeros((1,), "int32"))
        return self.decode(self.resampling(levels[-1])[0], levels, before[:, -1])

    def reconstruct(self, frames: Any) -> Any:
        starts = ops.arange(0, ops.shape(frames)[0] - self.context, self.stride)
        levels = self.encode(frames[None, : -self.stride], starts)
        last = ops.take(frames, starts + (self.context - 1), axis=0)
        return flat(self.decode(self.resampling(levels[-1])[0], levels, last))

    def predict_drawn(self, before: Any) -> tuple[Any, Any]:
        """As `call`, from a code drawn from around itself, and the code's divergence `[n]`."""
        levels = self.encode(before, ops.zeros((1,), "int32"))
        mean, log_variance = self.resampling(levels[-1])
        predicted = self.decode(drawn(mean, log_variance), levels, before[:, -1])
        return predicted, divergence(mean, log_variance)

    def sample_loss(self, windows: Any) -> Any:
        before, actual = windows[:, : self.context], windows[:, self.context :]
        predicted, from_normal = self.predict_drawn(before)
        loss = self.picture_loss(actual, predicted)
        loss += self.divergence_weight * from_normal
        if self.discriminator:
            judged = self.discriminator(ops.concatenate([before, predicted], axis=1))
            loss += self.adversary_weight * 0.5 * _mean_square(judged - 1.0)
        return loss

    def adversary_loss(self, windows: Any) -> Any:
        if not self.discriminator:
            return super().adversary_loss(windows)
        before = windows[:, : self.context]
        predicted = ops.stop_gradient(self.predict_drawn(before)[0])
        true = self.discriminator(windows)
        made = self.discriminator(ops.concatenate([before, predicted], axis=1))
        return 0.5 * (_mean_square(true - 1.0) + _mean_square(made))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": list(self.filters),
            "code_channels": self.code_channels,
            "discriminator_filters": list(self.discriminator_filters),
            "divergence_weight": self.divergence_weight,
            "adversary_weight": self.adversary_weight,
        }


def _mean_square(judged: Any) -> Any:
    return ops.mean(ops.square(judged), axis=(1, 2, 3, 4))
