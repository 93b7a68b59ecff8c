"""Files as archives really hold them: how many frames each yields, and how each failure is called."""

from pathlib import Path

import numpy as np
import pytest

from tests.media.conftest import column, decode_all, request_for, scored
from vadray.media.isolation import IsolatedDecoder
from vadray.media.probe import boundaries, probe

FRAMES = {
    "demo.avi": 51,
    "corrupted.mp4": 49,
    "chunk_out_of_range.mp4": 0,
    "seq_hdr_op_param_info.mp4": 64,
    "no_duration.webm": 74,
    "1242-small.mkv": 12,
    "brokensps.mp4": 79,
    "g2m2.mp4": 160,
    "pcitva15.avi": 152,
    "unordered.mov": 4,
    "video_90.mov": 3,
}
STATUS = {"corrupted.mp4": "partial", "chunk_out_of_range.mp4": "quarantined"}


@pytest.mark.parametrize("name", FRAMES)
def test_every_decodable_frame_comes(name: str, real_data: Path):
    chunks = decode_all(request_for(real_data / "odd" / name))
    info = chunks[-1].members[0]
    assert len(scored(chunks)) == info.frames == FRAMES[name]
    assert info.status == STATUS.get(name, "scored")
    assert info.error_type == ("InvalidDataError" if name in STATUS else None)
    assert np.isfinite(column(chunks, "time_s")).all()


def test_all_of_them_through_one_isolated_decoder(real_data: Path):
    with IsolatedDecoder(memory_bytes=1 << 29, timeout_s=30) as decoder:
        counts = {
            name: len(scored(list(decoder.decode(request_for(real_data / "odd" / name))))) for name in FRAMES
        }
    assert counts == FRAMES


@pytest.mark.parametrize("name", FRAMES)
def test_units_of_an_odd_file_yield_its_frames(name: str, real_data: Path):
    request = request_for(real_data / "odd" / name)
    count = 0
    for lead, start, end in boundaries(probe(request.sources[0]), 16, request.lead_frames):
        unit = request_for(real_data / "odd" / name, lead_pts=lead, start_pts=start, end_pts=end)
        count += len(scored(decode_all(unit)))
    assert count == FRAMES[name]


def test_rotation_of_a_phone_video(real_data: Path):
    info = decode_all(request_for(real_data / "odd" / "video_90.mov"))[-1].members[0]
    assert (info.width, info.height) == (320, 568)
