"""Future frame prediction."""

import keras
import numpy as np
import pytest

from tests.detectors import learning
from vadray.detectors.frame_prediction import FramePrediction
from vadray.errors import RequestError


def small(**more) -> FramePrediction:
    keras.utils.set_random_seed(0)
    detector = FramePrediction(**{"height": 32, "width": 48, "window": 4, "filters": (6, 8, 8), **more})
    detector.build()
    return detector


@pytest.mark.parametrize("options", [{}, {"window": 5, "stride": 2, "filters": (4, 6), "channels": 3}])
def test_round_trip_and_scores_for_any_cut(options, tmp_path):
    learning.assert_round_trip(small(**options), tmp_path)
    learning.assert_scores_do_not_depend_on_the_cut(small(**options))


@pytest.mark.parametrize("stride", [1, 2])
def test_a_run_is_predicted_as_its_windows(stride):
    detector = small(stride=stride)
    frames = np.asarray(detector.prepare(learning.random_frames(detector, 6)))
    windows = np.stack([frames[start : start + 4] for start in range(0, 6, stride)])
    predicted = np.asarray(detector(windows[:, : detector.context]))
    assert predicted.shape == (6 // stride, stride, 32, 48, 1)
    np.testing.assert_allclose(detector.reconstruct(frames), predicted.reshape(6, 32, 48, 1), atol=1e-5)


def test_learns_normality_and_scores_a_planted_object_higher():
    learning.assert_learns(small(), steps=150)


def test_weights_of_the_losses_count():
    frames = learning.footage(8, seed=3)
    plain, gradient, flow = (
        learning.mean_loss(small(gradient_weight=first, flow_weight=second), frames)
        for first, second in ((0, 0), (1, 0), (0, 1))
    )
    assert gradient > plain and flow > plain


@pytest.mark.parametrize(
    "wrong",
    [{"stride": 4}, {"flow": 1}, {"gradient_weight": -1}, {"flow_weight": -1}, {"filters": (4, 4, 4, 4, 4)}],
)
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(RequestError, match=next(iter(wrong))):
        small(**wrong)
