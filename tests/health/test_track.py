"""Views of cameras: what shifts them, and what does not."""

import cv2
import numpy as np
import pytest

from vadray.health.track import UNCLEAR_AT_MOST, UsualView, ViewTrack, is_shifted
from vadray.media.view import shift_of, view_of
from vadray.synth.scene import scene

WIDE = (224, 128)


@pytest.fixture(scope="module")
def footage() -> np.ndarray:
    """Sixty pictures of a synthetic camera with walkers, uint8 `[60, 128, 224, 3]`."""
    return np.array(list(scene(3, "dock", 0, 60, 1, WIDE, [])[0]))


def view(footage: np.ndarray, at: int = 0, left: int = 0, columns: int = 192) -> bytes:
    return view_of(footage[at : at + 5, :, left : left + columns])


def test_a_shift_is_measured(footage):
    for left in (8, 16, 28):
        shift = shift_of(view(footage), view(footage, at=30, left=left))
        assert shift.distance == pytest.approx(left / 192, abs=0.01), left
        assert is_shifted(shift)


def test_walkers_and_light_are_no_shift(footage):
    for at in range(5, 55, 5):
        assert not is_shifted(shift_of(view(footage), view(footage, at)))
    darker = (footage * 0.5).astype(np.uint8)
    assert not is_shifted(shift_of(view(footage), view(darker, 20)))


def test_a_track_follows_a_camera_until_it_is_moved_and_back(footage):
    track = ViewTrack()
    assert [track.look(view(footage, at)) for at in (0, 5, 10)] == [False] * 3
    assert [track.look(view(footage, at, left=20)) for at in (15, 20, 25)] == [True] * 3
    assert track.look(view(footage, 30)) is False, "it looks where it looked before"


def test_another_light_is_what_is_seen_after_a_while(footage):
    """Infrared shows other edges; it is no shift, and later moves are told against it."""
    other = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (128, 224, 3), np.uint8), (0, 0), 3)
    night = np.repeat(other[None], 60, axis=0)
    track = ViewTrack()
    for at in (0, 5, 10):
        track.look(view(footage, at))
    assert [track.look(view(night)) for _ in range(UNCLEAR_AT_MOST + 3)] == [False] * (UNCLEAR_AT_MOST + 3)
    assert track.look(view(night, left=20)) is True


def test_a_view_is_compared_with_that_of_earlier_nights(footage):
    usual = UsualView(view(footage), alike=0.9)
    assert not usual.is_left(view(footage, 40))
    assert usual.is_left(view(footage, 40, left=24)), "shifted"
    assert usual.is_left(view(footage[:, ::-1, ::-1], 40)), "something else altogether"
