"""A video is cut only by an index that holds what it promises."""

from pathlib import Path

import numpy as np
import pytest

from tests.media.conftest import request_for
from tests.media.containers import CONTAINERS
from tests.media.test_video import all_pts
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


@pytest.mark.parametrize("name", ["b_frames.mkv", "open_gop.ts", "vp9.webm", "b_frames.mp4"])
def test_read_through_it_gives_the_time_of_each_frame(name: str, make_video):
    path, signs = make_video(name, **CONTAINERS[name]), []
    found = probe(request_for(path).sources[0], 89, exact=True, alive=lambda: signs.append(1))
    np.testing.assert_array_equal(found.timestamps, all_pts(path))
    assert found.exact and found.frames_estimate == 90 and signs


def test_what_promises_few_frames_is_not_read_through(make_video):
    source = request_for(make_video("a.mkv")).sources[0]
    assert probe(source, 90).timestamps is None
    assert probe(source, 89).timestamps is not None


def test_an_index_is_not_exact_without_reading_through(make_video):
    found = probe(request_for(make_video("a.mp4")).sources[0], 90, exact=True)
    assert len(found.timestamps) == 90 and not found.exact


def test_a_recording_that_starts_anew_in_the_middle_is_not_cut(make_video, tmp_path: Path):
    """Its times name frames twice: a range of time would hold others than a part of the file."""
    once = make_video("once.ts").read_bytes()
    path = tmp_path / "twice.ts"
    path.write_bytes(once + once)
    assert probe(request_for(path).sources[0], 0).timestamps is None


def test_a_recording_that_begins_between_keyframes_is_cut_but_not_counted(make_video, tmp_path: Path):
    """Who knows how many of its first pictures are shown."""
    path = tmp_path / "late.ts"
    whole = make_video("a.ts", options={"g": "20", "bf": "0"}).read_bytes()
    path.write_bytes(whole[len(whole) * 2 // 5 // 188 * 188 :])
    found = probe(request_for(path).sources[0], 0, exact=True)
    assert 40 < len(found.timestamps) < 60 and not found.exact


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
