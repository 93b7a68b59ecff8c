"""Pictures that are taken of a chunk: of every run of unusual frames, and of what the camera looks at."""

import cv2
import numpy as np
import pytest

from vadray.media.thumbnail import LONGEST_WIDTH, STRIP_WIDTH
from vadray.sweep.moments import MOMENTS_PER_CHUNK, moments, views

COUNT = 200


def picture(data: bytes, flag: int = cv2.IMREAD_COLOR) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), flag)


def taken(score: np.ndarray, least: float = 1.0, pictures="clear", is_video: bool = True, channels: int = 1):
    count = len(score)
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (count, 48, 64, channels), np.uint8)
    maps = rng.random((count, 6, 8)).astype(np.float32)
    boxes = np.tile(np.array([[8, 16, 24, 16]], np.int32), (count, 1))
    return moments(frames, np.arange(count) / 10, score, maps, boxes, is_video, least, pictures)


def test_each_run_of_unusual_frames_has_its_highest():
    score = np.zeros(COUNT, np.float32)
    score[10:14], score[12], score[30], score[199] = 1.5, 2.0, 1.0, 9.0
    found = taken(score)
    assert [one.frame for one in found] == [12, 30, 199]
    assert taken(np.zeros(COUNT, np.float32)) == [], "what is usual is not pictured"


def test_a_long_run_has_several_and_a_chunk_so_many():
    found = taken(np.full(COUNT, 2.0, np.float32))
    assert [one.frame for one in found] == [0, 64, 128, 192]
    flicker = np.where(np.arange(COUNT) % 2, 2.0, 0.0).astype(np.float32)
    flicker[151] = 3.0
    found = taken(flicker)
    assert len(found) == MOMENTS_PER_CHUNK and 151 in [one.frame for one in found]


def test_what_a_moment_shows():
    score = np.zeros(COUNT, np.float32)
    score[100] = 2.0
    (one,) = taken(score, channels=3)
    assert picture(one.jpeg).shape == (48, 64, 3)
    heat = picture(one.heat, cv2.IMREAD_UNCHANGED)
    assert heat.shape == (6, 8, 4) and heat[..., 3].max() == 255 and heat[..., 3].min() == 0
    assert picture(one.strip).shape == (48, 5 * 64 + 4 * 2, 3), "two seconds before to two after"
    (edge,) = taken(np.where(np.arange(COUNT) == 5, 2.0, 0.0).astype(np.float32))
    assert picture(edge.strip).shape[1] == 4 * 64 + 3 * 2, "before the first frame there is nothing"


def test_an_image_is_a_moment_of_its_own():
    found = taken(np.array([2.0, 0.0, 3.0, 2.0], np.float32), is_video=False)
    assert [one.frame for one in found] == [0, 2, 3] and all(one.strip is None for one in found)


def test_blurred_pictures_show_nobody_and_none_are_none():
    score = np.zeros(COUNT, np.float32)
    score[50] = 2.0
    (clear,), (blurred,) = taken(score), taken(score, pictures="blurred")
    details = [cv2.Laplacian(picture(one.jpeg, 0)[:12], cv2.CV_64F).std() for one in (clear, blurred)]
    assert details[1] < details[0] / 20
    strips = [cv2.Laplacian(picture(one.strip, 0)[:, 10:50], cv2.CV_64F).std() for one in (clear, blurred)]
    assert strips[1] < strips[0] / 20
    assert taken(score, pictures="none") == []


def test_large_pictures_become_small():
    frames = np.zeros((3, 600, 800, 3), np.uint8)
    (one,) = moments(
        frames,
        np.arange(3.0),
        np.array([0, 2, 0.0]),
        np.zeros((3, 60, 800)),
        np.ones((3, 4), int),
        True,
        1,
        "clear",
    )
    assert picture(one.jpeg).shape[:2] == (240, LONGEST_WIDTH)
    assert picture(one.strip).shape[1] == 3 * STRIP_WIDTH + 2 * 2
    assert picture(one.heat).shape[1] == STRIP_WIDTH


@pytest.mark.parametrize("cuts", [(), (150,), (1, 299, 301, 900)])
def test_a_view_a_minute_however_a_video_is_cut(cuts):
    """Ten minutes at 2 frames/s: at the middle of each, whichever chunk it falls into."""
    count = 1200
    time_s = np.arange(count) / 2
    frames = np.random.default_rng(1).integers(0, 256, (count, 24, 32, 1), np.uint8)
    found = []
    for a, b in zip((0, *cuts), (*cuts, count), strict=True):
        found += [a + index for index, _ in views(frames[a:b], time_s[a:b])]
    assert [time_s[index] for index in found] == [30 + 60 * minute for minute in range(10)]


def test_a_view_is_without_what_moves():
    frames = np.full((200, 48, 96, 1), 100, np.uint8)
    for index in range(200):
        frames[index, 10:20, index * 5 % 80 : index * 5 % 80 + 10] = 255
    ((_, jpeg),) = views(frames, np.arange(200) / 4)
    assert np.abs(picture(jpeg, 0).astype(int) - 100).max() < 8
    assert views(frames[:1], np.zeros(1)) == []
