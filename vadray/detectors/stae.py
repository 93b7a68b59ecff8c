"""The paper's spatiotemporal autoencoder for video."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from vadray.detectors.fused import FusedDetector
from vadray.detectors.layers.convolutional import decoder
from vadray.detectors.layers.temporal import TEMPORAL, temporal_model
from vadray.errors import RequestError

TARGETS = ("reconstruction", "prediction")
BACKGROUND_PACE = 5.0


@keras.saving.register_keras_serializable("vadray")
class SpatiotemporalAutoencoder(FusedDetector):
    """Convolutional encoder, a causal model of time over the codes of consecutive frames, decoder.

    Each frame is encoded alone, so a frame shared by many windows is encoded once; the model of time reads the
    codes of a window in order, and its state at each step is decoded to a frame. While scoring, only the frames
    that a window scores are decoded.

    Two things are added to the plain model because a bottleneck of 256 numbers blurs everything that moves, walker
    and cyclist alike. A learned still picture, `background`, is added to what is decoded, so that the code is
    spent on what moves. And with `difference` the model also sees and gives back how each frame differs from
    an earlier one: that error grows with speed, and is nothing where nothing moves.

    Args:
        height: Rows, a multiple of `2 ** len(filters)`.
        width: Columns, a multiple of `2 ** len(filters)`.
        channels: 1 (grey) or 3 (RGB). Defaults to 1.
        window: Frames of a window. Defaults to 8.
        stride: Frames by which windows move: at most `window` less `difference`, and less 1 for prediction.
            Defaults to 1.
        temporal: Model of time: "rnn", "lstm", "tcn" or "attention" over vectors, "convlstm" or "conv3d" over
            maps; see `layers.temporal`. Defaults to "lstm".
        target: "reconstruction": the state at step t decodes frame t. "prediction": the state at step t decodes
            frame t + 1, which it has not seen. Defaults to "reconstruction".
        units: Numbers in a frame's code and hidden units of each temporal layer over vectors. Defaults to 256, as
            in the paper.
        layers: Temporal layers (blocks of two for "tcn" and "attention"). Defaults to 2.
        filters: Filters of each halving convolution. Defaults to (12, 24, 48).
        code_channels: Channels of a frame's code map, and of each temporal layer over maps. Defaults to 16.
        background: Learn a still picture and add it to what is decoded. Defaults to True.
        difference: Frames across which the temporal difference is seen and given back as well; 0 for none. The
            context grows by as many frames. Defaults to 0.
        difference_weight: Share of the difference in the loss and, each relative to what is usual of it, in the
            score, 0 to 1; the frame has the rest. Defaults to 0.5.
        error_norm: Error of a pixel, "squared" or "absolute". Defaults to "squared", as in the paper: with it 7 of 7
            planted events of `vadray demo` are found, with "absolute" 2. For the difference on UCSD Ped2 it is the
            other way round.

    Input shape: float `[n, window, height, width, input_channels]`, prepared. Optical flow, where it is asked for,
        is seen but not given back.
    Output shape: `[n, steps, height, width, channels]` for the last `steps` frames of the window, `window` less
        `difference`, and less 1 for prediction; twice the channels with `difference`.

    Raises:
        RequestError: An argument is out of its range.

    Example:
        >>> detector = SpatiotemporalAutoencoder(height=64, width=96, window=4)
        >>> score, error_map, mse = detector.score(np.zeros([3 + 16, 64, 96, 1], "uint8"))
        >>> score.shape
        (16,)

    Reference: "Image and Video Anomaly Detection Using AI Based Deep Anomaly Detectors" (2024), its video
        algorithm: LSTM layers with 256 hidden units, learning rate 0.001, batch 32, 50 epochs. After Chong and
        Tay, "Abnormal Event Detection in Videos using Spatiotemporal Autoencoder", ISNN 2017. The paper does not
        give the encoder's and decoder's layers, nor how frames become vectors; those are ours, and so are
        `background` and `difference`. Prediction: Liu et al., "Future Frame Prediction for Anomaly Detection",
        CVPR 2018. An object's first frame has nothing but copies of itself before it (edge padding), so its
        prediction is of a still scene.
    """

    name_of_detector = "stae"
    kind = "video"
    paper = "Image and Video Anomaly Detection Using AI Based Deep Anomaly Detectors, 2024"
    takes_backbone = True
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
        target: str = "reconstruction",
        units: int = 256,
        layers: int = 2,
        filters: Sequence[int] = (12, 24, 48),
        code_channels: int = 16,
        background: bool = True,
        difference: int = 0,
        difference_weight: float = 0.5,
        **kwargs: Any,
    ):
        self.kinds_of_error = ("picture", "difference") if difference else ("picture",)
        shares = (1 - difference_weight, difference_weight) if difference else (1.0,)
        super().__init__(
            height, width, channels=channels, window=window, stride=stride, shares=shares, **kwargs
        )
        for argument, value, choices in (("temporal", temporal, TEMPORAL), ("target", target, TARGETS)):
            if value not in choices:
                raise RequestError(
                    f"Argument `{argument}` must be one of {', '.join(choices)}. Received: {argument}={value}"
                )
        for argument, count in (("units", units), ("layers", layers), ("code_channels", code_channels)):
            if count < 1:
                raise RequestError(f"Argument `{argument}` must be at least 1. Received: {argument}={count}")
        halved = 2 ** len(filters)
        if height % halved or width % halved:
            raise RequestError(
                f"Argument `filters` halves the picture once per entry, so height={height} and width={width} must "
                f"be multiples of {halved}. Received: filters={tuple(filters)}"
            )
        if difference < 0 or not 0 <= difference_weight <= 1:
            raise RequestError(
                "Arguments `difference` and `difference_weight` must be at least 0, and from 0 to 1. "
                f"Received: difference={difference}, difference_weight={difference_weight}"
            )
        # `layers` is a property of keras.Model
        self.temporal, self.target, self.units, self.temporal_depth = temporal, target, units, layers
        self.filters, self.code_channels, self.background = tuple(filters), code_channels, background
        self.difference, self.difference_weight = difference, difference_weight
        self.ahead = int(target == "prediction")
        self.steps = window - difference - self.ahead
        if stride > self.steps:
            raise RequestError(
                f"Argument `stride` must be at most window={window} less difference={difference}"
                f"{' less 1 for prediction' if self.ahead else ''}. Received: stride={stride}"
            )
        self.on_maps = TEMPORAL[temporal].on_maps
        self.code_shape = (height // halved, width // halved, code_channels)
        self.given = channels * (2 if difference else 1)  # channels that are given back
        self.encoder = self.encoder_of_pictures(self.filters, code_channels)
        self.remember = temporal_model(temporal, code_channels if self.on_maps else units, layers)
        signed = background or difference > 0
        self.decoder = decoder(self.filters, self.given, activation="linear" if signed else "sigmoid")
        if not self.on_maps:
            self.flatten = keras.layers.Flatten()
            self.squeeze = keras.layers.Dense(units, name="squeeze")
            self.expand = keras.layers.Dense(self._code_size, activation="leaky_relu", name="expand")
            self.unflatten = keras.layers.Reshape(self.code_shape)

    @property
    def _code_size(self) -> int:
        rows, columns, channels = self.code_shape
        return rows * columns * channels

    @property
    def _state_shape(self) -> tuple[int, ...]:
        """Of what the model of time reads and leaves at one step."""
        return self.code_shape if self.on_maps else (self.units,)

    def build_layers(self) -> None:
        seen = self.given + self.input_channels - self.channels
        self.encoder.build((None, self.height, self.width, seen))
        self.remember.build((None, self.steps, *self._state_shape))
        self.decoder.build((None, *self.code_shape))
        if not self.on_maps:
            self.squeeze.build((None, self._code_size))
            self.expand.build((None, self.units))
        if self.background:
            self.still = self.add_weight(
                shape=(self.height, self.width, self.channels), initializer="zeros", name="still"
            )

    def streams(self, clips: Any) -> Any:
        """What is seen and given back at each step from frame `difference` on: picture, difference, flow.

        `[n, frames, height, width, input_channels]` to `[n, frames - difference, height, width, streams]`.
        """
        if not self.difference:
            return clips
        now, before = clips[:, self.difference :], clips[:, : -self.difference, ..., : self.channels]
        picture = now[..., : self.channels]
        return ops.concatenate([picture, picture - before, now[..., self.channels :]], axis=-1)

    def encode(self, frames: Any) -> Any:
        """Codes `[n, units]` or `[n, rows, columns, code_channels]` of streams `[n, height, width, streams]`."""
        codes = self.encoder(frames)
        return codes if self.on_maps else self.squeeze(self.flatten(codes))

    def decode(self, states: Any) -> Any:
        """Picture, and difference where there is one, `[n, height, width, …]`, of states of any leading shape."""
        states = ops.reshape(states, (-1, *self._state_shape))
        given = self.decoder(states if self.on_maps else self.unflatten(self.expand(states)))
        if not self.background:
            return given
        # at Adam's pace alone a weight takes 500 steps from black to grey
        still = BACKGROUND_PACE * ops.convert_to_tensor(self.still)
        return ops.concatenate([given[..., : self.channels] + still, given[..., self.channels :]], axis=-1)

    def call(self, windows: Any) -> Any:
        seen = self.streams(windows)[:, : self.steps]
        codes = self.encode(ops.reshape(seen, (-1, *seen.shape[2:])))
        states = self.remember(ops.reshape(codes, (-1, self.steps, *self._state_shape)))
        return ops.reshape(self.decode(states), (-1, self.steps, self.height, self.width, self.given))

    def sample_loss(self, windows: Any) -> Any:
        wanted = self.streams(windows)[:, self.ahead :, ..., : self.given]
        given = self(windows)
        loss = self.picture_loss(wanted[..., : self.channels], given[..., : self.channels])
        if not self.difference:
            return loss
        changed = ops.mean(ops.square(wanted - given)[..., self.channels :], axis=(1, 2, 3, 4))
        return (1 - self.difference_weight) * loss + self.difference_weight * changed

    def wanted_and_given(self, frames: Any) -> tuple[Any, Any]:
        """The scored frames' picture, and difference where there is one, and what is given back for them.

        `[context + n, height, width, input_channels]` to twice `[n, height, width, given]`.
        """
        streams = self.streams(frames[None])[0]
        codes = self.encode(streams[:-1] if self.ahead else streams)
        scored = ops.shape(frames)[0] - self.context
        starts = ops.arange(0, scored, self.stride)
        windows = ops.take(codes, starts[:, None] + ops.arange(self.steps)[None, :], axis=0)
        given = self.decode(self.remember(windows)[:, self.steps - self.stride :])
        return streams[self.context - self.difference :, ..., : self.given], given

    def reconstruct(self, frames: Any) -> Any:
        return self.wanted_and_given(frames)[1][..., : self.channels]

    def error_maps(self, frames: Any) -> tuple[list[Any], Any]:
        wanted, given = self.wanted_and_given(frames)
        missed = wanted - given
        error, mse = self.picture_errors(missed[..., : self.channels])
        if not self.difference:
            return [error], mse
        return [error, self.picture_errors(missed[..., self.channels :])[0]], mse

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["shares"]  # they follow from `difference_weight`
        return {
            **config,
            "temporal": self.temporal,
            "target": self.target,
            "units": self.units,
            "layers": self.temporal_depth,
            "filters": list(self.filters),
            "code_channels": self.code_channels,
            "background": self.background,
            "difference": self.difference,
            "difference_weight": self.difference_weight,
        }
