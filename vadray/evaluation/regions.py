"""The Region-Based Detection Criterion (RBDC): are anomalies found where they are, at how many false regions a frame.

A true region of a frame is detected when a found region overlaps it with an IoU of at least 0.1; a found region is
false when it overlaps no true region so. RBDC is the area under the rate of detected regions over the number of false
regions a frame, from 0 to 1.

Reference:
    Ramachandra, Jones: Street Scene: A new dataset and evaluation protocol for video anomaly detection. WACV 2020.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from vadray.evaluation.mask_cells import NEIGHBOURS, Region, checked, region_boxes, regions
from vadray.evaluation.partial_area import partial_area

LEAST_IOU = 0.1
MOST_FALSE_PER_FRAME = 1.0
MOST_CELLS = 1_000_000  # from which low thresholds are taken
# a cell touches its neighbours in its own frame, and none in the frames before and after
_WITHIN_FRAMES = np.stack([np.zeros_like(NEIGHBOURS), NEIGHBOURS, np.zeros_like(NEIGHBOURS)])


@dataclass(frozen=True)
class Boxes:
    """Boxes found in one video.

    Args:
        frame: Index of the frame of each box, int `[k]`.
        box: (row, column, rows, columns), float `[k, 4]`, in pixels of the masks, or in cells of `grid`.
        score: The higher the more anomalous, float `[k]`.
        grid: Rows and columns of the grid that boxes are in, where it is not that of the masks.
    """

    frame: np.ndarray
    box: np.ndarray
    score: np.ndarray
    grid: tuple[int, int] | None = None


def rbdc_of_boxes(videos: Iterable[tuple[Boxes, np.ndarray]]) -> float | None:
    """RBDC of boxes with scores, at every score as the threshold; true regions count by their bounding boxes.

    Args:
        videos: Of each its boxes, and masks bool `[n, height, width]`; empty ones for normal frames.

    Returns:
        In [0, 1]; None where there is no true region.

    Raises:
        ValueError: Boxes, frames and scores differ in number, a score is not finite, or a frame has no mask.
    """
    detected: list[float] = []  # of each true region the highest threshold that finds it
    false: list[float] = []
    frames = truths = 0
    for found, masks in videos:
        frame, box, score = _checked_boxes(found, masks)
        frames += len(masks)
        false_here = np.ones(len(frame), dtype=bool)
        for index in np.flatnonzero(masks.any(axis=(1, 2))):
            truth = region_boxes(masks[index])
            truths += len(truth)
            own = np.flatnonzero(frame == index)
            overlaps = _iou(box[own], truth) >= LEAST_IOU
            false_here[own] = ~overlaps.any(axis=1)
            detected += [float(score[own][hits].max()) for hits in overlaps.T if hits.any()]
        false += score[false_here].tolist()
    if not truths:
        return None
    levels = np.unique(np.array(detected + false))[::-1]
    found_counts = _at_least(np.array(detected), levels)
    false_counts = _at_least(np.array(false), levels)
    return region_detection_area(false_counts / frames, found_counts / truths)


def rbdc_of_maps(videos: Iterable[tuple[np.ndarray, np.ndarray]], levels: np.ndarray) -> float | None:
    """RBDC of error maps: found regions are the connected cells (8 neighbours) that reach a threshold.

    Overlap is counted in mask pixels, of which each cell has its rectangle. Two found regions may become one at a
    lower threshold, so false regions can become fewer: a rate counts as reached with at most so many.

    Args:
        videos: Of each its error maps, float `[n, rows, columns]`, and masks, bool `[n, height, width]`.
        levels: Thresholds, float `[k]`; see `threshold_levels`.

    Returns:
        In [0, 1]; None where there is no true region.

    Raises:
        ValueError: Shapes do not fit, an error is not finite, or there is no threshold.
    """
    levels = np.unique(np.asarray(levels, dtype=np.float32))[::-1]
    if len(levels) == 0:
        raise ValueError("`levels` must have at least one threshold. Received none")
    detected, false = np.zeros(len(levels)), np.zeros(len(levels))
    frames = truths = 0
    for maps, masks in videos:
        maps, masks = checked(maps, masks)
        frames += len(maps)
        truth = _Truth(masks, *maps.shape[1:])
        truths += truth.count
        for index, level in enumerate(levels):
            hits, wrong = truth.compare(maps >= level)
            detected[index] += hits
            false[index] += wrong
    return region_detection_area(false / frames, detected / truths) if truths else None


def threshold_levels(maps: Sequence[np.ndarray], count: int = 100) -> np.ndarray:
    """Thresholds for `rbdc_of_maps`: quantiles of the frames' highest errors and, below them, of all cells.

    With the first, regions appear frame by frame; where that does not make one false region a frame, the others do.

    Args:
        maps: Error maps of each video, float `[n, rows, columns]`; gone through three times, one video at a time.
        count: Of quantiles of the first kind; there are a quarter as many of the second.

    Returns:
        float32 `[k]`, falling.

    Raises:
        ValueError: There is no map.
    """
    peaks = np.concatenate([one.max(axis=(1, 2)) for one in maps if len(one)] or [np.empty(0)])
    if len(peaks) == 0:
        raise ValueError("`maps` must hold at least one error map. Received none")
    step = max(1, sum(one.size for one in maps) // MOST_CELLS)
    # copies, or every map would stay in memory for its few cells
    cells = np.concatenate([one.ravel()[::step].copy() for one in maps])
    # quantiles that are values themselves: the highest threshold must still be reached
    high = np.quantile(peaks, np.linspace(0, 1, count), method="nearest")
    below = cells[cells < peaks.min()]
    low = np.quantile(below, np.linspace(0.5, 1, max(1, count // 4)), method="nearest") if len(below) else []
    return np.unique(np.concatenate([high, low]).astype(np.float32))[::-1]


def region_detection_area(false_per_frame: np.ndarray, detected: np.ndarray) -> float:
    """Area under the rate of detected regions over false regions a frame, up to 1; from (0, 0), flat at the end.

    Args:
        false_per_frame: At each threshold, `[k]`, in any order.
        detected: Part of the true regions that is detected there, `[k]`.
    """
    order = np.lexsort((detected, false_per_frame))
    best = np.maximum.accumulate(np.append(0.0, detected[order]))
    return partial_area(np.append(0.0, false_per_frame[order]), best, MOST_FALSE_PER_FRAME)


class _Truth:
    """True regions of one video as pairs of region and cell, to compare with many sets of found cells."""

    def __init__(self, masks: np.ndarray, rows: int, columns: int):
        own: list[tuple[int, Region]] = [
            (int(frame), region)
            for frame in np.flatnonzero(masks.any(axis=(1, 2)))
            for region in regions(masks[frame], rows, columns)
        ]
        self.count = len(own)
        self._cell_pixels = masks.shape[1] * masks.shape[2] / (rows * columns)
        self._pixels = np.array([region.pixels for _, region in own])
        empty = np.empty(0, dtype=np.int64)
        self._region = np.concatenate(
            [np.full(len(one.cells), index) for index, (_, one) in enumerate(own)] or [empty]
        )
        self._cell = np.concatenate([frame * rows * columns + one.cells for frame, one in own] or [empty])
        self._shared = np.concatenate([one.cell_pixels for _, one in own] or [np.empty(0)])

    def compare(self, found: np.ndarray) -> tuple[int, int]:
        """Of cells bool `[n, rows, columns]`: how many true regions they detect, and how many of theirs are false."""
        labels, count = ndimage.label(found, _WITHIN_FRAMES)
        if count == 0:
            return 0, 0
        labels = labels.ravel()
        pixels = np.bincount(labels, minlength=count + 1) * self._cell_pixels
        touched = labels[self._cell]
        inside = touched > 0
        pairs, place = np.unique(self._region[inside] * (count + 1) + touched[inside], return_inverse=True)
        shared = np.bincount(place, self._shared[inside], minlength=len(pairs))
        region, other = pairs // (count + 1), pairs % (count + 1)
        matches = shared / (self._pixels[region] + pixels[other] - shared) >= LEAST_IOU
        return len(np.unique(region[matches])), count - len(np.unique(other[matches]))


def _checked_boxes(found: Boxes, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames, boxes in mask pixels, and scores."""
    frame, score = np.asarray(found.frame, dtype=np.int64), np.asarray(found.score, dtype=np.float64)
    box = np.asarray(found.box, dtype=np.float64)
    if box.shape != (len(frame), 4) or score.shape != frame.shape:
        raise ValueError(
            "`box` must be [k, 4] with a frame and a score for each. "
            f"Received: {list(box.shape)}, {len(frame)} frames and {len(score)} scores"
        )
    if not np.isfinite(score).all():
        raise ValueError("`score` must be finite")
    if len(frame) and not 0 <= frame.min() <= frame.max() < len(masks):
        raise ValueError(f"`frame` must be below {len(masks)}, the number of masks. Received: {frame.max()}")
    if found.grid is not None:
        down, across = masks.shape[1] / found.grid[0], masks.shape[2] / found.grid[1]
        box = box * (down, across, down, across)
    return frame, box, score


def _iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of each of `[k, 4]` with each of `[m, 4]`, float `[k, m]`."""
    corner = np.maximum(first[:, None, :2], second[None, :, :2])
    end = np.minimum((first[:, :2] + first[:, 2:])[:, None], (second[:, :2] + second[:, 2:])[None])
    shared = np.prod(np.maximum(end - corner, 0), axis=2)
    union = np.prod(first[:, 2:], axis=1)[:, None] + np.prod(second[:, 2:], axis=1)[None] - shared
    return shared / np.maximum(union, np.finfo(float).tiny)


def _at_least(values: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """How many values reach each level."""
    return len(values) - np.searchsorted(np.sort(values), levels, side="left")
