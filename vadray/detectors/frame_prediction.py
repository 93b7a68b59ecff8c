"""Future frame prediction for video."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from vadray.detectors.base import Detector
from vadray.detectors.layers.unet import Expansion, checked_filters
from vadray.detectors.layers.windows import flat, repeated, stacked, unstacked, windows_of
from vadray.detectors.losses import flow_loss, gradient_loss
from vadray.detectors.prediction import check_no_flow, check_prediction
from vadray.errors import RequestError


@keras.saving.register_keras_serializable("vadray")
class FramePrediction(Detector):
    """A U-Net that predicts each frame from those before it.

    What is normal can be foreseen; what cannot be foreseen is an anomaly. The frames before are stacked as channels,
    and the U-Net writes how the picture changes from the last of them: a still background is right from the first
    step of training, and all of the network's few channels serve what moves. A window is one pass of the network,
    so with `stride` 1 the cost of a frame is that of one pass.

    The paper states: a U-Net that sees four frames (256 x 256) and predicts the fifth; loss = intensity (squared) +
    gradient + 2 x flow (absolute difference of the flows that FlowNet finds to the true and to the predicted frame)
    + 0.05 x adversarial; score by PSNR.
    We had to choose: thin layers, for two CPU cores; maps added rather than concatenated across the U;
    the change rather than the frame. FlowNet is replaced by one step of Lucas and Kanade on the true and the
    predicted frame (`losses.flow_loss`): it needs no weights, and flow on such small displacements is linear. No
    adversary: it would cost a third of the training time; `stcen` has one. Weights are for pictures in 0 to 1,
    where the paper's would leave nothing to the squared error, by which frames are scored. The score is the largest
    error of a cell, not PSNR: a bicycle must not drown in a large quiet picture.

    Args:
        height: Rows, a multiple of `2 ** len(filters)`.
        width: Columns, a multiple of `2 ** len(filters)`.
        channels: 1 (grey) or 3 (RGB). Defaults to 1.
        window: Frames of a window: those seen and those predicted. Defaults to 5.
        stride: Frames predicted by a window, less than `window`. Defaults to 1.
        filters: Filters of each halving convolution. Defaults to (12, 24, 32).
        gradient_weight: Weight of the gradient loss beside the squared error, at least 0. Defaults to 0.02.
        flow_weight: Weight of the flow loss (in pixels), at least 0. Defaults to 0.002.
        error_norm: Error of a pixel, "absolute" or "squared". Defaults to "absolute".

    Input shape: float `[n, window - stride, height, width, channels]` in 0 to 1.
    Output shape: `[n, stride, height, width, channels]`.

    Raises:
        RequestError: An argument is out of its range.

    Example:
        >>> detector = FramePrediction(height=64, width=96, window=5)
        >>> score, error_map, mse = detector.score(np.zeros([4 + 16, 64, 96, 1], "uint8"))
        >>> score.shape
        (16,)

    Reference: Liu et al., "Future Frame Prediction for Anomaly Detection – A New Baseline", CVPR 2018, equations 1
        (intensity), 2 (gradient), 3 (flow) and 6 (their sum).
    """

    name_of_detector = "frame_prediction"
    kind = "video"
    paper = "Liu et al., CVPR 2018"
    takes_backbone = True
    default_size = (240, 360)
    default_window = 5
    default_error_norm = "absolute"

    def __init__(
        self,
        height: int,
        width: int,
        channels: int = 1,
        window: int = 5,
        stride: int = 1,
        filters: Sequence[int] = (12, 24, 32),
        gradient_weight: float = 0.02,
        flow_weight: float = 0.002,
        **kwargs: Any,
    ):
        super().__init__(height, width, channels, window, stride, **kwargs)
        check_prediction(window, stride)
        check_no_flow("frame_prediction", self.flow)
        for argument, value in (("gradient_weight", gradient_weight), ("flow_weight", flow_weight)):
            if value < 0:
                raise RequestError(f"Argument `{argument}` must be at least 0. Received: {argument}={value}")
        self.filters = checked_filters(filters, height, width)
        self.gradient_weight, self.flow_weight = gradient_weight, flow_weight
        self.contraction = self.contraction_of_pictures(self.filters, "contraction")
        self.expansion = Expansion(self.filters, stride * channels, name="expansion")

    def build_layers(self) -> None:
        halved = 2 ** len(self.filters)
        self.contraction.build((None, self.height, self.width, self.context * self.channels))
        self.expansion.build((None, self.height // halved, self.width // halved, self.filters[-1]))

    def call(self, before: Any) -> Any:
        levels = self.contraction(stacked(before))
        change = self.expansion(levels[-1], levels)
        return unstacked(repeated(before[:, -1], self.stride) + change, self.stride)

    def reconstruct(self, frames: Any) -> Any:
        return flat(self(windows_of(frames, self.window, self.stride, self.context)))

    def sample_loss(self, windows: Any) -> Any:
        before, actual = windows[:, : self.context], flat(windows[:, self.context :])
        predicted = flat(self(before))
        loss = self.picture_loss(actual, predicted)
        if self.gradient_weight:
            loss += self.gradient_weight * gradient_loss(actual, predicted)
        if self.flow_weight:
            previous = flat(windows[:, self.context - 1 : -1])
            loss += self.flow_weight * flow_loss(previous, actual, predicted)
        return ops.mean(ops.reshape(loss, (-1, self.stride)), axis=1)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": list(self.filters),
            "gradient_weight": self.gradient_weight,
            "flow_weight": self.flow_weight,
        }
