"""A unit whose decoder is killed, from outside or by the file itself: tried again while it gets further."""

import os
import signal

import numpy as np

from tests.media.conftest import decode_all, make_video, request_for, scored  # noqa: F401
from vadray.errors import UnreadableMedia
from vadray.sweep.units import TRIES, FrameShape, UnitDecoder

CHUNK = 8
SHAPE = FrameShape(height=24, width=32, channels=1, lead_frames=1, chunk_frames=CHUNK)


def unit_of(path) -> dict:
    """A plan row of a whole video."""
    clip = dict.fromkeys(("clip_prefix", "clip_digits", "clip_suffix", "clip_first", "clip_count"))
    shard = dict.fromkeys(("shard_uri", "shard_offset"))
    member = {"object_uri": str(path), "bytes": path.stat().st_size, "etag": None, **clip, **shard}
    pts = dict.fromkeys(("start_pts", "lead_pts", "end_pts"))
    return {"kind": "video", "bundle": 0, "members": [member], **pts}


def test_killed_again_and_again_it_loses_nothing_as_long_as_it_gets_further(make_video):  # noqa: F811
    path = make_video("a.mp4", frames=6 * CHUNK)
    expected = scored(decode_all(request_for(path, height=24, width=32, chunk_frames=CHUNK)))
    decoder = UnitDecoder([SHAPE], timeout_s=60, memory_mib=512)
    chunks, killed = [], set()
    for chunk in decoder.decode(unit_of(path)):
        chunks.append(chunk)
        if decoder._decoder.pid is not None:
            killed.add(decoder._decoder.pid)
            os.kill(decoder._decoder.pid, signal.SIGKILL)
    decoder.close()
    assert len(killed) > 2, "each child gives a chunk or a few before it is dead"
    np.testing.assert_array_equal(scored(chunks), expected)
    assert [chunk.chunk for chunk in chunks] == list(range(len(chunks)))
    assert chunks[-1].last and chunks[-1].members[0].status == "scored"


def test_a_file_that_crashes_decoders_at_one_place_is_given_up_there(make_video, monkeypatch):  # noqa: F811
    path = make_video("a.mp4", frames=6 * CHUNK)
    decoder = UnitDecoder([SHAPE], timeout_s=60, memory_mib=512)
    decode, begun = decoder._decoder.decode, []

    def crashing(request):
        begun.append(request)
        for chunk in decode(request):
            if chunk.chunk == 2:
                raise UnreadableMedia("DecoderCrashed", "a place that crashes decoders")
            yield chunk

    monkeypatch.setattr(decoder._decoder, "decode", crashing)
    chunks = list(decoder.decode(unit_of(path)))
    decoder.close()
    # the first time it got to the place, and then no further
    assert len(begun) == TRIES
    assert [len(chunk.time_s) for chunk in chunks] == [CHUNK, CHUNK, 0]
    (info,) = chunks[-1].members
    assert (info.status, info.error_type, chunks[-1].last) == ("partial", "DecoderCrashed", True)
