"""A video is cut only by an index that holds what it promises."""

from pathlib import Path

import numpy as np
import pytest

from tests.media.conftest import request_for
from vadray.media.probe import boundaries, probe
from vadray.media.request import Probe, Source


def probe_file(path: Path) -> Probe:
    return probe(request_for(path).sources[0])


def test_an_mp4_has_a_trusted_index(make_video):
    found = probe_file(make_video("a.mp4", options={"bf": "2"}))
    assert found.frames_estimate == 90
    assert len(found.timestamps) == 90
    assert found.codec == "h264"
    assert (found.width, found.height) == (96, 64)
    assert found.fps == pytest.approx(25)
    assert found.duration_s == pytest.approx(3.6, abs=0.1)


@pytest.mark.parametrize("name", ["a.mkv", "a.ts", "a.avi"])
def test_other_containers_are_not_trusted(name: str, make_video):
    found = probe_file(make_video(name))
    assert found.timestamps is None
    assert found.error_type is None


def test_a_cut_mp4_is_not_trusted(make_video, tmp_path: Path):
    path = make_video("a.mp4")
    found = probe(Source(str(path), "video", path.stat().st_size // 2))
    assert found.timestamps is None


def test_an_unreadable_file_says_why(tmp_path: Path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"not a video" * 50)
    assert probe_file(path).error_type == "InvalidDataError"
    assert probe_file(tmp_path / "gone.mp4").error_type == "FileNotFoundError"


def test_a_clip_counts_its_frames():
    found = probe(Source("/x", "clip", clip_count=50, clip_fps=10))
    assert found.frames_estimate == 50
    assert found.duration_s == 5
    assert boundaries(found, 20, 2) == [(None, None, 20), (2, 20, 40), (22, 40, None)]


def test_boundaries_cover_all_time_once():
    stamps = np.arange(0, 1000, 10, dtype=np.int64) - 20
    ranges = boundaries(Probe(timestamps=stamps), 30, lead_frames=4)
    assert ranges == [(None, None, 280), (80, 280, 580), (380, 580, 880), (680, 880, None)]


@pytest.mark.parametrize("stamps", [None, np.arange(30)])
def test_short_or_untrusted_is_one_range(stamps):
    assert boundaries(Probe(timestamps=stamps), 30, 4) == [(None, None, None)]


def test_unit_frames_must_be_positive():
    with pytest.raises(ValueError, match="unit_frames"):
        boundaries(Probe(), 0, 4)
