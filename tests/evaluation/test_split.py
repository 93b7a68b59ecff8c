from collections import Counter

import pytest

from vadray.evaluation import split_videos
from vadray.evaluation.datasets import Split

VIDEOS = [f"day={day}/{hour:02d}.mp4" for day in range(5) for hour in range(20)]


def test_seventy_fifteen_fifteen_and_every_video_once():
    split = split_videos(VIDEOS, seed=3)
    assert [len(part) for part in split] == [70, 15, 15]
    assert Counter(split.train + split.validation + split.test) == Counter(VIDEOS)
    assert all(part == sorted(part) for part in split)


def test_the_seed_decides_and_the_order_of_paths_does_not():
    assert split_videos(VIDEOS, seed=3) == split_videos(list(reversed(VIDEOS)), seed=3)
    assert split_videos([*VIDEOS, *VIDEOS], seed=3) == split_videos(VIDEOS, seed=3)
    assert split_videos(VIDEOS, seed=3) != split_videos(VIDEOS, seed=4)
    assert split_videos(VIDEOS, seed=3).test != VIDEOS[-15:]


@pytest.mark.parametrize(
    ("count", "shares", "expected"),
    [
        (20, (0.70, 0.15, 0.15), [14, 3, 3]),
        (10, (0.70, 0.15, 0.15), [7, 2, 1]),
        (3, (0.70, 0.15, 0.15), [1, 1, 1]),
        (2, (0.70, 0.15, 0.15), [2, 0, 0]),
        (5, (0.8, 0.0, 0.2), [4, 0, 1]),
        (7, (1.0, 0.0, 0.0), [7, 0, 0]),
        (0, (0.70, 0.15, 0.15), [0, 0, 0]),
    ],
)
def test_shares_are_rounded_without_losing_a_video(count, shares, expected):
    split = split_videos(VIDEOS[:count], shares, seed=0)
    assert [len(part) for part in split] == expected
    assert isinstance(split, Split)


@pytest.mark.parametrize("shares", [(0.7, 0.3), (0.7, 0.2, 0.2), (1.2, -0.1, -0.1), (float("nan"), 0.5, 0.5)])
def test_wrong_shares_are_refused(shares):
    with pytest.raises(ValueError, match="`shares` must be three numbers"):
        split_videos(VIDEOS, shares)
