"""What every detector is: a Keras model that turns frames into per-frame scores and coarse error maps."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import keras
import numpy as np
from keras import ops

from vadray.detectors.backbones.backbone import IMAGENET, Backbone
from vadray.detectors.backbones.encoder import PretrainedContraction, PretrainedEncoder
from vadray.detectors.layers.convolutional import encoder
from vadray.detectors.layers.normal_error import NormalError
from vadray.detectors.layers.unet import Contraction
from vadray.detectors.losses import weighted_loss
from vadray.errors import RequestError
from vadray.media.flow_code import FLOW_CHANNELS, FLOW_LEVELS, FLOW_MOST_PX, FLOW_ZERO

ERROR_NORMS = ("squared", "absolute")
BLOCK_FRAMES = 64


class Detector(keras.Model):
    """Base of all detectors: reconstructs (or predicts) normality and scores what it cannot.

    A detector sees windows of `window` frames. The grid of windows is anchored at an object's first frame and
    moves by `stride`: each window scores its last `stride` frames and uses the `window - stride` before them as
    context, so that every frame is scored exactly once. An image detector is the case `window = 1`.

    A subclass makes its layers in `__init__`, builds them in `build_layers`, and defines `sample_loss` and one of
    `reconstruct` (then the error is the difference to it), `errors` or `cell_errors`.

    Args:
        height: Rows of the input, a positive multiple of 8.
        width: Columns of the input, a positive multiple of 8.
        channels: 1 (grey) or 3 (RGB). Defaults to 1.
        window: Frames the model sees at once, at least 1. Defaults to 1.
        stride: Frames by which windows move, from 1 to `window`. Defaults to 1.
        cell: Side in pixels of a cell of the error map. Must divide `height` and `width`. Defaults to 8.
        flow: Frames across which optical flow is wanted as two further input channels (horizontal, vertical);
            0 for none. Defaults to 0.
        relative: Score each cell's error beside what is usual in its place; see `NormalError`. Defaults to False.
        error_norm: Error of a pixel: "squared" or "absolute" difference. Squares answer to contrast: a dark coat that
            is a little wrong outweighs a grey bicycle that is quite wrong. Defaults to the class's
            `default_error_norm`, "squared", as in the paper, unless it says otherwise.
        gate: Speed in pixels of the input per `flow` frames: a cell in which nothing is as fast has no error, so that
            what stands still, a parked van or a change of light, is no event. Needs `flow`. Defaults to 0: all count.
        losses: What a reconstructed or predicted picture is trained by: weights of "mse", "ssim" and "gradient"; see
            `losses.weighted_loss`. Defaults to {"mse": 1}.
        backbone: Transfer learning: the network that the encoder of pictures begins with, "efficientnet_lite0" or one
            of `keras.applications`, in place of the detector's own. It is trained on, and is part of what is saved.
            Defaults to None.
        backbone_weights: "imagenet" (efficientnet_lite0, from the extra `backbone`), a path to a weights file that all
            nodes have, or None for random ones. Defaults to "imagenet".

    Raises:
        RequestError: An argument is out of its range.
    """

    name_of_detector: ClassVar[str]
    kind: ClassVar[Literal["image", "video"]]
    paper: ClassVar[str]
    recommended: ClassVar[bool] = False
    default_size: ClassVar[tuple[int, int]] = (128, 128)
    default_window: ClassVar[int] = 1
    default_error_norm: ClassVar[str] = "squared"
    learns: ClassVar[bool] = (
        True  # by gradient descent; the others are fitted in one pass or need no training
    )

    always_compiled: ClassVar[bool] = False  # by XLA on CPUs too: many small operations, which it makes one

    needs_labels: ClassVar[bool] = False  # learns from a labelled set rather than from normal footage
    # of which the error map is made up, where there are several: see `parts`
    kinds_of_error: tuple[str, ...] = ()
    takes_backbone: ClassVar[bool] = False  # has an encoder that a pre-trained network can take the place of

    def __init__(
        self,
        height: int,
        width: int,
        channels: int = 1,
        window: int = 1,
        stride: int = 1,
        cell: int = 8,
        flow: int = 0,
        relative: bool = False,
        error_norm: str | None = None,
        gate: float = 0.0,
        losses: Mapping[str, float] | None = None,
        backbone: str | None = None,
        backbone_weights: str | None = IMAGENET,
        **kwargs: Any,
    ):
        # layers follow Keras's policy, as mixed precision wants; pictures, errors and scores stay what they are
        super().__init__(**{"dtype": "float32", **kwargs})
        for argument, value in (("height", height), ("width", width)):
            if value <= 0 or value % 8 or value % cell:
                raise RequestError(
                    f"Received an invalid value for argument `{argument}`, expected a positive multiple of 8 and "
                    f"of `cell`={cell}. Received: {argument}={value}"
                )
        if channels not in (1, 3):
            raise RequestError(
                f"Argument `channels` must be 1 (grey) or 3 (RGB). Received: channels={channels}"
            )
        if window < 1 or not 1 <= stride <= window:
            raise RequestError(
                "Arguments `window` and `stride` must fulfil 1 <= stride <= window. "
                f"Received: window={window}, stride={stride}"
            )
        if flow < 0:
            raise RequestError(
                f"Argument `flow` must be 0 (none) or a number of frames. Received: flow={flow}"
            )
        error_norm = self.default_error_norm if error_norm is None else error_norm
        if error_norm not in ERROR_NORMS:
            raise RequestError(
                f"Argument `error_norm` must be one of {', '.join(ERROR_NORMS)}. Received: error_norm={error_norm}"
            )
        if gate < 0 or (gate and not flow):
            raise RequestError(
                "Argument `gate` must be at least 0, and needs optical flow (`flow` above 0) to tell what moves. "
                f"Received: gate={gate}, flow={flow}"
            )
        if losses is not None and not self.learns:
            raise RequestError(
                f"Argument `losses` must be left out: {self.name_of_detector} is not trained by gradients. "
                f"Received: losses={losses}"
            )
        if backbone and not self.takes_backbone:
            raise RequestError(
                f"Argument `backbone` must be left out: {self.name_of_detector} has no encoder of pictures that a "
                f"pre-trained network could take the place of. Received: backbone={backbone}"
            )
        self.gate, self.backbone_name, self.backbone_weights = gate, backbone, backbone_weights
        self._weights_are_saved = False
        self.error_norm, self.loss_weights = error_norm, dict(losses or {"mse": 1.0})
        self.picture_loss = weighted_loss(self.loss_weights)
        self.height, self.width, self.channels = height, width, channels
        self.window, self.stride, self.cell, self.flow = window, stride, cell, flow
        self.relative = relative
        self.normal_error = NormalError(name="normal_error", dtype="float32") if relative else None

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "Detector":
        """A detector as it was saved. Its weights come with it: a backbone's are not read anew."""
        detector = super().from_config(config, custom_objects)
        detector._weights_are_saved = True
        return detector

    @property
    def context(self) -> int:
        """Frames needed before the first scored one."""
        return self.window - self.stride

    @property
    def input_channels(self) -> int:
        """Channels of the frames that come in: the picture's, and two of optical flow where it is wanted."""
        return self.channels + (FLOW_CHANNELS if self.flow else 0)

    @property
    def learned_variables(self) -> list[Any]:
        """What `sample_loss` trains: all but an adversary's."""
        adversary = {id(variable) for variable in self.adversary_variables}
        return [variable for variable in self.trainable_variables if id(variable) not in adversary]

    @property
    def adversary_variables(self) -> list[Any]:
        """What `adversary_loss` trains, by an optimizer of its own; none for most detectors."""
        return []

    @property
    def arguments(self) -> dict[str, Any]:
        """`get_config` without what `keras.Model` adds, which differs from process to process and changes no score."""
        config = self.get_config()
        return {name: value for name, value in config.items() if name not in ("name", "dtype", "trainable")}

    def build(self, input_shape: Any = None) -> None:
        self.build_layers()
        if not self._weights_are_saved:
            for layer in self.layers:
                if isinstance(layer, Backbone | PretrainedContraction):
                    layer.load()
        if self.normal_error is not None:
            self.normal_error.build((None, self.height // self.cell, self.width // self.cell))
        self.built = True

    def build_layers(self) -> None:
        """Makes the weights of the detector's own layers."""

    def encoder_of_pictures(self, filters: Sequence[int], code_channels: int) -> keras.layers.Layer:
        """`encoder`, or what begins with the backbone in its place."""
        if not self.backbone_name:
            return encoder(filters, code_channels)
        return PretrainedEncoder(
            code_channels,
            self.height,
            self.width,
            self.backbone_name,
            self.backbone_weights,
            2 ** len(filters),
            name="encoder",
        )

    def contraction_of_pictures(self, filters: Sequence[int], name: str) -> keras.layers.Layer:
        """`Contraction`, or what begins with the backbone in its place."""
        if not self.backbone_name:
            return Contraction(filters, name=name)
        return PretrainedContraction(
            filters, self.height, self.width, self.backbone_name, self.backbone_weights, name=name
        )

    def prepare(self, frames: Any) -> Any:
        """Bytes to numbers.

        Args:
            frames: uint8 `[..., input_channels]`.

        Returns:
            float32 of the same shape: the picture in 0 to 1, then the flow in pixels of the input.
        """
        frames = ops.cast(frames, "float32")
        picture = frames[..., : self.channels] / 255.0
        if not self.flow:
            return picture
        level = (frames[..., self.channels :] - FLOW_ZERO) / FLOW_LEVELS
        return ops.concatenate([picture, level * ops.abs(level) * FLOW_MOST_PX], axis=-1)

    def sample_loss(self, windows: Any) -> Any:
        """Training loss of each window.

        Args:
            windows: float32 `[batch, window, height, width, input_channels]`, prepared.

        Returns:
            float32 `[batch]`.
        """
        raise NotImplementedError(f"{type(self).__name__} is abstract in `sample_loss`")

    def adversary_loss(self, windows: Any) -> Any:
        """Loss of each window for `adversary_variables`, where there are any. Shapes as `sample_loss`."""
        raise NotImplementedError(f"{type(self).__name__} has no adversary")

    def fit_normal(self, runs: Iterable[np.ndarray]) -> None:
        """Fits what is not learned by gradients from normal footage, after training. By default nothing.

        Args:
            runs: uint8 `[n, height, width, input_channels]` each: consecutive frames of one video, or images. May be
                gone through more than once.
        """

    def blocks(self, runs: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Runs, as `fit_normal` has them, in parts of `context + n` frames, `n` at most 64 or a stride.

        Frames that do not fill a stride are left out.
        """
        most = max(self.stride, BLOCK_FRAMES // self.stride * self.stride)
        for run in runs:
            if len(run) < self.window:
                continue
            for start in range(0, len(run) - self.window + 1, most):
                block = run[start : start + self.context + most]
                count = (len(block) - self.context) // self.stride * self.stride
                yield block[: self.context + count]

    def reconstruct(self, frames: Any) -> Any:
        """Normal appearance of each scored frame.

        Args:
            frames: float32 `[context + n, height, width, input_channels]`, prepared, `n` a multiple of `stride`.

        Returns:
            float32 `[n, height, width, channels]`.
        """
        raise NotImplementedError(f"{type(self).__name__} is abstract in `reconstruct`")

    def errors(self, frames: Any) -> tuple[Any, Any]:
        """Error of each pixel (equations 13 and 14 of the paper: reconstruction error).

        Args:
            frames: float32 `[context + n, height, width, input_channels]`, prepared, `n` a multiple of `stride`.

        Returns:
            `(error [n, height, width], mse [n])`, float32, at least 0; `mse` is the plain mean squared error of the
            picture in units of the 0 to 1 range, from which PSNR follows.
        """
        return self.picture_errors(frames[self.context :, ..., : self.channels] - self.reconstruct(frames))

    def picture_errors(self, difference: Any) -> tuple[Any, Any]:
        """`(error [n, height, width], mse [n])` of differences `[n, height, width, channels]`."""
        squared = ops.mean(ops.square(difference), axis=-1)
        error = squared if self.error_norm == "squared" else ops.mean(ops.abs(difference), axis=-1)
        return error, ops.mean(squared, axis=(1, 2))

    def cell_errors(self, frames: Any) -> tuple[Any, Any]:
        """Error of each cell: the mean of its pixels, blurred by 3 x 3 cells.

        Args:
            frames: As for `errors`.

        Returns:
            `(cells [n, height / cell, width / cell], mse [n])`.
        """
        error, mse = self.errors(frames)
        cells = ops.average_pool(error[..., None], self.cell, strides=self.cell, padding="valid")
        return ops.average_pool(cells, 3, strides=1, padding="same")[..., 0], mse

    def parts(self, frames: Any) -> tuple[list[Any], Any]:
        """What each of `kinds_of_error` has to do with the error map.

        Args:
            frames: As for `errors`.

        Returns:
            `(maps, mse [n])`: a map `[n, height / cell, width / cell]` for each of `kinds_of_error`.
        """
        raise NotImplementedError(f"{type(self).__name__} is abstract in `parts`")

    def score(self, frames: Any) -> tuple[Any, Any, Any]:
        """Scores frames, encoding each once.

        The score is the map's maximum: a small anomaly must not drown in a large quiet picture.

        Args:
            frames: uint8 `[context + n, height, width, input_channels]`, `n` a multiple of `stride`.

        Returns:
            `(score [n], error_map [n, height / cell, width / cell], mse [n])`, float32.
        """
        prepared = self.prepare(frames)
        cells, mse = self.cell_errors(prepared)
        error_map = cells if self.normal_error is None else self.normal_error(cells)
        if self.gate:
            error_map = error_map * self.moving(prepared)
        return ops.max(error_map, axis=(1, 2)), error_map, mse

    def moving(self, frames: Any) -> Any:
        """1 for each cell of the scored frames in which something is as fast as `gate`, else 0. Shapes as `cell_errors`."""
        squares = ops.sum(ops.square(frames[self.context :, ..., self.channels :]), axis=-1, keepdims=True)
        fastest = ops.max_pool(squares, self.cell, strides=self.cell, padding="valid")[..., 0]
        return ops.cast(fastest >= self.gate**2, "float32")

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "height": self.height,
            "width": self.width,
            "channels": self.channels,
            "window": self.window,
            "stride": self.stride,
            "cell": self.cell,
            "flow": self.flow,
            "relative": self.relative,
            "error_norm": self.error_norm,
            "gate": self.gate,
            "losses": self.loss_weights if self.learns else None,
            **(
                {"backbone": self.backbone_name, "backbone_weights": self.backbone_weights}
                if self.takes_backbone
                else {}
            ),
        }
