"""`stae`: every model of time with either target, frames encoded once, nothing seen too early."""

import itertools

import keras
import numpy as np
import pytest

from tests.detectors.learning import (
    assert_learns,
    assert_round_trip,
    assert_scores_do_not_depend_on_the_cut,
    learn,
    mean_loss,
    random_frames,
)
from vadray.detectors.layers.temporal import TEMPORAL
from vadray.detectors.stae import TARGETS, SpatiotemporalAutoencoder
from vadray.errors import RequestError

COMBINATIONS = list(itertools.product(TEMPORAL, TARGETS))
LEARNS = 60


def small(**more):
    keras.utils.set_random_seed(0)
    settings = {"window": 4, "filters": (8, 8), "code_channels": 4, "units": 16, **more}
    detector = SpatiotemporalAutoencoder(height=32, width=48, **settings)
    detector.build()
    return detector


@pytest.mark.parametrize("temporal, target", COMBINATIONS)
def test_every_combination_trains_a_step_saves_loads_and_scores(temporal, target, tmp_path):
    stride = 1 if target == "prediction" else 2
    detector = small(temporal=temporal, target=target, stride=stride, difference=stride - 1)
    weights = [value.copy() for value in detector.get_weights()]
    learn(detector, random_frames(detector, 4), steps=1, batch=2)
    assert any((now != then).any() for now, then in zip(detector.get_weights(), weights, strict=True))
    assert_scores_do_not_depend_on_the_cut(detector)
    assert_round_trip(detector, tmp_path)


@pytest.mark.parametrize("difference", [0, 1])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("stride", [1, 2])
def test_encoding_once_equals_window_by_window(stride, target, difference):
    detector = small(target=target, stride=stride, difference=difference)
    frames = random_frames(detector, 8)
    windows = np.stack([frames[start : start + 4] for start in range(0, 8, stride)]) / np.float32(255)
    given = np.asarray(detector(windows))[:, -stride:, ..., 0]
    expected = np.mean((windows[:, -stride:, ..., 0] - given) ** 2, axis=(2, 3)).ravel()
    np.testing.assert_allclose(detector.score(frames)[2], expected, rtol=1e-4)


@pytest.mark.parametrize("temporal, target", COMBINATIONS)
def test_a_state_knows_nothing_later(temporal, target):
    """What is decoded for a frame does not change with later frames, nor, predicted, with the frame itself."""
    detector = small(temporal=temporal, target=target)
    windows = np.random.default_rng(0).random((1, 4, 32, 48, 1), np.float32)
    changed = windows.copy()
    changed[:, 2:] = 1 - changed[:, 2:]
    given, after = np.asarray(detector(windows)), np.asarray(detector(changed))
    known = 2  # states of frames 0 and 1; the state of frame 1 predicts frame 2
    np.testing.assert_allclose(given[:, :known], after[:, :known], atol=1e-6)
    if target == "reconstruction":
        assert np.abs(given[:, known:] - after[:, known:]).max() > 1e-6
    assert given.shape == (1, 4 - (target == "prediction"), 32, 48, 1)


@pytest.mark.parametrize("temporal", TEMPORAL)
def test_a_state_remembers_what_was_before(temporal):
    detector = small(temporal=temporal)
    windows = np.random.default_rng(0).random((1, 4, 32, 48, 1), np.float32)
    changed = windows.copy()
    changed[:, 2] = 1 - changed[:, 2]
    assert np.abs(np.asarray(detector(windows) - detector(changed)))[:, 3].max() > 1e-7


def test_the_first_frame_has_a_finite_prediction():
    detector = small(target="prediction", difference=1)
    frames = random_frames(detector, 1)
    frames[:] = frames[-1]  # edge padding: nothing but copies before it
    assert np.isfinite(detector.score(frames)[0]).all()


def test_differences_are_errors_where_something_changed():
    """Weight 1 leaves the error of the difference alone."""
    detector = small(difference=1, difference_weight=1.0)
    frames = np.full((detector.context + 1, 32, 48, 1), 90, np.uint8)
    still = np.asarray(detector.score(frames)[1])[0]
    frames[-1, 8:16, 32:40] = 250
    more = np.asarray(detector.score(frames)[1])[0] - still
    assert more[1, 4] > 10 * abs(more[3, 0])


@pytest.mark.parametrize("temporal", ["lstm", "conv3d"])
@pytest.mark.parametrize("target", TARGETS)
def test_learns(temporal, target):
    assert_learns(small(temporal=temporal, target=target), LEARNS)


@pytest.mark.parametrize("temporal", ["rnn", "tcn", "attention", "convlstm"])
def test_other_models_of_time_learn_from_differences_too(temporal):
    detector = small(temporal=temporal, difference=1, background=False)
    frames = random_frames(detector, 20) // 8
    before = mean_loss(detector, frames)
    learn(detector, frames, LEARNS // 3)
    assert mean_loss(detector, frames) < before


def test_optical_flow_is_seen_but_not_given_back():
    detector = small(flow=2, difference=1)
    assert_scores_do_not_depend_on_the_cut(detector)
    assert detector(np.zeros((1, 4, 32, 48, 3), np.float32)).shape == (1, 3, 32, 48, 2)


@pytest.mark.parametrize(
    "argument, wrong",
    [
        ("temporal", {"temporal": "gru"}),
        ("target", {"target": "future"}),
        ("stride", {"target": "prediction", "stride": 4}),
        ("stride", {"difference": 2, "stride": 3}),
        ("difference", {"difference": -1}),
        ("difference_weight", {"difference_weight": 1.5}),
        ("filters", {"filters": (4, 4, 4, 4, 4)}),
        ("units", {"units": 0}),
        ("layers", {"layers": 0}),
    ],
)
def test_wrong_arguments_are_named(argument, wrong):
    with pytest.raises(RequestError, match=f"`{argument}`"):
        small(**wrong)
