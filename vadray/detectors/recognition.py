"""The detector that learns from labels: another detector's errors, read by the recognition head."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from vadray.detectors.base import Detector
from vadray.detectors.frame_difference import FrameDifference
from vadray.detectors.motion import Motion
from vadray.detectors.recogniser import Recogniser
from vadray.errors import RequestError

UNTRAINED: dict[str, type[Detector]] = {"motion": Motion, "frame_difference": FrameDifference}
LEAST_PEAK = 1e-12


@keras.saving.register_keras_serializable("vadray")
class RecognitionDetector(Detector):
    """Says of each frame how likely it is what people labelled as anomalous.

    `base`, a detector that knows normality alone, looks at the frames and stays as it is; the head, a `Recogniser`,
    reads its error maps over time and learns from labels which of what is unusual matters. It is of the kind,
    window and stride of its base: a video base is read with the head's context, an image base picture by picture.

    Args:
        height: Rows, as the base's.
        width: Columns, as the base's.
        channels: 1 (grey) or 3 (RGB), as the base's. Defaults to 1.
        base: A detector, not itself one of these, or the name of one that needs no training: "motion" or
            "frame_difference". Defaults to "motion".
        units: Filters of the head's convolutions, at least 1. Defaults to 24.
        dilations: See `Recogniser`; of no meaning to an image base. Defaults to (1, 2, 4).
        grid: Parts of the picture, down and across. Defaults to (3, 4).
        highest: How many of the highest cells are seen. Defaults to 8.
        coherence: Weight of the temporal coherence loss, at least 0. Defaults to 1.

    Input shape: uint8 `[context + n, height, width, input_channels]`.
    Output shape: score float32 `[n]`, the logit of the probability of an anomaly: monotone in it, of either sign, and
        without the ceiling at 1 where the float of a probability ties; error map `[n, height / cell, width / cell]`,
        whose maximum is the probability, spread as the base's error beside what is usual in its part of the picture
        (the head judges frames, so where in the frame is the base's evidence); `mse` is the base's.

    Raises:
        RequestError: An argument is out of its range, or the base is of another shape.

    Example:
        >>> detector = RecognitionDetector(height=64, width=96)
        >>> detector.build()
        >>> score, error_map, mse = detector.score(np.full([detector.context + 4, 64, 96, 3], 128, "uint8"))
        >>> score.shape
        (4,)

    Reference: "Image and Video Anomaly Detection Using AI Based Deep Anomaly Detectors" (2024), steps 8 and 9 of
        its video algorithm: a classification loss and the temporal coherence loss. The paper does not say whether
        the autoencoder learns from labels too; here it does not.
    """

    name_of_detector = "recognition"
    needs_labels = True
    kind = "video"  # by default; of an image base, each one's own is "image"
    paper = "Image and Video Anomaly Detection Using AI Based Deep Anomaly Detectors, 2024: from labels"
    default_size = Motion.default_size

    def __init__(
        self,
        height: int,
        width: int,
        channels: int = 1,
        base: Detector | str = "motion",
        units: int = 24,
        dilations: Sequence[int] = (1, 2, 4),
        grid: Sequence[int] = (3, 4),
        highest: int = 8,
        coherence: float = 1.0,
        **kwargs: Any,
    ):
        if isinstance(base, str) and base in UNTRAINED:
            base = UNTRAINED[base](height, width, channels)
        if not isinstance(base, Detector) or isinstance(base, RecognitionDetector):
            raise RequestError(
                f"Argument `base` must be one of {', '.join(UNTRAINED)}, or a detector that learns from normal footage. "
                f"Received: base={getattr(base, 'name_of_detector', base)}"
            )
        if (base.height, base.width, base.channels) != (height, width, channels):
            raise RequestError(
                f"Arguments `height`, `width` and `channels` must be those of `base`, {base.height}, {base.width} and "
                f"{base.channels}. Received: {height}, {width} and {channels}"
            )
        if not coherence >= 0:
            raise RequestError(f"Argument `coherence` must be at least 0. Received: coherence={coherence}")
        is_video = base.kind == "video"
        head = Recogniser(
            height // base.cell, width // base.cell, units, dilations if is_video else (), grid, highest
        )
        # maps before the first that is judged, in whole strides, so that the base's windows stay on their grid
        before = math.ceil(head.context / base.stride) * base.stride
        # motion of the head's first frame wants the frame before, also where the base has no context
        window = before + max(base.context, int(is_video)) + base.stride
        super().__init__(
            height, width, channels, window, base.stride, cell=base.cell, flow=base.flow, **kwargs
        )
        self.kind = base.kind  # type: ignore[assignment,misc]
        base.trainable = False
        self.base, self.head, self.before = base, head, before
        self.coherence = coherence
        self.dilations = tuple(dilations)  # the head of an image base has none

    @property
    def head_config(self) -> dict[str, Any]:
        """Arguments of the head besides rows and columns."""
        head = self.head
        return {
            "units": head.units,
            "dilations": list(head.dilations),
            "grid": list(head.grid),
            "highest": head.highest,
        }

    def build_layers(self) -> None:
        if not self.base.built:
            self.base.build()
        self.head.build()

    def score(self, frames: Any) -> tuple[Any, Any, Any]:
        count = frames.shape[0] - self.context
        _, maps, mse = self.base.score(frames[self.context - self.before - self.base.context :])
        maps = ops.reshape(maps, (self.before + count, self.head.rows, self.head.columns))
        seen = self.head.context + count
        if self.kind == "video":
            motion = frame_motion(frames[self.context - self.head.context - 1 :], self.channels)
        else:
            motion = ops.zeros((seen,))
        logits = self.head((maps[self.before - self.head.context :][None], motion[None]))[0]
        evidence = maps[self.before :] / self.head.usual()
        shares = evidence / ops.maximum(ops.max(evidence, axis=(1, 2), keepdims=True), LEAST_PEAK)
        return logits, ops.sigmoid(logits)[:, None, None] * shares, mse[self.before :]

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        for derived in ("window", "stride", "cell", "flow", "relative"):
            del config[derived]
        base = {
            "class_name": keras.saving.get_registered_name(type(self.base)),
            "config": self.base.arguments,
        }
        return {
            **config,
            **self.head_config,
            "dilations": list(self.dilations),
            "coherence": self.coherence,
            "base": base,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "RecognitionDetector":
        base = config["base"]
        made = keras.saving.get_registered_object(base["class_name"]).from_config(base["config"])
        return super().from_config({**config, "base": made}, custom_objects)


def frame_motion(frames: Any, channels: int) -> Any:
    """Mean absolute difference of each frame's picture from the one before, in grey levels.

    Args:
        frames: uint8 `[m, height, width, input_channels]`, consecutive.
        channels: Of the picture.

    Returns:
        float32 `[m - 1]`.
    """
    picture = ops.cast(frames[..., :channels], "float32")
    return ops.mean(ops.abs(picture[1:] - picture[:-1]), axis=(1, 2, 3))
