"""A folder of numbered frames is read as the video it is."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.media.conftest import column, decode_all, picture, scored
from vadray.media.request import DecodeRequest, Source


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    for index in range(30):
        cv2.imwrite(str(tmp_path / f"img_{index + 7:04d}.png"), picture(index))
    return tmp_path


def clip_request(folder: Path, **options) -> DecodeRequest:
    source = Source(
        str(folder),
        "clip",
        clip_prefix="img_",
        clip_digits=4,
        clip_suffix=".png",
        clip_first=7,
        clip_count=30,
        clip_fps=10.0,
    )
    return DecodeRequest(
        (source,), **{"height": 40, "width": 48, "lead_frames": 3, "chunk_frames": 8, **options}
    )


def test_frames_come_in_number_order(clip: Path):
    chunks = decode_all(clip_request(clip, height=64, width=96, channels=3))
    frames = scored(chunks)
    assert len(frames) == 30
    np.testing.assert_array_equal(frames[12][..., ::-1], picture(12))
    np.testing.assert_allclose(column(chunks, "time_s"), np.arange(30) / 10)
    info = chunks[-1].members[0]
    assert (info.status, info.codec, info.width, info.height, info.frames) == ("scored", "png", 96, 64, 30)


def test_a_missing_and_a_bad_frame_make_it_partial(clip: Path):
    (clip / "img_0010.png").unlink()
    (clip / "img_0020.png").write_bytes(b"junk")
    chunks = decode_all(clip_request(clip))
    info = chunks[-1].members[0]
    assert (info.status, info.error_type, info.frames) == ("partial", "MissingFrame", 28)
    assert "2 of 30" in info.error
    assert 0.3 not in column(chunks, "time_s")


@pytest.mark.parametrize("bad", [None, "img_0016.png"])
def test_ranges_together_are_the_clip(clip: Path, bad: str | None):
    if bad:
        (clip / bad).write_bytes(b"junk")
    whole = decode_all(clip_request(clip))
    cuts = [(None, 10), (10, 11), (11, None)]
    units = [decode_all(clip_request(clip, start_pts=start, end_pts=end)) for start, end in cuts]
    together = [chunk for unit in units for chunk in unit]
    np.testing.assert_array_equal(scored(together), scored(whole))
    np.testing.assert_array_equal(column(together, "motion"), column(whole, "motion"))
    third = units[2][0]
    before = len(scored(units[0])) + len(scored(units[1]))
    np.testing.assert_array_equal(third.frames[:3], scored(whole)[before - 3 : before])


def test_a_cut_jpeg_is_scored_and_makes_it_partial(clip: Path):
    data = cv2.imencode(".jpg", picture(3))[1].tobytes()
    (clip / "img_0010.png").write_bytes(data[: len(data) // 2])
    info = decode_all(clip_request(clip))[-1].members[0]
    assert (info.status, info.error_type, info.frames) == ("partial", "TruncatedImage", 30)


def test_a_clip_without_a_readable_frame_is_quarantined(tmp_path: Path):
    (chunk,) = decode_all(clip_request(tmp_path))
    assert (chunk.members[0].status, chunk.members[0].error_type) == ("quarantined", "MissingFrame")


@pytest.mark.parametrize(
    ("argument", "value"), [("height", 0), ("channels", 2), ("chunk_frames", 0), ("lead_frames", -1)]
)
def test_a_request_names_its_bad_argument(clip: Path, argument: str, value: int):
    with pytest.raises(ValueError, match=f"`{argument}`.*{value}"):
        clip_request(clip, **{argument: value})
