"""Spatiotemporal consistency-enhanced network."""

import keras
import numpy as np
import pytest

from tests.detectors import learning
from vadray.detectors.layers.resampling import drawn
from vadray.detectors.stcen import SpatiotemporalConsistency
from vadray.errors import RequestError


def small(**more) -> SpatiotemporalConsistency:
    keras.utils.set_random_seed(0)
    options = {"height": 32, "width": 48, "window": 4, "filters": (6, 8, 8), "code_channels": 4}
    detector = SpatiotemporalConsistency(**{**options, "discriminator_filters": (4, 4), **more})
    detector.build()
    return detector


@pytest.mark.parametrize("options", [{}, {"window": 6, "stride": 2}, {"window": 2, "channels": 3}])
def test_round_trip_and_scores_for_any_cut(options, tmp_path):
    learning.assert_round_trip(small(**options), tmp_path)
    learning.assert_scores_do_not_depend_on_the_cut(small(**options))


@pytest.mark.parametrize(("window", "stride"), [(2, 1), (5, 1), (8, 1), (6, 3)])
def test_one_pass_of_the_encoder_equals_naive_windows(window, stride):
    detector = small(window=window, stride=stride)
    frames = np.asarray(detector.prepare(learning.random_frames(detector, 6)))
    windows = np.stack([frames[start : start + window] for start in range(0, 6, stride)])
    predicted = np.asarray(detector(windows[:, : detector.context])).reshape(6, 32, 48, 1)
    np.testing.assert_allclose(detector.reconstruct(frames), predicted, atol=1e-5)


def test_learns_normality_and_scores_a_planted_object_higher():
    learning.assert_learns(small(), steps=150)


def test_the_adversary_learns_to_tell_and_has_variables_of_its_own():
    detector, frames = small(), learning.footage(48, seed=1)
    own = {id(variable) for variable in detector.adversary_variables}
    assert own and not own & {id(variable) for variable in detector.learned_variables}
    windows = learning.windows_of(detector, frames)
    assert detector.adversary_loss(windows).shape == (len(windows),)
    before = float(np.mean(detector.adversary_loss(windows)))
    learning.learn(detector, frames, steps=30)
    assert float(np.mean(detector.adversary_loss(windows))) < before
    assert small(adversary_weight=0).adversary_variables == []


def test_draws_differ_between_samples_and_are_not_made_while_scoring():
    detector = small()
    before = np.random.default_rng(0).random((3, 3, 32, 48, 1), np.float32)
    drawn = np.asarray(detector.predict_drawn(before)[0])
    scored = np.asarray(detector(before))
    assert np.abs(drawn - scored).mean(axis=(1, 2, 3, 4)).min() > 1e-4
    noise = drawn - scored
    assert np.abs(noise[0] - noise[1]).mean() > 1e-4


def test_draws_are_standard_normal_around_the_code():
    means = np.random.default_rng(0).normal(0, 1, (4, 12, 18, 8)).astype(np.float32)
    noise = np.asarray(drawn(means, np.zeros_like(means))) - means
    assert abs(noise.mean()) < 0.05 and abs(noise.std() - 1) < 0.05
    assert abs(np.corrcoef(noise.ravel(), means.ravel())[0, 1]) < 0.05
    blank = np.asarray(drawn(np.zeros_like(means), np.zeros_like(means)))[0]
    assert abs(blank.std() - 1) < 0.1


@pytest.mark.parametrize(
    "wrong",
    [
        {"stride": 4},
        {"flow": 1},
        {"code_channels": 0},
        {"divergence_weight": -1},
        {"adversary_weight": -1},
        {"discriminator_filters": ()},
    ],
)
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(RequestError, match=next(iter(wrong))):
        small(**wrong)
