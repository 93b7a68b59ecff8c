"""A memory of normal patches and the distance to the nearest of them."""

from typing import Any

import keras
import numpy as np
from keras import ops

from vadray.errors import RequestError

SKETCH_DIMENSIONS = 32  # in which the memory is chosen; the distances that score are taken in all
FAR = 1e9


@keras.saving.register_keras_serializable("vadray")
class PatchMemory(keras.layers.Layer):
    """Distance of each patch to the nearest one in memory.

    Args:
        size: Patches in memory, at least 1. If fewer are there to fit it, they are repeated.

    Input shape: float `[n, rows, columns, dimensions]`.
    Output shape: float `[n, rows, columns]`, at least 0.

    Raises:
        RequestError: An argument is out of its range.

    Reference: Roth et al., "Towards Total Recall in Industrial Anomaly Detection", CVPR 2022, algorithm 1.
    """

    def __init__(self, size: int, **kwargs: Any):
        super().__init__(**kwargs)
        if size < 1:
            raise RequestError(f"Argument `memory_size` must be at least 1. Received: memory_size={size}")
        self.size = size

    def build(self, input_shape: Any) -> None:
        self.patches = self.add_weight(
            shape=(self.size, input_shape[-1]), initializer="zeros", trainable=False, name="patches"
        )

    def call(self, codes: Any, penalty: Any = 0.0) -> Any:
        """Distances; `penalty [size]` is added to the squared ones, so that `FAR` leaves a patch out."""
        patches = ops.convert_to_tensor(self.patches)
        flat = ops.reshape(codes, (-1, codes.shape[-1]))
        # one multiplication of matrices: differences of every pair would be a hundred times as much memory
        squared = (
            ops.sum(ops.square(patches), axis=1) + penalty - 2 * ops.matmul(flat, ops.transpose(patches))
        )
        nearest = ops.min(squared, axis=1) + ops.sum(ops.square(flat), axis=1)
        return ops.reshape(ops.sqrt(ops.maximum(nearest, 0.0)), ops.shape(codes)[:-1])

    def fit(self, patches: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Remembers the patches that cover all of them best: greedily, the farthest from those chosen so far.

        Args:
            patches: float32 `[m, dimensions]`.
            random: Draws the first patch, and the projection in which distances are compared.

        Returns:
            int `[size]`, the places of the remembered patches in `patches`.
        """
        dimensions = patches.shape[1]
        sketch = patches
        if dimensions > SKETCH_DIMENSIONS:
            sketch = patches @ random.normal(size=(dimensions, SKETCH_DIMENSIONS)).astype(np.float32)
        lengths = np.square(sketch).sum(axis=1)
        distance = np.full(len(sketch), np.inf, np.float32)
        chosen = np.empty(self.size, np.int64)
        chosen[0] = random.integers(len(sketch))
        for place in range(1, self.size):
            last = chosen[place - 1]
            np.minimum(distance, lengths - 2 * (sketch @ sketch[last]) + lengths[last], out=distance)
            chosen[place] = distance.argmax()
        self.patches.assign(patches[chosen])
        return chosen

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}
