"""Spatio-temporal dissociation."""

import keras
import numpy as np
import pytest

from tests.detectors import learning
from vadray.detectors.std import SpatioTemporalDissociation
from vadray.errors import RequestError


def small(**more) -> SpatioTemporalDissociation:
    keras.utils.set_random_seed(0)
    options = {"height": 32, "width": 48, "window": 4, "filters": (6, 8, 8), "motion_filters": (8, 8)}
    detector = SpatioTemporalDissociation(**{**options, "code_channels": 4, "clusters": 6, **more})
    detector.build()
    return detector


@pytest.mark.parametrize("options", [{}, {"window": 5, "stride": 2, "channels": 3}])
def test_round_trip_and_scores_for_any_cut(options, tmp_path):
    learning.assert_round_trip(small(**options), tmp_path)
    learning.assert_scores_do_not_depend_on_the_cut(small(**options))


def test_motion_error_is_of_differences_to_every_frame_before():
    """With the motion decoder silent, what is left is the mean squared difference itself."""
    detector = small(window=5, stride=2)
    for layer in (detector.motion_decoder.leave,):
        layer.set_weights([np.zeros_like(value) for value in layer.get_weights()])
    windows = np.random.default_rng(0).random((2, 5, 32, 48, 1), np.float32)
    error = np.mean(np.square(detector.dissociate_windows(windows)[1]), axis=-1)
    half = windows.reshape(2, 5, 16, 2, 24, 2).mean((3, 5))
    expected = np.mean((half[:, 3:, None] - half[:, None, :3]) ** 2, axis=2)
    np.testing.assert_allclose(error, expected.reshape(4, 16, 24), rtol=1e-4, atol=1e-6)


def test_learns_normality_and_scores_a_planted_object_higher():
    learning.assert_learns(small(), steps=150)


def test_codes_are_drawn_to_the_clusters():
    detector, frames = small(cluster_weight=0.1), learning.footage(48, seed=1)
    windows = learning.windows_of(detector, frames)
    before = float(np.mean(detector.dissociate_windows(windows)[2]))
    learning.learn(detector, frames, steps=60)
    assert float(np.mean(detector.dissociate_windows(windows)[2])) < before / 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"stride": 4},
        {"flow": 1},
        {"code_channels": 0},
        {"clusters": 1},
        {"motion_weight": -1},
        {"cluster_weight": -1},
        {"motion_filters": (8,)},
        {"shares": (1, 1)},
    ],
)
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(RequestError, match=next(iter(wrong))):
        small(**wrong)
