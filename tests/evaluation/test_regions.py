import numpy as np
import pytest

from tests.evaluation.conftest import mask_of
from vadray.evaluation import Boxes, rbdc_of_boxes, rbdc_of_maps, read_labels, threshold_levels
from vadray.evaluation.mask_cells import pixels_per_cell, region_boxes
from vadray.evaluation.regions import region_detection_area


def square(row, column, size, shape=(10, 10)):
    mask = np.zeros(shape, bool)
    mask[row : row + size, column : column + size] = True
    return mask


EMPTY = np.zeros((10, 10), bool)
MASKS = np.stack([square(0, 0, 2), square(4, 4, 4), EMPTY, EMPTY])
FOUND = Boxes(
    frame=np.array([2, 0, 3, 1, 1]),
    # the fourth is a sixteenth of the true region: too little
    box=np.array([[5, 5, 2, 2], [0, 0, 2, 2], [5, 5, 2, 2], [4, 4, 1, 1], [4, 4, 4, 4]]),
    score=np.array([0.9, 0.8, 0.7, 0.6, 0.5]),
)


def test_boxes_by_hand():
    # false a frame 1/4, 1/4, 2/4, 3/4, 3/4; detected 0, 1/2, 1/2, 1/2, 1
    assert rbdc_of_boxes([(FOUND, MASKS)]) == pytest.approx(0.25 * 0 + 0.5 * 0.5 + 0.25 * 1)


def test_frames_of_several_videos_are_pooled():
    first = Boxes(FOUND.frame[[1, 3, 4]], FOUND.box[[1, 3, 4]], FOUND.score[[1, 3, 4]])
    second = Boxes(FOUND.frame[[0, 2]] - 2, FOUND.box[[0, 2]], FOUND.score[[0, 2]])
    assert rbdc_of_boxes([(first, MASKS[:2]), (second, MASKS[2:])]) == rbdc_of_boxes([(FOUND, MASKS)])


def test_boxes_in_cells_of_a_grid():
    in_cells = Boxes(FOUND.frame, FOUND.box / 2, FOUND.score, grid=(5, 5))
    assert rbdc_of_boxes([(in_cells, MASKS)]) == rbdc_of_boxes([(FOUND, MASKS)])
    assert rbdc_of_boxes([(Boxes(FOUND.frame, FOUND.box / 2, FOUND.score), MASKS)]) != rbdc_of_boxes(
        [(FOUND, MASKS)]
    )


@pytest.mark.parametrize(("rows", "columns", "detected"), [(2, 5, 1.0), (2, 6, 0.0)])
def test_a_tenth_of_overlap_is_enough(rows, columns, detected):
    found = Boxes(np.array([0]), np.array([[0, 0, rows, columns]]), np.array([1.0]))
    # what fails to find the region is false, one a frame
    assert rbdc_of_boxes([(found, mask_of((0, 0), shape=(10, 10))[None])]) == detected


def test_one_box_may_find_several_regions_and_several_boxes_the_same():
    masks = mask_of((0, 0), (0, 2), shape=(4, 4))[None]
    found = Boxes(np.array([0, 0]), np.array([[0, 0, 1, 3], [0, 0, 1, 3]]), np.array([0.9, 0.1]))
    assert rbdc_of_boxes([(found, masks)]) == 1.0


def test_nothing_found_is_0_and_nothing_true_is_none():
    none = Boxes(np.empty(0, int), np.empty((0, 4)), np.empty(0))
    assert rbdc_of_boxes([(none, MASKS)]) == 0.0
    assert rbdc_of_boxes([(FOUND, np.zeros_like(MASKS))]) is None
    assert rbdc_of_boxes([]) is None


def test_boxes_that_are_wrong_are_refused_by_name():
    with pytest.raises(ValueError, match="`frame` must be below 2"):
        rbdc_of_boxes([(FOUND, MASKS[:2])])
    with pytest.raises(ValueError, match=r"`box` must be \[k, 4\].*5 frames and 4 scores"):
        rbdc_of_boxes([(Boxes(FOUND.frame, FOUND.box, FOUND.score[:4]), MASKS)])
    with pytest.raises(ValueError, match="`score` must be finite"):
        rbdc_of_boxes([(Boxes(FOUND.frame, FOUND.box, FOUND.score * np.nan), MASKS)])


# 4 x 4 cells of 2 x 2 pixels: a true region of one cell, one of four, and a normal frame
MAPS = np.zeros((3, 4, 4))
MAPS[0, 0, 0], MAPS[1, 3, 3], MAPS[2, 2:, 2:] = 0.8, 0.9, 0.5
MAP_MASKS = np.stack([square(0, 0, 2, (8, 8)), np.zeros((8, 8), bool), square(4, 4, 4, (8, 8))])


def test_maps_by_hand():
    # one false region in three frames, from the highest threshold on; then both true ones are found
    assert rbdc_of_maps([(MAPS, MAP_MASKS)], np.array([0.9, 0.8, 0.5])) == pytest.approx(2 / 3)
    assert rbdc_of_maps([(MAPS, MAP_MASKS)], np.array([0.9, 0.8])) == pytest.approx(1 / 2 * 2 / 3)


def test_a_threshold_at_which_all_becomes_one_region_takes_nothing_away():
    # at 0 each frame is one region, that finds the region of four cells and not that of one
    levels = np.array([0.9, 0.8, 0.5, 0.0])
    assert rbdc_of_maps([(MAPS, MAP_MASKS)], levels) == pytest.approx(2 / 3)
    assert rbdc_of_maps([(MAPS, MAP_MASKS)], levels[3:]) == pytest.approx(2 / 3 * 1 / 4 + 1 / 3 * 1 / 2)


def test_regions_of_following_frames_stay_apart():
    maps = np.zeros((2, 2, 2))
    maps[:, 0, 0] = 1
    masks = np.stack([square(0, 0, 2, (4, 4)), np.zeros((4, 4), bool)])
    # found in the first frame, false in the second: joined they would be one region that is found
    assert rbdc_of_maps([(maps, masks)], np.array([1.0])) == pytest.approx(0.5 * 0.5 + 0.5)


def test_cells_that_touch_at_a_corner_are_one_region():
    maps = np.array([[[1.0, 0.0], [0.0, 1.0]]])
    masks = np.zeros((1, 4, 4), bool)
    masks[0, :2, :2] = masks[0, 2:, 2:] = True
    assert rbdc_of_maps([(maps, masks)], np.array([1.0])) == 1.0


def test_maps_and_boxes_agree_where_regions_are_boxes():
    generator = np.random.default_rng(1)
    maps = np.zeros((40, 6, 6))
    masks = np.zeros((40, 12, 12), bool)
    frames, boxes, scores = [], [], []
    for index in range(40):
        row, column = generator.integers(0, 5, 2)
        score = generator.random() + 0.1
        maps[index, row : row + 2, column : column + 2] = score
        frames.append(index)
        boxes.append([row, column, 2, 2])
        scores.append(np.float32(score))
        if index % 2:
            down, across = generator.integers(0, 9, 2)
            masks[index, down : down + 4, across : across + 4] = True
    found = Boxes(np.array(frames), np.array(boxes), np.array(scores), grid=(6, 6))
    of_boxes = rbdc_of_boxes([(found, masks)])
    assert 0.1 < of_boxes < 0.9
    assert rbdc_of_maps([(maps, masks)], np.array(scores)) == pytest.approx(of_boxes)


def test_maps_that_cannot_be_compared():
    assert rbdc_of_maps([(MAPS, np.zeros_like(MAP_MASKS))], np.array([0.5])) is None
    with pytest.raises(ValueError, match="at least one threshold"):
        rbdc_of_maps([(MAPS, MAP_MASKS)], np.empty(0))
    with pytest.raises(ValueError, match="`masks` must be"):
        rbdc_of_maps([(MAPS, MAP_MASKS[:1])], np.array([0.5]))


def test_area_over_false_regions_a_frame():
    # straight to the limit where the next point lies beyond it, flat where there is none
    assert region_detection_area(np.array([0.0, 2.0]), np.array([0.5, 1.0])) == pytest.approx(
        (0.5 + 0.75) / 2
    )
    assert region_detection_area(np.array([0.5]), np.array([0.8])) == pytest.approx(0.5 * 0.4 + 0.5 * 0.8)
    assert region_detection_area(np.array([0.0]), np.array([1.0])) == 1.0


def test_thresholds_are_values_that_maps_reach():
    maps = [MAPS, MAPS[:1]]
    levels = threshold_levels(maps, count=10)
    assert levels.dtype == np.float32
    assert levels[0] == np.float32(0.9)
    assert (np.diff(levels) < 0).all()
    assert np.float32(0.5) in levels
    assert levels[-1] == 0.0
    with pytest.raises(ValueError, match="at least one error map"):
        threshold_levels([np.zeros((0, 4, 4))])


def test_real_masks_find_themselves(real_set):
    own = read_labels(real_set("ped2")).labels["04.mp4"]
    masks = own.mask(60)
    maps = np.stack([pixels_per_cell(mask, 30, 45) for mask in masks])
    assert rbdc_of_maps([(maps, masks)], threshold_levels([maps])) > 0.9
    boxes = [(frame, box) for frame, mask in enumerate(masks) for box in region_boxes(mask)]
    found = Boxes(np.array([f for f, _ in boxes]), np.array([box for _, box in boxes]), np.ones(len(boxes)))
    assert rbdc_of_boxes([(found, masks)]) == 1.0
    moved = Boxes(found.frame, (found.box + np.array([120, 0, 0, 0])) % [240, 999, 999, 999], found.score)
    assert rbdc_of_boxes([(moved, masks)]) < 0.6
