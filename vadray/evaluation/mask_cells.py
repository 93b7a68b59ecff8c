"""Pixel masks on the coarse grid of an error map.

A cell of a map stands for a rectangle of the picture, and all pixels in it have its error: what enlarging the map by
nearest neighbour would say. So nothing is enlarged. It is enough to know how many mask pixels are in each cell; a pixel
on a border is divided by area. Masks keep their resolution: a crack one pixel wide does not vanish, and regions that
are apart in the mask stay apart.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

NEIGHBOURS = np.ones((3, 3), dtype=int)  # regions hang together over corners too


@dataclass(frozen=True)
class Region:
    """One connected region of a mask.

    Args:
        pixels: How many.
        cells: Flat indices of the map's cells that it touches, int `[k]`.
        cell_pixels: Its pixels in each of them, float `[k]`.
    """

    pixels: float
    cells: np.ndarray
    cell_pixels: np.ndarray


def pixels_per_cell(mask: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """How many pixels of a mask each cell of a map has.

    Args:
        mask: bool `[height, width]`.
        rows: Of the map.
        columns: Of the map.

    Returns:
        float `[rows, columns]`, whole numbers where the cells divide the mask evenly.
    """
    height, width = mask.shape
    return shares(height, rows) @ mask.astype(np.float64) @ shares(width, columns).T


def regions(mask: np.ndarray, rows: int, columns: int) -> Iterator[Region]:
    """The connected regions (8 neighbours) of a mask bool `[height, width]`, on a map of `rows` x `columns`."""
    height, width = mask.shape
    down, across = shares(height, rows), shares(width, columns)
    labels, _ = ndimage.label(mask, NEIGHBOURS)
    for number, (vertical, horizontal) in enumerate(ndimage.find_objects(labels), start=1):
        region = (labels[vertical, horizontal] == number).astype(np.float64)
        counts = (down[:, vertical] @ region @ across[:, horizontal].T).ravel()
        cells = np.flatnonzero(counts)
        yield Region(float(region.sum()), cells, counts[cells])


def region_boxes(mask: np.ndarray) -> np.ndarray:
    """Bounding boxes of the connected regions of a mask bool `[height, width]`.

    Returns:
        int `[k, 4]` of (row, column, rows, columns), in pixels.
    """
    found = ndimage.find_objects(ndimage.label(mask, NEIGHBOURS)[0])
    boxes = [(v.start, h.start, v.stop - v.start, h.stop - h.start) for v, h in found]
    return np.array(boxes, dtype=np.int64).reshape(-1, 4)


def checked(maps: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Error maps as float32 and masks as bool.

    Raises:
        ValueError: Not a mask `[height, width]` for each map `[rows, columns]`, or an error is not finite.
    """
    maps, masks = np.asarray(maps, dtype=np.float32), np.asarray(masks, dtype=bool)
    if maps.ndim != 3 or masks.ndim != 3 or len(maps) != len(masks) or 0 in maps.shape[1:] + masks.shape[1:]:
        raise ValueError(
            "`masks` must be [n, height, width] for `maps` [n, rows, columns]. "
            f"Received: {list(masks.shape)} and {list(maps.shape)}"
        )
    if not np.isfinite(maps).all():
        raise ValueError("`maps` must be finite")
    return maps, masks


@lru_cache(maxsize=32)
def shares(pixels: int, cells: int) -> np.ndarray:
    """Which part of each pixel is in each cell along one side, float `[cells, pixels]`; read-only."""
    edges = np.linspace(0, pixels, cells + 1)[:, None]
    low, high = np.maximum(edges[:-1], np.arange(pixels)), np.minimum(edges[1:], np.arange(1, pixels + 1))
    result = np.maximum(high - low, 0)
    result[result < 1e-9] = 0  # of edges that are whole numbers but for rounding
    result.setflags(write=False)
    return result
