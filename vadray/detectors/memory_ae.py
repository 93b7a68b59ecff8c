"""Memory-guided autoencoder for video."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from vadray.detectors.fused import FusedDetector
from vadray.detectors.layers.memory import Memory, compactness, separateness
from vadray.detectors.layers.unet import Expansion, checked_filters
from vadray.detectors.layers.windows import flat, repeated, stacked, unstacked, windows_of
from vadray.detectors.prediction import check_no_flow, check_prediction
from vadray.errors import RequestError

TASKS = ("prediction", "reconstruction")


@keras.saving.register_keras_serializable("vadray")
class MemoryAutoencoder(FusedDetector):
    """Autoencoder that looks up its code in a memory of normal prototypes.

    An autoencoder alone reconstructs anomalies too well. Here the code of each place is a query, and the decoder
    gets what the memory holds nearest to it: normal patterns are there, an anomaly is answered with the wrong ones,
    and its distance to the nearest is evidence by itself.

    With `task` "prediction" a U-Net predicts the window's last frames from those before, its decoder fed with the
    query beside the answer (as in MNAD). With "reconstruction" the decoder gets the answer alone, nothing is passed
    across the U (as in MemAE), and the window's last frames are reconstructed from the whole window.

    The papers state: MNAD, 256 x 256, four frames, 10 items of 512 channels, compactness and separateness weighted
    0.1 each, margin 1, score 0.6 x error + 0.4 x distance on Ped2, each normalised by the test video; MemAE, 16 grey
    frames, 2,000 items, sparse shares by hard shrinkage and an entropy loss.
    We had to choose: thin layers, for two CPU cores; items trained by the gradient; a softmax sharpened
    by 10 in place of shrinkage, with an effect alike; the change since the last frame rather than the frame, so that
    what stands still is right from the start; loss weights for pictures in 0 to 1; error and distance each relative
    to what is usual in normal footage, never to the test video.

    Args:
        height: Rows, a multiple of `2 ** len(filters)`.
        width: Columns, a multiple of `2 ** len(filters)`.
        channels: 1 (grey) or 3 (RGB). Defaults to 1.
        window: Frames of a window. Defaults to 5.
        stride: Frames scored by a window; for prediction less than `window`. Defaults to 1.
        task: "prediction" or "reconstruction". Defaults to "prediction".
        filters: Filters of each halving convolution. Defaults to (12, 24, 32).
        items: Prototypes, at least 2. Defaults to 32.
        sharpness: Of the memory's softmax, above 0. Defaults to 10.
        compactness_weight: Weight of the distance to the nearest item, at least 0. Defaults to 0.001.
        separateness_weight: Weight of the margin by which the next item should be farther, at least 0. Defaults
            to 0.001.
        margin: That margin, of squared distances between vectors of length 1. Defaults to 1.
        error_norm: Error of a pixel, "absolute" or "squared". Defaults to "absolute".
        shares: Weights of error and distance in the score. Defaults to (0.9, 0.1).

    Input shape: float `[n, seen, height, width, channels]` in 0 to 1; seen = window - stride for prediction, window
        for reconstruction.
    Output shape: `[n, stride, height, width, channels]`.

    Raises:
        RequestError: An argument is out of its range.

    Example:
        >>> detector = MemoryAutoencoder(height=64, width=96, window=5)
        >>> score, error_map, mse = detector.score(np.zeros([4 + 16, 64, 96, 1], "uint8"))
        >>> score.shape
        (16,)

    Reference: Park et al., "Learning Memory-guided Normality for Anomaly Detection", CVPR 2020, equations 1 to 3
        (read), 9 to 12 (losses) and 13 to 17 (score); Gong et al., "Memorizing Normality to Detect Anomaly:
        Memory-augmented Deep Autoencoder for Unsupervised Anomaly Detection", ICCV 2019.
    """

    name_of_detector = "memory_ae"
    kind = "video"
    paper = "Park et al., CVPR 2020; Gong et al., ICCV 2019"
    takes_backbone = True
    default_size = (240, 360)
    default_window = 5
    default_error_norm = "absolute"
    kinds_of_error = ("picture", "memory")

    def __init__(
        self,
        height: int,
        width: int,
        channels: int = 1,
        window: int = 5,
        stride: int = 1,
        task: str = "prediction",
        filters: Sequence[int] = (12, 24, 32),
        items: int = 32,
        sharpness: float = 10.0,
        compactness_weight: float = 0.001,
        separateness_weight: float = 0.001,
        margin: float = 1.0,
        shares: Sequence[float] = (0.9, 0.1),
        **kwargs: Any,
    ):
        super().__init__(
            height, width, channels=channels, window=window, stride=stride, shares=shares, **kwargs
        )
        if task not in TASKS:
            raise RequestError(f"Argument `task` must be one of {', '.join(TASKS)}. Received: task={task}")
        if task == "prediction":
            check_prediction(window, stride)
        check_no_flow("memory_ae", self.flow)
        for argument, value in (
            ("compactness_weight", compactness_weight),
            ("separateness_weight", separateness_weight),
            ("margin", margin),
        ):
            if value < 0:
                raise RequestError(f"Argument `{argument}` must be at least 0. Received: {argument}={value}")
        self.task, self.items, self.sharpness, self.margin = task, items, sharpness, margin
        self.compactness_weight, self.separateness_weight = compactness_weight, separateness_weight
        self.filters = checked_filters(filters, height, width)
        self.predicts = task == "prediction"
        self.seen = self.context if self.predicts else window
        self.contraction = self.contraction_of_pictures(self.filters, "contraction")
        # not `memory`: the code must be able to be negative for a cosine to tell anything
        self.query = keras.layers.Conv2D(self.filters[-1], 1, name="query")
        self.memory = Memory(items, sharpness, name="memory")
        self.expansion = Expansion(
            self.filters, stride * channels, "linear" if self.predicts else "sigmoid", name="expansion"
        )

    def build_layers(self) -> None:
        halved = 2 ** len(self.filters)
        code = (None, self.height // halved, self.width // halved, self.filters[-1])
        self.contraction.build((None, self.height, self.width, self.seen * self.channels))
        self.query.build(code)
        self.memory.build(code)
        self.expansion.build((*code[:-1], (2 if self.predicts else 1) * self.filters[-1]))

    def recall(self, seen: Any) -> tuple[Any, Any]:
        """Frames `[n, stride, height, width, channels]`, and distances to the nearest two items, from `Memory`."""
        levels = self.contraction(stacked(seen))
        query = self.query(levels[-1])
        read, nearest = self.memory(query)
        if self.predicts:
            change = self.expansion(ops.concatenate([query, read], axis=-1), levels)
            frames = repeated(seen[:, -1], self.stride) + change
        else:
            frames = self.expansion(read)
        return unstacked(frames, self.stride), nearest

    def call(self, seen: Any) -> Any:
        return self.recall(seen)[0]

    def error_maps(self, frames: Any) -> tuple[list[Any], Any]:
        recalled, nearest = self.recall(windows_of(frames, self.window, self.stride, self.seen))
        error, mse = self.picture_errors(frames[self.context :] - flat(recalled))
        # what a window's memory says holds for each frame that it scores
        distance = ops.repeat(nearest[..., 0], self.stride, axis=0)
        return [error, distance], mse

    def sample_loss(self, windows: Any) -> Any:
        recalled, nearest = self.recall(windows[:, : self.seen])
        loss = self.picture_loss(windows[:, self.context :], recalled)
        loss += self.compactness_weight * compactness(nearest)
        return loss + self.separateness_weight * separateness(nearest, self.margin)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "task": self.task,
            "filters": list(self.filters),
            "items": self.items,
            "sharpness": self.sharpness,
            "compactness_weight": self.compactness_weight,
            "separateness_weight": self.separateness_weight,
            "margin": self.margin,
        }
