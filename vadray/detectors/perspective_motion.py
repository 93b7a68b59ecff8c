"""Speed, relative to what perspective makes of it: our own detector for a fixed camera."""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any

import keras
import numpy as np
from keras import ops

from vadray.detectors.base import Detector
from vadray.errors import RequestError

KINDS = ("speed", "change")
GREY_LEVELS = 255.0
LEAST_SHARE = 0.15  # of a neighbourhood's pixels that must move for it to have a speed
LEAST_NEAR = 0.3  # of the pixels of 3 x 3 cells that must move for the one in the middle to have a speed
FAST = 0.95  # quantile of a row's fastest
BUSY = 0.1  # share of the frames in which a row must see something for it to count
LEAST_OF_LINE = 0.3  # of the largest, for what is usual of a row
TINY = 1e-3


@keras.saving.register_keras_serializable("vadray")
class PerspectiveMotion(Detector):
    """Scores a frame by what in it moves fastest, relative to what is usual of its row of the picture.

    A fixed camera looks down at the ground: who walks in the back moves two pixels a frame, who walks in front four.
    A threshold of pixels must then let fast things pass in the back, or take slow ones in front for fast. Here each
    row of the picture has a measure of its own, read off normal footage.

    Up to two maps are made of each frame, in cells of `cell` x `cell` pixels:

    - **speed**. Of the pixels p of a neighbourhood of `around` cells whose flow |v(p)| passes `least_speed`, the
      mean speed weighted by speed, sum |v|^2 / sum |v|: of a leg that stands and one that swings it is nearer to the
      swinging one's, and the background beside a thin body does not count. It is 0 where less than 0.15 of the
      neighbourhood moves; then averaged over 3 x 3 cells, and 0 where less than 0.3 of these moves: a speed stands
      where something has it, not above it in a row in which it would be fast.
    - **change**, if asked for. Mean absolute difference to the frame before, over `around_change` x `around_change` cells: large
      for what is fast and for what is large or unlike the ground.

    `fit_normal` takes, of each row r, the largest cell of each frame, and of these over all frames in which the row
    is busy the 0.95 quantile; a line through the rows, weighted by how often they are busy, is what is usual there,
    u(r) = max(a r + b, 0.3 max u). Each map is divided by u(r), and then by the median over frames of its own largest
    cell, so that both are about 1 in a usual frame and of one scale. The error map is the larger of the two in each
    cell, and the score its maximum.

    Nothing is learned by gradients, and nothing is known of any object.

    Args:
        height: Rows, a multiple of 8.
        width: Columns, a multiple of 8.
        channels: 1 (grey) or 3 (RGB). Defaults to 1.
        window: Frames of a window, at least `stride + 1`. Defaults to 2.
        stride: Frames by which windows move. Defaults to 1.
        cell: Side in pixels of a cell. Defaults to 4.
        flow: Frames across which flow is measured, at least 1. Defaults to 2.
        around: Rows and columns of cells over which speed is averaged, odd. Defaults to (9, 5), the shape of somebody.
        around_change: Side in cells of the square over which change is averaged, odd. Defaults to 5.
        least_speed: Pixels per `flow` frames from which on a pixel moves, above 0. Defaults to 0.5.
        kinds: Which of the two maps count. Defaults to ("speed",).

    Input shape: uint8 `[context + n, height, width, channels + 2]`: picture, then coded flow.
    Output shape: score float32 `[n]`, without unit, about 1 in a usual frame; error map
        `[n, height / cell, width / cell]`; mean squared difference of each frame from the one before, `[n]`, in
        place of a reconstruction error.

    Raises:
        RequestError: An argument is out of its range.

    Example:
        >>> detector = PerspectiveMotion(height=64, width=96)
        >>> detector.build()
        >>> detector.fit_normal([normal_frames])
        >>> score, error_map, mse = detector.score(np.full([1 + 4, 64, 96, 3], 128, "uint8"))
        >>> score.shape
        (4,)

    Speed alone was chosen on anomalies planted in normal recordings, and the larger of both rather than their sum: see
    docs/perspective_motion.md. `smoothing=markov` of `vadray train` suits it.

    Reference: ours. Speeds relative to size are AI-VAD's (Reiss and Hoshen, "Attribute-based Representations for Accurate
        and Interpretable Video Anomaly Detection", 2022, section 3.2), which needs a pre-trained detector of persons to
        tell sizes.
    """

    name_of_detector = "perspective_motion"
    kind = "video"
    paper = "ours; optical flow: Kroeger et al., ECCV 2016"
    learns = False
    default_size = (192, 288)
    default_window = 2
    always_compiled = True

    def __init__(
        self,
        height: int,
        width: int,
        channels: int = 1,
        window: int = 2,
        stride: int = 1,
        cell: int = 4,
        flow: int = 2,
        around: tuple[int, int] = (9, 5),
        around_change: int = 5,
        least_speed: float = 0.5,
        kinds: Sequence[str] = ("speed",),
        **kwargs: Any,
    ):
        super().__init__(height, width, channels, window, stride, cell, flow, **kwargs)
        self.around, self.around_change, self.least_speed = (
            tuple(np.ravel(around).tolist()),
            around_change,
            least_speed,
        )
        if flow < 1:
            raise RequestError(f"Argument `flow` must be at least 1 frame. Received: flow={flow}")
        if self.context < 1:
            raise RequestError(
                "Argument `window` must be at least `stride` + 1: change needs a frame before. "
                f"Received: window={window}, stride={stride}"
            )
        sides = (*self.around, around_change)
        if len(sides) != 3 or min(sides) < 1 or any(side % 2 == 0 for side in sides):
            raise RequestError(
                "Arguments `around` (rows and columns) and `around_change` must be positive odd numbers. "
                f"Received: around={list(self.around)}, around_change={around_change}"
            )
        if not least_speed > 0:
            raise RequestError(f"Argument `least_speed` must be above 0. Received: least_speed={least_speed}")

        self.kinds_of_error = tuple(np.ravel(kinds).tolist())
        if not self.kinds_of_error or not set(self.kinds_of_error) <= set(KINDS):
            raise RequestError(
                f"Argument `kinds` must name one or both of {', '.join(KINDS)}. Received: kinds={list(self.kinds_of_error)}"
            )

    def build_layers(self) -> None:
        self.usual = self.add_weight(
            shape=(len(self.kinds_of_error), self.height // self.cell),
            initializer="ones",
            trainable=False,
            name="usual",
        )

    def error_maps(self, frames: Any) -> tuple[list[Any], Any]:
        """Speed in pixels per `flow` frames and change in grey levels, before they are divided by what is usual.

        Args:
            frames: float32 `[context + n, height, width, input_channels]`, prepared.

        Returns:
            `(maps, mse [n])`: a map `[n, height / cell, width / cell]` for each of `kinds_of_error`.
        """
        flow = frames[self.context :, ..., self.channels :]
        speed = ops.sqrt(ops.sum(ops.square(flow), axis=-1))
        moves = ops.cast(speed > self.least_speed, "float32")
        speed = speed * moves
        moving = self._cells(moves)
        share = _around(moving, *self.around)
        first, second = (_around(self._cells(power), *self.around) for power in (speed, ops.square(speed)))
        mean = second / ops.maximum(first, TINY) * ops.cast(share > LEAST_SHARE, "float32")
        near = ops.cast(_around(moving, 3, 3) > LEAST_NEAR, "float32")
        picture = frames[self.context - 1 :, ..., : self.channels]
        difference = picture[1:] - picture[:-1]
        change = ops.mean(ops.abs(difference), axis=-1) * GREY_LEVELS
        maps = {
            "speed": _around(mean, 3, 3) * near,
            "change": _around(self._cells(change), self.around_change, self.around_change),
        }
        return [maps[kind] for kind in self.kinds_of_error], ops.mean(ops.square(difference), axis=(1, 2, 3))

    def parts(self, frames: Any) -> tuple[list[Any], Any]:
        maps, mse = self.error_maps(frames)
        usual = ops.convert_to_tensor(self.usual)
        return [values / usual[number][:, None] for number, values in enumerate(maps)], mse

    def cell_errors(self, frames: Any) -> tuple[Any, Any]:
        parts, mse = self.parts(frames)
        return reduce(ops.maximum, parts), mse

    def fit_normal(self, runs: Iterable[np.ndarray]) -> None:
        """Measures what is usual of each row.

        Raises:
            ValueError: No run is as long as a window.
        """
        largest = [
            [
                ops.convert_to_numpy(ops.max(values, axis=2))
                for values in self.error_maps(self.prepare(block))[0]
            ]
            for block in self.blocks(runs)
        ]
        if not largest:
            raise ValueError(f"`runs` must hold a run of at least {self.window} frames. Received none")
        kinds = [np.concatenate(kind) for kind in zip(*largest, strict=True)]
        moving = np.min([kind.max(axis=1) for kind in kinds], axis=0) > 0
        if not moving.any():
            return  # still footage: everything that moves is unusual
        self.usual.assign([_usual(kind[moving]) for kind in kinds])

    def _cells(self, values: Any) -> Any:
        rows, columns = self.height // self.cell, self.width // self.cell
        return ops.mean(ops.reshape(values, (-1, rows, self.cell, columns, self.cell)), axis=(2, 4))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "around": list(self.around),
            "around_change": self.around_change,
            "least_speed": self.least_speed,
            "kinds": list(self.kinds_of_error),
        }


def _around(cells: Any, rows: int, columns: int) -> Any:
    """Mean over `rows` x `columns` cells, those outside of the picture being 0."""
    height, width = cells.shape[1:3]
    padded = ops.pad(cells, [[0, 0], [rows // 2, rows // 2], [columns // 2, columns // 2]])
    # rows and then columns, shifted and added: pooling maps of a single channel is slow on CPUs
    down = sum(padded[:, row : row + height] for row in range(rows))
    return sum(down[..., column : column + width] for column in range(columns)) / (rows * columns)


def _usual(largest: np.ndarray) -> np.ndarray:
    """What each row's cells are divided by, `[rows]`, from the largest of each frame and row, `[n, rows]`."""
    rows = np.arange(largest.shape[1])
    busy = (largest > 0).mean(axis=0)
    fast = np.quantile(largest, FAST, axis=0)
    line = np.full(len(rows), fast.max())
    counts = busy > BUSY
    if counts.sum() >= 2:
        line = np.polyval(np.polyfit(rows[counts], fast[counts], 1, w=np.sqrt(busy[counts])), rows)
    line = np.maximum(line, max(LEAST_OF_LINE * fast.max(), TINY))
    return line * max(float(np.median((largest / line).max(axis=1))), TINY)
