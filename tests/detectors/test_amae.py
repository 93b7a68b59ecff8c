"""Appearance-motion united autoencoder."""

import keras
import numpy as np
import pytest

from tests.detectors import learning
from vadray.detectors.amae import AppearanceMotionAutoencoder
from vadray.detectors.base import FLOW_ZERO
from vadray.errors import RequestError
from vadray.media.flow import StreamFlow


def small(**more) -> AppearanceMotionAutoencoder:
    keras.utils.set_random_seed(0)
    options = {"height": 32, "width": 48, "window": 4, "filters": (6, 8, 8), "motion_filters": (6, 8)}
    detector = AppearanceMotionAutoencoder(**{**options, "code_channels": 4, **more})
    detector.build()
    return detector


def with_flow(frames: np.ndarray) -> np.ndarray:
    stream = StreamFlow(1)
    return np.concatenate([frames, np.stack([stream.measure(frame[..., 0]) for frame in frames])], axis=-1)


@pytest.mark.parametrize("options", [{}, {"window": 5, "stride": 2, "channels": 3, "flow": 2}])
def test_round_trip_and_scores_for_any_cut(options, tmp_path):
    learning.assert_round_trip(small(**options), tmp_path)
    learning.assert_scores_do_not_depend_on_the_cut(small(**options))


def test_learns_normality_and_scores_a_planted_object_higher():
    detector = small()
    held = learning.footage(48, seed=2)
    normal, odd = with_flow(held), with_flow(learning.with_anomaly(held))
    before = learning.mean_loss(detector, normal)
    learning.learn(detector, with_flow(learning.footage(96, seed=1)), steps=150)
    assert learning.mean_loss(detector, normal) < before / 2
    usual = np.asarray(detector.score(normal)[0])
    assert np.asarray(detector.score(odd)[0])[-1] > np.quantile(usual, 0.95)


def test_motion_that_no_picture_shows_is_scored():
    """The flow stream is a part of the score of its own."""
    detector = small()
    frames = np.full((detector.context + 1, 32, 48, 3), FLOW_ZERO, np.uint8)
    moving = frames.copy()
    moving[-1, 8:16, 8:16, 1] = 200
    (still, _, _), (moved, error_map, _) = detector.score(frames), detector.score(moving)
    assert float(moved[0]) > float(still[0])
    row, column = np.unravel_index(np.asarray(error_map)[0].argmax(), error_map.shape[1:])
    assert abs(row - 1) <= 1 and abs(column - 1) <= 1


def moving_right(bytes_of_flow: int, count: int = 12) -> np.ndarray:
    frames = np.full((count, 32, 48, 3), FLOW_ZERO, np.uint8)
    frames[..., 0], frames[..., 1] = 100, bytes_of_flow
    return frames


def test_predicted_flow_is_cut_to_normal_speed():
    """A decoder that foresees everything leaves an error of what is faster than normal footage was, and no more."""
    detector = small(shares=(0, 1))
    normal, fast = moving_right(FLOW_ZERO + 40), moving_right(FLOW_ZERO + 80)
    speeds = [float(detector.prepare(frames)[0, 0, 0, 1]) for frames in (normal, fast)]
    detector.temporal_decoder.leave.set_weights(
        [np.zeros_like(detector.temporal_decoder.leave.get_weights()[0]), np.tile([speeds[1], 0], 4)]
    )
    before = detector.error_maps(detector.prepare(fast))[0][1]
    np.testing.assert_allclose(before, 0, atol=1e-3)
    detector.fit_normal([normal])
    assert speeds[0] <= float(detector.most_px) < speeds[0] + 0.05
    after = detector.error_maps(detector.prepare(fast))[0][1]
    np.testing.assert_allclose(after, speeds[1] - float(detector.most_px), rtol=1e-3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"stride": 4},
        {"flow": 0},
        {"normal_speed": 0},
        {"code_channels": 0},
        {"flow_weight": -1},
        {"motion_filters": (6, 6, 6)},
        {"reduction": 0},
        {"shares": (-1, 1)},
    ],
)
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(RequestError, match=next(iter(wrong))):
        small(**wrong)
