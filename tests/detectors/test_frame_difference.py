"""`frame_difference`: what changes most scores highest."""

import numpy as np
import pytest

from tests.detectors.learning import (
    assert_round_trip,
    assert_scores_do_not_depend_on_the_cut,
    footage,
    random_frames,
    with_anomaly,
)
from vadray.detectors.frame_difference import FrameDifference
from vadray.errors import RequestError
from vadray.sweep.localise import localise


def small(**more) -> FrameDifference:
    detector = FrameDifference(height=32, width=48, **more)
    detector.build()
    return detector


@pytest.mark.parametrize(
    "more", [{}, {"window": 6, "stride": 2, "across": 2}, {"channels": 3, "blur": 1, "window": 4}]
)
def test_scores_do_not_depend_on_the_cut_and_survive_saving(more, tmp_path):
    detector = small(**more)
    assert_scores_do_not_depend_on_the_cut(detector)
    assert_round_trip(detector, tmp_path)


def test_something_sudden_scores_higher_where_it_is():
    detector = small()
    assert not detector.learns and not detector.learned_variables
    held = footage(48, seed=2)
    normal = np.asarray(detector.score(held)[0])
    score, error_map, _ = (np.asarray(value) for value in detector.score(with_anomaly(held)))
    assert score[-1] > np.quantile(normal, 0.95)
    (row, column), _ = (values[-1] for values in localise(error_map))
    assert row <= 2 and 2 <= column <= 3  # blurring takes in less of nothing at the picture's edge


@pytest.mark.parametrize("across", [1, 2])
def test_score_is_the_mean_difference_of_the_last_frames(across):
    detector = small(window=across + 2, across=across, blur=1)
    frames = random_frames(detector, 3)
    picture = frames[..., 0].astype(float) / 255
    change = np.abs(picture[across:] - picture[:-across]).reshape(-1, 4, 8, 6, 8).mean(axis=(2, 4))
    expected = (change[1:] + change[:-1]) / 2
    score, error_map, mse = detector.score(frames)
    np.testing.assert_allclose(error_map, expected, rtol=1e-5)
    np.testing.assert_allclose(score, expected.max(axis=(1, 2)), rtol=1e-5)
    before = picture[detector.context - 1 : -1]
    np.testing.assert_allclose(
        mse, np.square(picture[detector.context :] - before).mean(axis=(1, 2)), rtol=1e-5
    )


@pytest.mark.parametrize("wrong", [{"across": 0}, {"blur": 4}, {"window": 1}])
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(RequestError, match=f"{next(iter(wrong))}={next(iter(wrong.values()))}"):
        FrameDifference(height=32, width=48, **wrong)
