"""Where in the picture: the peak of an error map and the box around it."""

import numpy as np
from scipy import ndimage

BACKGROUND = 0.25  # quantile of a map: what is unusual fills less than three quarters of the picture
BOX_LEVEL = 0.5  # of the way from the background to the peak


def localise(error_map: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Peaks and boxes of error maps.

    A box is the bounding box of the cells that are connected to the peak (8-neighbourhood) and reach half its height
    above the background, the map's lower quartile: relative errors are about 1 wherever nothing is unusual.

    Args:
        error_map: float32 `[n, rows, columns]`.

    Returns:
        `(peaks, boxes)`: int32 `[n, 2]` of (row, column) and int32 `[n, 4]` of (row, column, rows, columns), in
        cells.
    """
    count, rows, columns = error_map.shape
    flat = error_map.reshape(count, rows * columns)
    peaks = np.stack(np.unravel_index(flat.argmax(axis=1), (rows, columns)), axis=1).astype(np.int32)
    boxes = np.empty((count, 4), np.int32)
    neighbours = np.ones((3, 3), int)
    background = np.quantile(flat, BACKGROUND, axis=1, method="lower")
    for index, (row, column) in enumerate(peaks):
        level = background[index] + BOX_LEVEL * (error_map[index, row, column] - background[index])
        labels, _ = ndimage.label(error_map[index] >= level, neighbours)
        vertical, horizontal = ndimage.find_objects((labels == labels[row, column]).astype(np.int8))[0]
        boxes[index] = (
            vertical.start,
            horizontal.start,
            vertical.stop - vertical.start,
            horizontal.stop - horizontal.start,
        )
    return peaks, boxes
