"""Whether the right pixels are found: pixel AUROC and the per-region overlap, in bounded memory.

All pixels of a test set are too many to sort. Errors are kept to 12 significant bits (a step is at most 1/2048 of the
value), and counted in a histogram over all such numbers; both figures follow from it, whatever the size of the set.
"""

from collections.abc import Iterable

import numpy as np
from sklearn.metrics import auc

from vadray.evaluation.mask_cells import checked, pixels_per_cell, regions
from vadray.evaluation.partial_area import partial_area

AUPRO_LIMIT = 0.3
_DROPPED_BITS = 12  # of the 32 of a float32: sign, exponent and 11 bits of the fraction stay
_BINS = 1 << (32 - _DROPPED_BITS)


class PixelHistogram:
    """Counts pixels by their error, video by video; 24 MiB however many there are.

    Example:
        >>> histogram = PixelHistogram()
        >>> histogram.add(np.array([[[0.1, 0.9]]]), np.array([[[False, True]]]))
        >>> histogram.auroc(), histogram.aupro()
        (1.0, 1.0)
    """

    def __init__(self) -> None:
        self._normal = np.zeros(_BINS)
        self._anomalous = np.zeros(_BINS)
        self._overlap = np.zeros(_BINS)  # of each region the part that is in a bin, summed over regions

    def add(self, maps: np.ndarray, masks: np.ndarray) -> None:
        """Counts the pixels of a video, or of one or several images of one size.

        Args:
            maps: Error maps, float `[n, rows, columns]`; only their order counts. A cell's error is that of all
                pixels in it.
            masks: Anomalous pixels, bool `[n, height, width]`, of any size; empty ones for normal frames.

        Raises:
            ValueError: Shapes do not fit, or an error is not finite.
        """
        maps, masks = checked(maps, masks)
        rows, columns = maps.shape[1:]
        bins = _bins(maps).reshape(len(maps), -1)
        cell_pixels = masks.shape[1] * masks.shape[2] / (rows * columns)
        with_anomaly = masks.any(axis=(1, 2))
        np.add.at(self._normal, bins[~with_anomaly].ravel(), cell_pixels)
        for own, mask in zip(bins[with_anomaly], masks[with_anomaly], strict=True):
            anomalous = pixels_per_cell(mask, rows, columns).ravel()
            np.add.at(self._anomalous, own, anomalous)
            # rounding must not leave a trace of a pixel where all are anomalous
            np.add.at(self._normal, own, np.where(cell_pixels - anomalous > 1e-6, cell_pixels - anomalous, 0))
            for region in regions(mask, rows, columns):
                np.add.at(self._overlap, own[region.cells], region.cell_pixels / region.pixels)

    def auroc(self) -> float | None:
        """Area under the ROC of all pixels; None unless there are normal and anomalous ones."""
        false_positive, true_positive = self._curve(self._anomalous)
        return None if true_positive is None else float(auc(false_positive, true_positive))

    def aupro(self, limit: float = AUPRO_LIMIT) -> float | None:
        """Area under the per-region overlap over the false positive rate of pixels up to `limit`, normalised to 1.

        The overlap is the mean over all connected regions of the part that is found, so that a small defect
        weighs as much as a large one.

        Args:
            limit: Highest false positive rate, in (0, 1].

        Raises:
            ValueError: `limit` is not in (0, 1].

        Reference:
            Bergmann, Batzner, Fauser, Sattlegger, Steger: The MVTec Anomaly Detection Dataset. IJCV 129, 2021.
            There maps are enlarged to the size of the image; here a cell's error is that of its pixels.
        """
        if not 0 < limit <= 1:
            raise ValueError(f"`limit` must be in (0, 1]. Received: {limit}")
        false_positive, overlap = self._curve(self._overlap)
        return None if overlap is None else partial_area(false_positive, overlap, limit)

    def _curve(self, found: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """False positive rate and the found part, from the highest threshold to the lowest, from (0, 0) to (1, 1)."""
        used = np.flatnonzero(self._normal + found)[::-1]
        false_positive = np.append(0, np.cumsum(self._normal[used]))
        part = np.append(0, np.cumsum(found[used]))
        if not (false_positive[-1] > 0 and part[-1] > 0):
            return false_positive, None
        return false_positive / false_positive[-1], part / part[-1]


def pixel_figures(
    videos: Iterable[tuple[np.ndarray, np.ndarray]], limit: float = AUPRO_LIMIT
) -> tuple[float | None, float | None]:
    """Pixel AUROC and AUPRO of videos or images that come one by one, such as from a generator that reads masks.

    Args:
        videos: Of each its error maps, float `[n, rows, columns]`, and masks, bool `[n, height, width]`.
        limit: See `PixelHistogram.aupro`.

    Returns:
        `(pixel_auroc, aupro)`, None where undefined.

    Raises:
        ValueError: See `PixelHistogram`.
    """
    histogram = PixelHistogram()
    for maps, masks in videos:
        histogram.add(maps, masks)
    return histogram.auroc(), histogram.aupro(limit)


def _bins(maps: np.ndarray) -> np.ndarray:
    """Numbers of bins that rise with the error, int64: a float's bits count upwards, a negative one's downwards."""
    bits = (maps + np.float32(0)).view(np.uint32)  # the sum makes -0 the same as 0
    negative = (bits >> np.uint32(31)).astype(bool)
    ordered = np.where(negative, ~bits, bits | np.uint32(1 << 31))
    return (ordered >> np.uint32(_DROPPED_BITS)).astype(np.int64)
