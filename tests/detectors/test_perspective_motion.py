"""`perspective_motion`: what is fast for its row of the picture scores high, and each of its two maps says why."""

import cv2
import numpy as np
import pytest

from tests.detectors.learning import assert_round_trip, assert_scores_do_not_depend_on_the_cut
from vadray.detectors.motion import Motion
from vadray.detectors.perspective_motion import PerspectiveMotion
from vadray.errors import RequestError
from vadray.media.flow_code import FLOW_ZERO, encode_flow

HEIGHT, WIDTH = 64, 96
BACK, FRONT = (2, 20), (40, 62)  # rows of who walks there
BACK_SPEED, FRONT_SPEED = 1.6, 4.0  # pixels per 2 frames


def small(**more) -> PerspectiveMotion:
    detector = PerspectiveMotion(HEIGHT, WIDTH, **{"kinds": ("speed", "change"), **more})
    detector.build()
    return detector


def street(count: int, seed: int, back: float = BACK_SPEED, front: float = FRONT_SPEED) -> np.ndarray:
    """Frames with flow, uint8 `[count, 64, 96, 3]`: noise, and flow of one who walks in the back and one in front."""
    random = np.random.default_rng(seed)
    flow = random.normal(0, 0.05, (count, HEIGHT, WIDTH, 2))
    picture = np.full((count, HEIGHT, WIDTH, 1), 120) + random.integers(-3, 4, (count, HEIGHT, WIDTH, 1))
    for (top, bottom), speed in ((BACK, back), (FRONT, front)):
        place, pace = random.uniform(0, WIDTH), random.uniform(0.9, 1.1) * speed
        for index in range(count):
            left = int(place + index * pace / 2) % (WIDTH - 12)
            flow[index, top:bottom, left : left + 12] += (pace, 0)
    return np.concatenate([picture.astype(np.uint8), encode_flow(flow)], axis=-1)


@pytest.fixture(scope="module")
def fitted() -> PerspectiveMotion:
    detector = small()
    detector.fit_normal([street(60, seed) for seed in range(6)])
    return detector


@pytest.mark.parametrize(
    "more",
    [{}, {"window": 6, "stride": 2}, {"channels": 3, "around": (3, 3), "cell": 8}, {"kinds": ["speed"]}],
)
def test_scores_do_not_depend_on_the_cut_and_survive_saving(more, tmp_path):
    detector = small(**more)
    assert_scores_do_not_depend_on_the_cut(detector)
    assert_round_trip(detector, tmp_path)


def test_fast_in_the_back_is_slower_than_a_walker_in_front_and_yet_unusual(fitted):
    plain = Motion(HEIGHT, WIDTH)
    plain.build()
    normal, runner = street(60, 11), street(60, 12, back=2 * BACK_SPEED)

    def runner_and_usual(detector) -> tuple[float, float]:
        scores = [np.asarray(detector.score(frames)[0]) for frames in (runner, normal)]
        return np.median(scores[0]), np.quantile(scores[1], 0.9)

    fast, usual = runner_and_usual(fitted)
    assert fast > 1.3 * usual
    fast, usual = runner_and_usual(plain)
    assert fast < usual  # in pixels it is nothing
    row = np.asarray(fitted.score(runner)[1]).max(axis=2).argmax(axis=1) * fitted.cell
    assert np.mean(row < FRONT[0]) > 0.9


def test_scores_are_about_1_in_a_usual_frame_and_the_map_is_the_larger_part(fitted):
    frames = street(60, 13)
    score, error_map, _ = (np.asarray(value) for value in fitted.score(frames))
    assert 0.8 < np.median(score) < 1.25
    (speed, change), _ = fitted.parts(fitted.prepare(frames))
    np.testing.assert_allclose(error_map, np.maximum(speed, change), rtol=1e-6)
    np.testing.assert_allclose(score, error_map.max(axis=(1, 2)), rtol=1e-6)


def test_what_appears_without_moving_is_said_by_change(fitted):
    frames = street(4, 14)
    frames[-1, 20:40, 40:70, 0] = 250
    score, error_map, _ = (np.asarray(value) for value in fitted.score(frames))
    speed, change = (np.asarray(part)[-1] for part in fitted.parts(fitted.prepare(frames))[0])
    assert score[-1] > 1.5 * score[:-1].max()
    row, column = np.unravel_index(error_map[-1].argmax(), error_map[-1].shape)
    assert change[row, column] > speed[row, column]
    assert 20 <= row * fitted.cell < 40 and 40 <= column * fitted.cell < 70


def test_speed_stands_where_something_moves(fitted):
    frames = street(40, 16)
    flow = fitted.prepare(frames)[..., 1:]
    moves = np.abs(np.asarray(flow)[..., 0]) > 0.5
    cells = moves[1:].reshape(39, HEIGHT // 4, 4, WIDTH // 4, 4).any(axis=(2, 4))
    near = np.array([cv2.dilate(one.astype(np.uint8), np.ones((3, 3))) for one in cells]) > 0
    speed = np.asarray(fitted.parts(fitted.prepare(frames))[0][0])
    assert (speed[near] > 0).any() and not (speed[~near] > 0).any()


@pytest.mark.parametrize("number, kind", enumerate(("speed", "change")))
def test_either_kind_may_count_alone(fitted, number, kind):
    alone = small(kinds=[kind])
    alone.fit_normal([street(60, seed) for seed in range(6)])
    frames = street(30, 15)
    both, _ = fitted.parts(fitted.prepare(frames))
    np.testing.assert_allclose(alone.score(frames)[1], both[number], rtol=1e-5)


def test_footage_in_which_nothing_moves_leaves_the_measure_as_it_is():
    detector = small()
    detector.fit_normal([np.full((20, HEIGHT, WIDTH, 3), FLOW_ZERO, np.uint8)])
    np.testing.assert_array_equal(detector.usual, np.ones((2, HEIGHT // 4)))


def test_footage_too_short_is_refused():
    with pytest.raises(ValueError, match="at least 2 frames"):
        small().fit_normal([street(1, 0)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"flow": 0}, "`flow` must be at least 1"),
        ({"window": 1}, "`stride` \\+ 1"),
        ({"around": (4, 5)}, "positive odd numbers"),
        ({"around": 5}, "positive odd numbers"),
        ({"least_speed": 0.0}, "`least_speed` must be above 0"),
        ({"kinds": []}, "`kinds` must name"),
        ({"kinds": "size"}, "`kinds` must name"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(RequestError, match=message):
        small(**arguments)
