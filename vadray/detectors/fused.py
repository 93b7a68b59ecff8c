"""Detectors that score by errors of several kinds."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from keras import ops

from vadray.detectors.base import Detector
from vadray.detectors.layers.normal_error import DEVIATIONS
from vadray.errors import RequestError


class FusedDetector(Detector):
    """A detector whose error map is a weighted sum of the maps of several kinds of error.

    Errors of brightness, of flow and distances in a code have nothing to do with each other's units. Each is
    divided by what is usual of it in normal footage, mean + 2 standard deviations over all cells, which
    `fit_normal` measures; then they are added, cell by cell. With `relative` the sum is compared, besides, with what
    is usual in its place.

    A subclass names its kinds in `kinds_of_error` and defines `error_maps`.

    Args:
        height: Rows.
        width: Columns.
        shares: Weight of each kind, at least 0, not all 0.
        **kwargs: As for `Detector`.

    Raises:
        RequestError: An argument is out of its range.
    """

    def __init__(self, height: int, width: int, *, shares: Iterable[float], **kwargs: Any):
        super().__init__(height, width, **kwargs)
        self.shares = tuple(float(share) for share in shares)
        if len(self.shares) != len(self.kinds_of_error) or min(self.shares) < 0 or not sum(self.shares):
            raise RequestError(
                f"Argument `shares` must hold a weight of at least 0 for each of {', '.join(self.kinds_of_error)}, "
                f"not all 0. Received: shares={list(self.shares)}"
            )

    def build(self, input_shape: Any = None) -> None:
        self.usual = self.add_weight(
            shape=(len(self.kinds_of_error),), initializer="ones", trainable=False, name="usual"
        )
        super().build(input_shape)

    def error_maps(self, frames: Any) -> tuple[list[Any], Any]:
        """Error of each kind.

        Args:
            frames: float32 `[context + n, height, width, input_channels]`, prepared, `n` a multiple of `stride`.

        Returns:
            `(maps, mse [n])`: a map `[n, rows, columns]` for each of `kinds_of_error`, at least 0, of any resolution.
        """
        raise NotImplementedError(f"{type(self).__name__} is abstract in `error_maps`")

    def parts(self, frames: Any) -> tuple[list[Any], Any]:
        """As `Detector.parts`: the sum is `cell_errors`."""
        maps, mse = self.error_maps(frames)
        usual = ops.convert_to_tensor(self.usual)
        parts = [
            share / sum(self.shares) / usual[number] * self.to_cells(error)
            for number, (share, error) in enumerate(zip(self.shares, maps, strict=True))
        ]
        return parts, mse

    def cell_errors(self, frames: Any) -> tuple[Any, Any]:
        parts, mse = self.parts(frames)
        return sum(parts[1:], parts[0]), mse

    def to_cells(self, error: Any) -> Any:
        """Mean error of each cell, blurred by 3 x 3 cells: `[n, rows, columns]` to `[n, height / cell, width / cell]`."""
        rows, columns = self.height // self.cell, self.width // self.cell
        error = ops.cast(error, "float32")[..., None]  # of features it has what the layers compute in
        if error.shape[1] % rows == 0 and error.shape[2] % columns == 0:
            pool = (error.shape[1] // rows, error.shape[2] // columns)
            error = ops.average_pool(error, pool, strides=pool, padding="valid")
        else:
            error = ops.image.resize(
                error, (rows, columns), interpolation="bilinear", data_format="channels_last"
            )
        return ops.average_pool(error, 3, strides=1, padding="same")[..., 0]

    def fit_normal(self, runs: Iterable[np.ndarray]) -> None:
        """Measures what is usual of each kind of error.

        Raises:
            ValueError: No run is as long as a window.
        """
        count, total, squares = 0, 0.0, 0.0
        for block in self.blocks(runs):
            maps = [self.to_cells(error) for error in self.error_maps(self.prepare(block))[0]]
            values = np.stack([ops.convert_to_numpy(cells).ravel() for cells in maps]).astype(np.float64)
            count += values.shape[1]
            total = total + values.sum(axis=1)
            squares = squares + np.square(values).sum(axis=1)
        if count == 0:
            raise ValueError(f"`runs` must hold a run of at least {self.window} frames. Received none")
        mean = np.asarray(total) / count
        usual = mean + DEVIATIONS * np.sqrt(np.maximum(np.asarray(squares) / count - mean**2, 0.0))
        self.usual.assign(np.where(usual > 0, usual, 1.0))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "shares": list(self.shares)}
