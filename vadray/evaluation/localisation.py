"""Figures of where anomalies are found, from the error maps of a set that has pixel masks.

A map keeps its own resolution, a cell for `cell` x `cell` pixels of the detector's input, and a mask keeps its own. Pictures
are stretched to the detector's size as a whole, without borders or cropping, so the cell in row r of R stands for the part
of the picture from r / R to (r + 1) / R of its height, whatever its size: see `mask_cells`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vadray.evaluation.pixel import PixelHistogram
from vadray.evaluation.regions import rbdc_of_maps, threshold_levels


@dataclass(frozen=True)
class MaskedObject:
    """A video or an image with what is needed to compare its error maps with its masks, read when asked for.

    Args:
        maps: Reads its error maps, float `[n, rows, columns]`, comparable with those of the other objects.
        masks: Reads its masks, bool `[n, height, width]`.
    """

    maps: Callable[[], np.ndarray]
    masks: Callable[[], np.ndarray]


def localisation_figures(objects: Sequence[MaskedObject], kind: str) -> dict[str, Any]:
    """Pixel AUROC of all pixels, and AUPRO of images or RBDC of video; one object is in memory at a time.

    Args:
        objects: Those that have masks.
        kind: "video" or "image".

    Returns:
        Fields of `Figures`: `pixel_auroc` and `aupro` or `rbdc`, each None where it is not defined; nothing of no object.
    """
    histogram = PixelHistogram()

    def counted() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for one in objects:
            maps, masks = one.maps(), one.masks()
            histogram.add(maps, masks)
            yield maps, masks

    if not objects:
        return {}
    if kind == "video":
        rbdc = rbdc_of_maps(counted(), threshold_levels(_Maps(objects)))
        return {"pixel_auroc": histogram.auroc(), "rbdc": rbdc}
    for _ in counted():
        pass
    return {"pixel_auroc": histogram.auroc(), "aupro": histogram.aupro()}


class _Maps(Sequence[np.ndarray]):
    """Maps of all objects, each read whenever it is asked for."""

    def __init__(self, objects: Sequence[MaskedObject]):
        self._objects = objects

    def __len__(self) -> int:
        return len(self._objects)

    def __getitem__(self, index):
        return self._objects[index].maps()
