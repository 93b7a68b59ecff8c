"""The recognition head: from a detector's error maps to the probability of an anomaly, learned from labels."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from vadray.detectors.layers.convolutional import ACTIVATION
from vadray.detectors.losses import binary_cross_entropy, temporal_coherence
from vadray.errors import RequestError

KERNEL = 3
LEAST_ERROR = 1e-6  # errors are squares of differences in 0 to 1: below this it is rounding
LEAST_SPREAD = 1e-3
LEAST_USUAL = 0.1  # of the highest: where next to nothing ever happens, a flicker is not everything


@keras.saving.register_keras_serializable("vadray")
class Recogniser(keras.Model):
    """Reads the error maps of consecutive frames and says of each frame how likely an anomaly is.

    A detector that knows normal footage alone must call everything rare an anomaly; labels say which of it
    matters. The detector stays as it is: of each of its error maps the head sees the highest cells in order
    (wherever they are), the highest of each of `grid` parts of the picture (so that it learns where errors mean
    nothing), mean and deviation, all as logarithms, and how much the frame moves. Dilated convolutions over the
    frame and those before it, `context` frames in all, make a logit of it.

    Args:
        rows: Rows of an error map, at least 1.
        columns: Columns of an error map, at least 1.
        units: Filters of the convolutions, at least 1. Defaults to 24.
        dilations: Frames between the three taps of each convolution, at least 1; none for single images. Defaults
            to (1, 2, 4), that is 14 frames of context, about half a second.
        grid: Parts of the picture, down and across, at least 1. Defaults to (3, 4).
        highest: How many of the highest cells are seen, at least 1. Defaults to 8.

    Input shape: a pair of float error maps `[n, context + steps, rows, columns]`, at least 0, and motion
        `[n, context + steps]`, mean absolute difference from the frame before.
    Output shape: logits `[n, steps]`.

    Raises:
        RequestError: An argument is out of its range.

    Example:
        >>> recogniser = Recogniser(rows=16, columns=24)
        >>> recogniser.build()
        >>> recogniser.probability(np.zeros([100, 16, 24], "float32"), np.zeros(100, "float32")).shape
        (100,)

    Reference: "Image and Video Anomaly Detection Using AI Based Deep Anomaly Detectors" (2024), steps 8 and 9 of
        its video algorithm: a classification loss and the temporal coherence loss. What the scores are computed
        from, the paper leaves open; the features and the convolutions are ours.
    """

    def __init__(
        self,
        rows: int,
        columns: int,
        units: int = 24,
        dilations: Sequence[int] = (1, 2, 4),
        grid: Sequence[int] = (3, 4),
        highest: int = 8,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        named = {"rows": rows, "columns": columns, "units": units, "highest": highest}
        named |= {"dilations": min(dilations, default=1), "grid": min(grid) if len(grid) == 2 else 0}
        for argument, least in named.items():
            if least < 1:
                given = {"dilations": tuple(dilations), "grid": tuple(grid)}.get(argument, least)
                raise RequestError(
                    f"Argument `{argument}` must be at least 1{', twice' if argument == 'grid' else ''}. "
                    f"Received: {argument}={given}"
                )
        self.rows, self.columns, self.units = rows, columns, units
        self.dilations, self.grid = tuple(dilations), tuple(grid)
        self.highest = min(highest, rows * columns)
        self.part = (math.ceil(rows / self.grid[0]), math.ceil(columns / self.grid[1]))
        self.parts = (math.ceil(rows / self.part[0]), math.ceil(columns / self.part[1]))
        self.count = math.prod(self.parts) + self.highest + 3  # of features
        self.enter = keras.layers.Dense(units, activation=ACTIVATION, name="enter")
        self.convolutions = [
            keras.layers.Conv1D(
                units, KERNEL, dilation_rate=step, activation=ACTIVATION, name=f"convolution_{number}"
            )
            for number, step in enumerate(self.dilations)
        ]
        self.leave = keras.layers.Dense(1, name="leave")

    @property
    def context(self) -> int:
        """Frames needed before the first that is judged."""
        return (KERNEL - 1) * sum(self.dilations)

    def build(self, input_shape: Any = None) -> None:
        shape = (self.count,)
        self.centre = self.add_weight(shape=shape, initializer="zeros", trainable=False, name="centre")
        self.spread = self.add_weight(shape=shape, initializer="ones", trainable=False, name="spread")
        self.enter.build((None, None, self.count))
        for layer in self.convolutions:
            layer.build((None, None, self.units))
        self.leave.build((None, None, self.units))
        self.built = True

    def features(self, maps: Any, motion: Any) -> Any:
        """What is seen of each frame: `[n, rows, columns]` and `[n]` to `[n, count]`."""
        cells = ops.log(ops.cast(maps, "float32") + LEAST_ERROR)
        parts = ops.max_pool(cells[..., None], self.part, strides=self.part, padding="same")
        every = ops.reshape(cells, (-1, self.rows * self.columns))
        whole = ops.stack([ops.mean(every, axis=1), ops.std(every, axis=1), ops.log1p(motion)], axis=1)
        highest = ops.top_k(every, self.highest)[0]
        return ops.concatenate(
            [ops.reshape(parts, (-1, self.count - self.highest - 3)), highest, whole], axis=1
        )

    def adapt(self, maps: np.ndarray, motion: np.ndarray) -> None:
        """Measures the scale of each feature, so that all weigh alike at first. Shapes as `probability`."""
        found = ops.convert_to_numpy(self.features(maps, motion))
        self.centre.assign(found.mean(axis=0))
        self.spread.assign(np.maximum(found.std(axis=0), LEAST_SPREAD))

    def usual(self) -> Any:
        """What the highest error usually is in each cell's part of the picture, as `adapt` found: `[rows, columns]`."""
        usual = ops.exp(ops.reshape(self.centre[: math.prod(self.parts)], self.parts))
        usual = ops.maximum(usual, LEAST_USUAL * ops.max(usual))
        for axis, (size, part) in enumerate(zip((self.rows, self.columns), self.part, strict=True)):
            # pooling with "same" lays what is missing before the first cell and after the last
            cells = (ops.arange(size) + (self.parts[axis] * part - size) // 2) // part
            usual = ops.take(usual, cells, axis=axis)
        return usual

    def call(self, inputs: Any) -> Any:
        maps, motion = inputs
        steps = maps.shape[1]
        found = self.features(ops.reshape(maps, (-1, self.rows, self.columns)), ops.reshape(motion, (-1,)))
        found = (found - ops.convert_to_tensor(self.centre)) / ops.convert_to_tensor(self.spread)
        states = self.enter(ops.reshape(found, (-1, steps, self.count)))
        for layer in self.convolutions:
            known = layer(states)
            states = known + states[:, -known.shape[1] :]
        return self.leave(states)[..., 0]

    def probability(self, maps: np.ndarray, motion: np.ndarray) -> np.ndarray:
        """Probability that each frame of one video is anomalous; before its first frame stand copies of it.

        Args:
            maps: float32 `[n, rows, columns]`.
            motion: float32 `[n]`.

        Returns:
            float32 `[n]`, 0 to 1.
        """
        if len(maps) == 0:
            return np.zeros(0, np.float32)
        index = np.maximum(np.arange(-self.context, len(maps)), 0)
        return ops.convert_to_numpy(ops.sigmoid(self((maps[index][None], motion[index][None]))))[0]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "rows": self.rows,
            "columns": self.columns,
            "units": self.units,
            "dilations": list(self.dilations),
            "grid": list(self.grid),
            "highest": self.highest,
        }


def recognition_loss(labels: Any, logits: Any, coherence: float) -> Any:
    """Classification loss plus `coherence` times temporal coherence loss: `[n, steps]` each, to `[n]`.

    The coherence is of probabilities, as in the paper, whose scores they are: of logits it would hold back
    certainty rather than flicker. A single step has nothing to cohere with.
    """
    if logits.shape[1] == 1:
        return binary_cross_entropy(labels, logits)
    return binary_cross_entropy(labels, logits) + coherence * temporal_coherence(ops.sigmoid(logits))
