"""Where in the picture: the peak of an error map and the box around it."""

import numpy as np
from scipy import ndimage

BOX_LEVEL = 0.5


def localise(error_map: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Peaks and boxes of error maps.

    A box is the bounding box of the cells that are connected to the peak (8-neighbourhood) and reach half of it.

    Args:
        error_map: float32 `[n, rows, columns]`.

    Returns:
        `(peaks, boxes)`: int32 `[n, 2]` of (row, column) and int32 `[n, 4]` of (row, column, rows, columns), in
        cells.
    """
    count, rows, columns = error_map.shape
    flat = error_map.reshape(count, -1).argmax(axis=1) if count else np.zeros(0, int)
    peaks = np.stack(np.unravel_index(flat, (rows, columns)), axis=1).astype(np.int32)
    boxes = np.empty((count, 4), np.int32)
    neighbours = np.ones((3, 3), int)
    for index, (row, column) in enumerate(peaks):
        labels, _ = ndimage.label(error_map[index] >= BOX_LEVEL * error_map[index, row, column], neighbours)
        vertical, horizontal = ndimage.find_objects((labels == labels[row, column]).astype(np.int8))[0]
        boxes[index] = (
            vertical.start,
            horizontal.start,
            vertical.stop - vertical.start,
            horizontal.stop - horizontal.start,
        )
    return peaks, boxes
