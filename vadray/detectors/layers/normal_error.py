"""Error maps relative to what is normal in each place of the picture."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

DEVIATIONS = 2.0
LEAST_SHARE = 0.25


@keras.saving.register_keras_serializable("vadray")
class NormalError(keras.layers.Layer):
    """Divides each cell's error by the largest that is usual there.

    Where people pass near the camera, or leaves move, a reconstruction is always worse than on a bare wall: an
    error says something only beside those of normal footage in the same place. The divisor is mean + 2 standard
    deviations of the cell's normal errors, at least a quarter of its mean over all cells, so that a place where
    nothing has ever moved does not answer to noise. Before `fit` it is 1.

    Input shape: float `[n, rows, columns]`, at least 0.
    Output shape: the same.
    """

    def build(self, input_shape: Any) -> None:
        self.usual = self.add_weight(
            shape=tuple(input_shape[1:]), initializer="ones", trainable=False, name="usual"
        )

    def call(self, cells: Any) -> Any:
        return cells / ops.convert_to_tensor(self.usual)

    def fit(self, maps: Iterable[np.ndarray]) -> None:
        """Sets the divisor from error maps of normal footage, each `[n, rows, columns]`, as they were before it.

        Raises:
            ValueError: There is no map.
        """
        count, total, squares = 0, 0.0, 0.0
        for cells in maps:
            count += len(cells)
            total = total + cells.sum(axis=0, dtype=np.float64)
            squares = squares + np.square(cells, dtype=np.float64).sum(axis=0)
        if count == 0:
            raise ValueError("`maps` must hold at least one error map. Received none")
        mean = np.asarray(total) / count
        deviation = np.sqrt(np.maximum(np.asarray(squares) / count - mean**2, 0.0))
        usual = mean + DEVIATIONS * deviation
        least = LEAST_SHARE * usual.mean()
        self.usual.assign(np.maximum(usual, least) if least > 0 else np.ones_like(usual))
