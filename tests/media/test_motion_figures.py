"""How much moves in a video, as figures, a word and a table."""

import cv2
import numpy as np
import pytest

from vadray.media.motion_figures import (
    HIGH_RATE,
    MODERATE_RATE,
    difference_rate,
    motion_figures,
    motion_level,
    motion_row,
    motion_table,
)


def sliding(speed_px: float, count: int = 6, height: int = 64, width: int = 96) -> np.ndarray:
    """Grey texture that moves to the right, uint8 `[count, 64, 96]`."""
    noise = np.random.default_rng(0).integers(0, 256, (height, width + 64)).astype(np.uint8)
    texture = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
    frames = []
    for index in range(count):
        move = np.array([[1, 0, index * speed_px], [0, 1, 0]], np.float32)
        frames.append(cv2.warpAffine(texture, move, texture.shape[::-1], flags=cv2.INTER_CUBIC)[:, 32:128])
    return np.stack(frames)


def test_difference_rate_is_the_share_of_changed_pixels():
    before = np.full((20, 30), 100, np.uint8)
    now = before.copy()
    now[:5] += 13
    now[5:10] -= 13
    now[10:] += 12  # noise, not change
    assert difference_rate(before, now) == difference_rate(now, before) == 0.5


@pytest.mark.parametrize(
    ("rate", "level"),
    [
        (0.0, "low"),
        (MODERATE_RATE - 1e-9, "low"),
        (MODERATE_RATE, "moderate"),
        (HIGH_RATE - 1e-9, "moderate"),
        (HIGH_RATE, "high"),
        (1.0, "high"),
    ],
)
def test_motion_in_a_word(rate: float, level: str):
    assert motion_level(rate) == level


def test_a_sliding_texture_is_measured():
    figures = motion_figures(sliding(1.5))
    assert figures.optical_flow_px == pytest.approx(1.5, abs=0.1)
    assert figures.flow_reliability > 0.9
    assert figures.motion == "high" and figures.frame_difference_rate > 0.3


def test_a_still_picture_has_no_motion():
    figures = motion_figures(sliding(0.0))
    assert (figures.frame_difference_rate, figures.motion, figures.optical_flow_px) == (0.0, "low", 0.0)
    assert figures.flow_reliability == 1.0


def test_noise_is_unreliable():
    noise = np.random.default_rng(1).integers(0, 256, (4, 64, 96), np.uint8)
    assert motion_figures(noise).flow_reliability < 0.5


def test_a_stream_is_measured_as_an_array_and_flow_may_be_sampled():
    frames = sliding(1.0, count=9)
    assert motion_figures(iter(frames)) == motion_figures(frames)
    sampled = motion_figures(frames, every=4)
    assert sampled.frame_difference_rate == motion_figures(frames).frame_difference_rate
    assert sampled.optical_flow_px == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("count", [0, 1])
def test_a_single_frame_has_no_motion(count: int):
    figures = motion_figures(sliding(1.0)[:count])
    assert (figures.frame_difference_rate, figures.motion, figures.flow_reliability) == (0.0, "low", 1.0)


def test_a_bad_argument_is_named():
    with pytest.raises(ValueError, match=r"`every`.*0"):
        motion_figures(sliding(1.0), every=0)


def test_the_table_has_a_row_for_each_video():
    figures = motion_figures(sliding(1.5))
    rows = [
        motion_row("a|b.mp4", figures),
        motion_row("c.mp4", figures, adaptive_learning_rate=0.0005, detection_accuracy=0.91),
    ]
    table = motion_table(rows).splitlines()
    assert len(table) == 4
    for column in (
        "Frame difference rate",
        "Motion",
        "Optical flow",
        "Adaptive learning rate",
        "Detection acc",
    ):
        assert column in table[0]
    assert table[2].startswith("| a\\|b.mp4 |") and table[2].endswith("| – | – |")
    assert table[3].endswith("| 0.0005 | 0.910 |") and "| high |" in table[3]
