"""Attacks stay within their budget, do what their direction says, and do it better than chance."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.detectors.learning import footage, learn
from vadray.detectors.base import Detector
from vadray.detectors.conv_ae import ConvolutionalAutoencoder
from vadray.detectors.stae import SpatiotemporalAutoencoder
from vadray.errors import RequestError
from vadray.evaluation.robustness.attacks import DIRECTIONS, ScoreGradient, fgsm, pgd, random_signs
from vadray.media.corrupt import with_flow
from vadray.sweep.scorer import Scorer

EPSILON = 4


@pytest.fixture(scope="module", params=["stae", "stae-stride", "conv_ae"])
def case(request):
    """A detector that has learned a little, its gradient, and 45 frames with a bright square in 15 of them."""
    keras.utils.set_random_seed(0)
    if request.param == "conv_ae":
        detector = ConvolutionalAutoencoder(32, 48, filters=(4, 4), code_channels=2)
    else:
        stride = 3 if request.param == "stae-stride" else 1
        detector = SpatiotemporalAutoencoder(
            32, 48, window=4, stride=stride, units=16, filters=(4, 4), code_channels=2, layers=1
        )
    detector.build()
    learn(detector, footage(64, seed=1), steps=60)
    frames, labels = footage(45, seed=2), np.zeros(45, bool)
    labels[20:35] = True
    frames[labels, 8:14, 16:22] = 200
    return detector, Scorer(detector), ScoreGradient(detector), frames, labels


def gain(scorer, before, after, targets, direction) -> float:
    """How much the targets' scores have changed in the direction that was wanted, as the sweep scores."""
    change = (scorer.score(after, 0)[0] - scorer.score(before, 0)[0])[targets].sum()
    return float(change if direction == "raise" else -change)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_pgd_beats_fgsm_and_fgsm_beats_chance(case, direction):
    _, scorer, gradient, frames, labels = case
    targets = labels if direction == "hide" else ~labels
    signs = [random_signs(frames, EPSILON, channels=1, seed=seed) for seed in range(5)]
    by_chance = max(gain(scorer, frames, changed, targets, direction) for changed in signs)
    by_fgsm = gain(scorer, frames, fgsm(gradient, frames, targets, direction, EPSILON), targets, direction)
    by_pgd = gain(scorer, frames, pgd(gradient, frames, targets, direction, EPSILON), targets, direction)
    assert by_pgd >= by_fgsm > max(by_chance, 0)


@pytest.mark.parametrize("epsilon", [1, 8])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_attacks_stay_within_the_budget_and_within_reach(case, direction, epsilon):
    _, _, gradient, frames, labels = case
    extreme = frames.copy()
    extreme[:, :4], extreme[:, 4:8] = 0, 255  # where a byte could overflow
    before = extreme.copy()
    targets = labels if direction == "hide" else ~labels
    for changed in (
        fgsm(gradient, extreme, targets, direction, epsilon),
        pgd(gradient, extreme, targets, direction, epsilon, steps=4),
    ):
        change = changed.astype(int) - extreme
        assert changed.dtype == np.uint8 and changed.shape == extreme.shape
        assert 0 < np.abs(change).max() <= epsilon
        assert not change[~gradient.within_reach(targets)].any()
    assert np.array_equal(extreme, before)


def test_the_gradient_is_that_of_the_sweeps_score(case):
    _, scorer, gradient, frames, labels = case
    slope, score = gradient(frames, labels)
    np.testing.assert_allclose(score, np.where(labels, scorer.score(frames, 0)[0], 0), rtol=1e-4)
    steepest = np.unravel_index(np.abs(slope).argmax(), slope.shape)
    sums = []
    for step in (-1, 1):
        moved = frames.copy()
        moved[steepest] = int(moved[steepest]) + step
        sums.append(scorer.score(moved, 0)[0][labels].sum())
    assert (sums[1] - sums[0]) / 2 == pytest.approx(slope[steepest], rel=0.1)


def test_what_no_target_sees_has_no_gradient(case):
    detector, _, gradient, frames, _ = case
    targets = np.zeros(len(frames), bool)
    targets[30] = True
    reached = gradient.within_reach(targets)
    assert reached.sum() == detector.window and reached[30]
    slope, _ = gradient(frames, targets)
    assert not slope[~reached].any() and slope[reached].any()


class Flat:
    """A gradient that knows no way, of a score that prefers what a random start alone can bring: bright pictures."""

    channels = 1

    def __call__(self, frames, targets):
        return np.zeros(frames.shape, np.float32), frames.mean(axis=(1, 2, 3)) * targets

    def within_reach(self, targets):
        return targets


def test_random_starts_are_seeded_and_each_video_has_its_own():
    frames, targets = footage(6, seed=4), np.array([False, False, True, True, True, False])

    def attacked(seed=0, video="a", direction="raise"):
        settings = {"seed": seed, "video": video, "random_starts": 8, "steps": 1}
        return pgd(Flat(), frames, targets, direction, 4, **settings)

    assert np.array_equal(attacked(), attacked())
    for other in (attacked(seed=1), attacked(video="b"), attacked(direction="hide")):
        assert not np.array_equal(attacked(), other)
    change = attacked().astype(int) - frames
    assert (change.min(), change.max()) == (-4, 4) and not change[~targets].any()
    assert np.array_equal(pgd(Flat(), frames, targets, "raise", 4, random_starts=0), frames)


def test_one_long_step_from_the_picture_itself_is_fgsm(case):
    _, _, gradient, frames, labels = case
    alone = pgd(gradient, frames, labels, "hide", 4, steps=1, step_size=4, random_starts=0)
    assert np.array_equal(alone, fgsm(gradient, frames, labels, "hide", 4))


def test_a_video_without_targets_is_left_alone(case):
    _, _, gradient, frames, _ = case
    nothing = np.zeros(len(frames), bool)
    assert pgd(gradient, frames, nothing, "hide", 4) is frames
    assert fgsm(gradient, frames, nothing, "raise", 4) is frames


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"direction": "lower"}, "direction"),
        ({"epsilon": 0}, "epsilon"),
        ({"epsilon": 1.5}, "epsilon"),
        ({"steps": 0}, "steps"),
        ({"step_size": -1.0}, "step_size"),
        ({"random_starts": -1}, "random_starts"),
    ],
)
def test_wrong_arguments_are_refused(case, arguments, message):
    _, _, gradient, frames, labels = case
    with pytest.raises(RequestError, match=message):
        pgd(gradient, frames, labels, **{"direction": "hide", "epsilon": 4, **arguments})


class FlowOnly(Detector):
    """Scores speed, as a detector without training would."""

    name_of_detector = "flow_only"
    kind = "video"
    paper = ""

    def errors(self, frames):
        speed = ops.sum(ops.square(frames[self.context :, ..., self.channels :]), axis=-1)
        return speed, ops.mean(speed, axis=(1, 2))


def test_a_detector_of_flow_alone_has_no_gradient_and_it_is_said():
    detector = FlowOnly(32, 48, flow=1)
    detector.build()
    with pytest.raises(RequestError, match="flow_only, whose score comes from optical flow alone"):
        ScoreGradient(detector)


def test_flow_is_measured_again_on_the_attacked_picture():
    keras.utils.set_random_seed(0)
    detector = SpatiotemporalAutoencoder(
        32, 48, window=3, units=8, filters=(4, 4), code_channels=2, layers=1, flow=1
    )
    detector.build()
    frames = with_flow(footage(10, seed=3), 1)
    gradient, targets = ScoreGradient(detector), np.ones(10, bool)

    def remeasure(pictures):
        return with_flow(pictures, 1)

    for changed in (
        fgsm(gradient, frames, targets, "raise", 8, remeasure),
        pgd(gradient, frames, targets, "raise", 8, steps=2, remeasure=remeasure),
        random_signs(frames, 8, channels=1, remeasure=remeasure),
    ):
        assert np.abs(changed[..., :1].astype(int) - frames[..., :1]).max() == 8
        assert np.array_equal(changed, with_flow(changed[..., :1], 1))
    with pytest.raises(RequestError, match="remeasure"):
        fgsm(gradient, frames, targets, "raise", 8)
