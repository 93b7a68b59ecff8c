import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from tests.evaluation.conftest import mask_of
from vadray.evaluation import PixelHistogram, pixel_figures, read_labels
from vadray.evaluation.mask_cells import pixels_per_cell, region_boxes, regions
from vadray.evaluation.partial_area import partial_area
from vadray.evaluation.pixel import _bins

# four cells of 2 x 2 pixels; a region of 2 pixels under error 4, one of 1 pixel under error 2
MAP = np.array([[[4.0, 3.0], [2.0, 1.0]]])
MASK = mask_of((0, 0), (0, 1), (3, 0), shape=(4, 4))[None]


def test_both_figures_by_hand():
    # normal pixels under 4, 3, 2, 1: 2, 4, 3, 4 of 13
    auroc, aupro = pixel_figures([(MAP, MASK)])
    assert auroc == pytest.approx((2 + 8 + 7.5 + 12) / 39)
    # overlap 1/2 from 2/13 on; below, a line from 0
    assert aupro == pytest.approx((0.5 * 2 / 13 / 2 + 0.5 * (0.3 - 2 / 13)) / 0.3)


def test_at_the_limit_1_the_whole_curve_counts():
    histogram = PixelHistogram()
    histogram.add(MAP, MASK)
    assert histogram.aupro(1.0) == pytest.approx((0.5 + 2 + 2.25 + 4) / 13)
    for limit in (0, 1.1, float("nan")):
        with pytest.raises(ValueError, match=r"`limit` must be in \(0, 1\]"):
            histogram.aupro(limit)


def test_perfect_and_perfectly_wrong_maps():
    mask = mask_of((0, 0), (0, 1), (1, 0), (1, 1), shape=(4, 4))[None]
    right = np.array([[[1.0, 0.0], [0.0, 0.0]]])
    assert pixel_figures([(right, mask)]) == (1.0, 1.0)
    assert pixel_figures([(-right, mask)]) == (0.0, 0.0)


def blobs(generator, count, height, width):
    smooth = ndimage.gaussian_filter(generator.normal(size=(count, height, width)), (0, 2, 2))
    masks = smooth > np.quantile(smooth, 0.93)
    masks[::3] = False
    return masks


def brute_force(maps, masks, limit=0.3):
    """Figures as the papers define them: on maps enlarged by nearest neighbour, a threshold at each value."""
    down, across = masks.shape[1] // maps.shape[1], masks.shape[2] // maps.shape[2]
    large = np.repeat(np.repeat(maps, down, axis=1), across, axis=2)
    parts = []
    for own, mask in zip(large, masks, strict=True):
        labels, count = ndimage.label(mask, np.ones((3, 3)))
        parts += [own[labels == number] for number in range(1, count + 1)]
    false, overlap = [0.0], [0.0]
    for level in np.unique(maps)[::-1]:
        false.append((large[~masks] >= level).mean())
        overlap.append(np.mean([(part >= level).mean() for part in parts]))
    grid = np.linspace(0, limit, 200_001)
    return roc_auc_score(masks.ravel(), large.ravel()), np.interp(grid, false, overlap).mean()


def test_equal_to_brute_force_on_enlarged_maps():
    generator = np.random.default_rng(0)
    masks = blobs(generator, 9, 48, 72)
    maps = np.stack([pixels_per_cell(mask, 8, 12) for mask in masks]) + generator.normal(0, 12, (9, 8, 12))
    # in two parts, as two videos come
    auroc, aupro = pixel_figures([(maps[:4], masks[:4]), (maps[4:], masks[4:])])
    expected = brute_force(maps.astype(np.float32), masks)
    assert 0.6 < expected[0] < 0.95
    assert auroc == pytest.approx(expected[0], abs=5e-4)
    assert aupro == pytest.approx(expected[1], abs=5e-4)


def test_a_small_region_weighs_as_much_as_a_large_one():
    large, small = np.zeros((8, 8), bool), np.zeros((8, 8), bool)
    large[:4, :4] = True
    small[0, 7] = True
    finds_large = np.zeros((2, 8, 8))
    finds_large[0, :4, :4] = 1
    finds_small = np.zeros((2, 8, 8))
    finds_small[1, 0, 7] = 1
    masks = np.stack([large, small])
    auroc_large, aupro_large = pixel_figures([(finds_large, masks)])
    auroc_small, aupro_small = pixel_figures([(finds_small, masks)])
    assert aupro_large == pytest.approx(aupro_small)
    assert auroc_large > auroc_small + 0.3


def test_a_crack_of_one_pixel_does_not_vanish_on_a_coarse_map():
    mask = np.zeros((64, 64), bool)
    mask[:, 20] = True
    maps = np.zeros((1, 4, 4))
    maps[0, :, 1] = 1
    auroc, aupro = pixel_figures([(maps, mask[None])])
    # all of it is found, with the 15 other columns of its cells as false ones
    false = 15 / 63
    assert auroc == pytest.approx(1 - false / 2)
    assert aupro == pytest.approx((false / 2 + 0.3 - false) / 0.3)


def test_pixels_are_divided_by_area_where_cells_do_not_divide_the_mask():
    mask = np.random.default_rng(0).random((7, 11)) > 0.5
    counts = pixels_per_cell(mask, 3, 4)
    assert counts.sum() == pytest.approx(mask.sum())
    assert counts.max() <= 7 * 11 / 12 + 1e-9
    np.testing.assert_allclose(pixels_per_cell(np.array([[True, False, False]]), 1, 2), [[1, 0]])
    np.testing.assert_allclose(pixels_per_cell(np.array([[False, True, False]]), 1, 2), [[0.5, 0.5]])
    np.testing.assert_allclose(pixels_per_cell(np.array([[True, False]]), 1, 4), [[0.5, 0.5, 0, 0]])


def test_regions_hang_together_over_corners():
    mask = mask_of((0, 0), (1, 1), (3, 4), (3, 5))
    found = list(regions(mask, 2, 3))
    assert [region.pixels for region in found] == [2, 2]
    assert [dict(zip(one.cells.tolist(), one.cell_pixels.tolist(), strict=True)) for one in found] == [
        {0: 2},
        {5: 2},
    ]
    assert region_boxes(mask).tolist() == [[0, 0, 2, 2], [3, 4, 1, 2]]
    assert region_boxes(mask_of()).shape == (0, 4)


def test_bins_keep_the_order_of_errors():
    values = np.array([-1e30, -2.0, -1.001, -1.0, -1e-30, 0.0, 1e-30, 1.0, 1.001, 2.0, 1e30], np.float32)
    bins = _bins(values)
    assert (np.diff(bins) > 0).all()
    assert _bins(np.array([-0.0], np.float32)) == _bins(np.array([0.0], np.float32))
    assert _bins(np.array([1.0001], np.float32)) == _bins(np.array([1.0], np.float32))


def test_figures_without_one_of_the_classes_are_none():
    assert pixel_figures([]) == (None, None)
    assert pixel_figures([(MAP, np.zeros_like(MASK))]) == (None, None)
    assert pixel_figures([(MAP, np.ones_like(MASK))]) == (None, None)


@pytest.mark.parametrize(
    ("maps", "masks", "message"),
    [
        (MAP, np.concatenate([MASK, MASK]), r"Received: \[2, 4, 4\] and \[1, 2, 2\]"),
        (MAP[0], MASK, r"Received: \[1, 4, 4\] and \[2, 2\]"),
        (MAP * np.nan, MASK, "`maps` must be finite"),
    ],
)
def test_wrong_input_is_refused_by_name(maps, masks, message):
    with pytest.raises(ValueError, match=message):
        pixel_figures([(maps, masks)])


def test_partial_area_of_straight_and_upright_lines():
    x, y = np.array([0, 0, 0.5, 0.5]), np.array([0, 0.2, 0.2, 0.6])
    assert partial_area(x, y, 0.25) == pytest.approx(0.2)
    assert partial_area(x, y, 1.0) == pytest.approx(0.5 * 0.2 + 0.5 * 0.6)
    assert partial_area(np.array([0, 1.0]), np.array([0, 1.0]), 0.5) == pytest.approx(0.25)


def test_real_masks_find_themselves(real_set):
    labelled = read_labels(real_set("ped2"))
    videos = []
    for name in ("01.mp4", "04.mp4"):
        mask = labelled.labels[name].mask(60)
        videos.append((np.stack([pixels_per_cell(one, 30, 45) for one in mask]), mask))
    auroc, aupro = pixel_figures(videos)
    assert auroc > 0.995
    assert aupro > 0.95
    noise = np.random.default_rng(0)
    auroc, aupro = pixel_figures((noise.random(maps.shape), mask) for maps, mask in videos)
    assert auroc == pytest.approx(0.5, abs=0.03)
    assert aupro == pytest.approx(0.15, abs=0.03)
