"""Dark lines that run down a picture, as cracks do: too thin and too faint for what describes whole patches."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from vadray.detectors.layers.derivatives import derivative, filtered
from vadray.detectors.layers.local_contrast import box_blur

ACROSS, ALONG = 1.5, 4.0  # deviations of the filters in pixels: lines of 2 to 4 pixels, straight for 10 or so
REACH, TEXTURE_REACH = 10, 6  # pixels on each side of a filter
TURNS = 12  # directions of a line
SURROUNDINGS = 7  # side in cells of the square whose texture a line has to stand out from
LEAST_TEXTURE = 1 / 255  # one grey level
# of how dark normal pictures' darkest lines are: all alike are no reason to divide by 0
LEAST_DEVIATION = 1 / 255
CELLS_OF_A_RUN = 3
LEAST_ROWS = CELLS_OF_A_RUN + 2  # a run, and the picture's border above and below it
UNUSUAL = 1.5  # deviations above the median of normal pictures from which a line counts


@keras.saving.register_keras_serializable("vadray")
class DarkLines(keras.layers.Layer):
    """Says where a dark line runs down through three cells, one below the other, and how unusual it is.

    1. Second derivatives across, of Gaussians 1.5 pixels wide and 4 pixels long, in twelve directions; the largest
       says how dark a line goes through each pixel, in whatever direction, and the largest in a cell through the cell.
    2. Divided by the mean magnitude around the cell (7 x 7 cells, twice) of that of lines up and down: on a rough
       surface a line has to be darker.
    3. The smallest of three cells in a column: a speck fills one cell, a crack all three, and may wind on its way.
       Cells at the border do not count.
    4. Deviations by which that is above the median of normal pictures' largest, less 1.5; at least 0.

    Args:
        cell: Side of a cell in pixels.

    Input shape: float `[n, height, width, channels]` in 0 to 1, of at least 5 rows of cells.
    Output shape: float `[n, height / cell, width / cell]`, rounded up, at least 0: in all three cells of a run; without
        unit.

    Source: ours. The filters are those of Canny, "A Computational Approach to Edge Detection", PAMI 1986, section 6,
        one derivative higher.
    """

    def __init__(self, cell: int, **kwargs: Any):
        super().__init__(**{"trainable": False, "dtype": "float32", **kwargs})
        self.cell = cell
        turns = np.arange(TURNS) * np.pi / TURNS
        lines = [2 * derivative(2, ACROSS, ALONG, turn, REACH) for turn in turns]
        self._lines = np.stack(lines, axis=-1)[:, :, None]
        self._texture = 2 * derivative(2, ACROSS, 1.5 * ACROSS, 0.0, TEXTURE_REACH)[:, :, None, None]

    def build(self, input_shape: Any) -> None:
        self.usual = self.add_weight(shape=(2,), initializer="ones", trainable=False, name="usual")

    def call(self, pictures: Any) -> Any:
        median, deviation = ops.unstack(ops.convert_to_tensor(self.usual))
        run = self.runs(pictures)
        unusual = ops.maximum((run - median) / deviation - UNUSUAL, 0.0)
        # to all three cells of the run, and the border
        spread = ops.pad(unusual, [[0, 0], [CELLS_OF_A_RUN - 1] * 2, [0, 0]])
        rows = run.shape[1] + CELLS_OF_A_RUN - 1
        whole = ops.max(
            ops.stack([spread[:, place : place + rows] for place in range(CELLS_OF_A_RUN)]), axis=0
        )
        return ops.pad(whole, [[0, 0], [1, 1], [1, 1]])

    def runs(self, pictures: Any) -> Any:
        """How dark a line runs through three cells, beside the texture: `[n, rows - 4, columns - 2]` of cells."""
        grey = ops.mean(pictures, axis=-1, keepdims=True)
        magnitude = ops.average_pool(ops.abs(filtered(grey, self._texture)), self.cell, padding="same")
        line = ops.max(filtered(grey, self._lines), axis=-1, keepdims=True)
        darkest = ops.max_pool(line, self.cell, padding="same")
        cells = (darkest / (box_blur(magnitude, SURROUNDINGS) + LEAST_TEXTURE))[:, 1:-1, 1:-1, 0]
        rows = cells.shape[1] - CELLS_OF_A_RUN + 1
        return ops.min(ops.stack([cells[:, place : place + rows] for place in range(CELLS_OF_A_RUN)]), axis=0)

    def fit(self, blocks: Iterable[Any]) -> None:
        """Fits what is usual.

        Args:
            blocks: Normal pictures, as `call` takes them.
        """
        largest = np.concatenate([np.asarray(ops.max(self.runs(block), axis=(1, 2))) for block in blocks])
        self.usual.assign([np.median(largest), max(largest.std(), LEAST_DEVIATION)])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cell": self.cell}
