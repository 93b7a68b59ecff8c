"""Whatever range of a video is asked for, exactly its frames come, pixel for pixel."""

import dataclasses
import io
import itertools
from pathlib import Path

import av
import numpy as np
import pytest

from tests.media.conftest import blank_packets, column, decode_all, request_for, scored
from tests.media.containers import CONTAINERS, X264
from vadray import storage
from vadray.media.decode import decode
from vadray.media.probe import boundaries, probe
from vadray.media.request import DecodeRequest, Source


def all_pts(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [frame.pts for frame in container.decode(video=0)]


@pytest.mark.parametrize("name", CONTAINERS)
def test_ranges_together_are_the_file(name: str, make_video):
    path = make_video(name, **CONTAINERS[name])
    request = request_for(path)
    whole = decode_all(request)
    frames, times = scored(whole), column(whole, "time_s")
    assert len(frames) == 90
    pts = sorted(all_pts(path))
    random = np.random.default_rng(7)
    for trial in range(4):
        inner = sorted(random.choice(pts[1:], 3, replace=False).tolist())
        if trial == 0:
            inner[1] += 1  # between two frames
        ranges = list(itertools.pairwise([None, *inner, None]))
        units = []
        for start, end in ranges:
            # A hint that is right, too late, or missing must not change the frames.
            lead = None
            if start is not None and trial != 1:
                before = next(i for i, p in enumerate(pts) if p >= start)
                lead = pts[max(0, before - (20 if trial % 2 == 0 else 1))]
            units.append(
                decode_all(dataclasses.replace(request, start_pts=start, end_pts=end, lead_pts=lead))
            )
        together = [chunk for unit in units for chunk in unit]
        np.testing.assert_array_equal(scored(together), frames)
        np.testing.assert_array_equal(column(together, "time_s"), times)
        for figure in ("brightness", "sharpness", "motion"):
            np.testing.assert_array_equal(column(together, figure), column(whole, figure))
        count = 0
        for unit in units:
            for chunk in unit:
                assert chunk.lead == min(3, count)
                np.testing.assert_array_equal(chunk.frames[: chunk.lead], frames[count - chunk.lead : count])
                count += len(chunk.time_s)


@pytest.mark.parametrize("name", ["b_frames.mp4", "open_gop.mp4", "variable_rate.mp4", "hevc.mp4"])
@pytest.mark.parametrize("unit_frames", [7, 30, 89, 90])
def test_units_by_the_index_are_exact(name: str, unit_frames: int, make_video):
    path = make_video(name, **CONTAINERS[name])
    request = request_for(path)
    ranges = boundaries(probe(request.sources[0]), unit_frames, lead_frames=3)
    assert len(ranges) == -(-90 // unit_frames)
    units = [
        decode_all(dataclasses.replace(request, lead_pts=lead, start_pts=start, end_pts=end))
        for lead, start, end in ranges
    ]
    assert max(len(scored(unit)) for unit in units) <= unit_frames + 8  # an index is in decoding order
    together = [chunk for unit in units for chunk in unit]
    np.testing.assert_array_equal(scored(together), scored(decode_all(request)))


def test_time_counts_from_the_first_frame(make_video):
    late = make_video("late.ts", options=X264, pts=[100_000 + 40 * i for i in range(90)])
    times = column(decode_all(request_for(late)), "time_s")
    np.testing.assert_allclose(times, np.arange(90) * 0.04, atol=1e-4)


def test_a_range_without_frames_still_answers(make_video):
    path = make_video("a.mp4", options=X264)
    (chunk,) = decode_all(request_for(path, start_pts=10**9, end_pts=10**9 + 5))
    assert chunk.last and len(chunk.time_s) == 0
    assert chunk.members[0].status == "scored"


def test_a_full_last_chunk_is_marked_last(make_video):
    chunks = decode_all(request_for(make_video("a.mp4", frames=32), chunk_frames=16))
    assert [len(chunk.time_s) for chunk in chunks] == [16, 16]
    assert [chunk.lead for chunk in chunks] == [0, 3]


def test_grey_and_colour_agree_with_ffmpeg_at_full_size(make_video):
    path = make_video("a.mp4", frames=5)
    with av.open(str(path)) as container:
        reference = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    colour = scored(decode_all(request_for(path, height=64, width=96, channels=3)))
    assert np.abs(colour.astype(int) - np.array(reference)).mean() < 2
    grey = scored(decode_all(request_for(path, height=64, width=96)))[..., 0]
    expected = np.array(reference) @ [0.299, 0.587, 0.114]
    assert np.abs(grey - expected).mean() < 2


def test_figures_of_frames(make_video):
    chunks = decode_all(request_for(make_video("a.mp4", frames=20)))
    frames = scored(chunks)[..., 0].astype(float)
    np.testing.assert_allclose(column(chunks, "brightness"), frames.mean((1, 2)), rtol=1e-5)
    expected = np.abs(np.diff(frames, axis=0)).mean((1, 2))
    np.testing.assert_allclose(column(chunks, "motion"), [0, *expected], rtol=1e-5)
    assert (column(chunks, "sharpness") > 0).all()


@pytest.mark.parametrize("quarter_turns", [0, 1, 2, 3])
def test_rotation_is_honoured(quarter_turns: int, make_video):
    path = make_video("a.mp4", frames=3, options={"crf": "1"})
    upright = scored(decode_all(request_for(path, height=64, width=96, channels=3)))
    set_rotation(path, quarter_turns)
    shape = (64, 96) if quarter_turns % 2 == 0 else (96, 64)
    chunks = decode_all(request_for(path, height=shape[0], width=shape[1], channels=3))
    expected = np.rot90(upright, -quarter_turns, axes=(1, 2))  # the file says how far to turn clockwise
    np.testing.assert_array_equal(scored(chunks), expected)
    assert (chunks[-1].members[0].height, chunks[-1].members[0].width) == shape


def set_rotation(path: Path, quarter_turns: int) -> None:
    """Writes the display matrix of an MP4's only track."""
    a, b = [(1, 0), (0, 1), (-1, 0), (0, -1)][quarter_turns]
    matrix = np.array([a << 16, b << 16, 0, -b << 16, a << 16, 0, 0, 0, 1 << 30], ">i4")
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    data[place : place + 36] = matrix.tobytes()
    path.write_bytes(data)


def test_damage_makes_a_video_partial_and_the_rest_is_decoded(make_video):
    path = make_video("a.mp4", options=X264)
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        entry = container.streams.video[0].index_entries[40]
        data[entry.pos : entry.pos + entry.size] = b"\xff" * entry.size
    path.write_bytes(data)
    chunks = decode_all(request_for(path))
    info = chunks[-1].members[0]
    assert info.status == "partial"
    assert info.error_type == "InvalidDataError"
    assert 80 <= info.frames < 90
    assert info.frames == len(scored(chunks))


def test_damage_that_only_pictures_show_is_told_too(make_video):
    """The container says nothing of it, and the decoder fills what is missing from other pictures."""
    path = make_video("a.ts", **CONTAINERS["mpeg2.ts"])
    whole = decode_all(request_for(path))[-1].members[0]
    assert whole.status == "scored"
    blank_packets(path, 6, 1)  # in the first picture
    info = decode_all(request_for(path))[-1].members[0]
    assert (info.status, info.error_type, info.frames) == ("partial", "CorruptPacket", 90)


def test_of_a_recording_that_starts_anew_no_frame_changes_its_place(make_video):
    path = make_video("a.ts", options=X264)
    path.write_bytes(2 * path.read_bytes())
    times = column(decode_all(request_for(path)), "time_s")
    assert list(np.round(25 * times)) == 2 * list(range(90))


def test_a_truncated_file_gives_what_it_holds(make_video):
    path = make_video("a.mp4", options={**X264, "movflags": "faststart"}, frames=60)
    data = path.read_bytes()
    moved = path.with_name("fast.mp4")
    with av.open(str(path)) as source, av.open(str(moved), "w", options={"movflags": "faststart"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    moved.write_bytes(moved.read_bytes()[: len(data) // 2])
    info = decode_all(request_for(moved))[-1].members[0]
    assert info.status == "partial"
    assert 0 < info.frames < 60
    assert info.frames_declared == 60


@pytest.mark.parametrize(
    ("content", "error_type"), [(b"", "InvalidDataError"), (b"no video at all " * 99, "InvalidDataError")]
)
def test_what_is_no_video_is_quarantined(content: bytes, error_type: str, tmp_path: Path):
    path = tmp_path / "a: b.mp4"
    path.write_bytes(content)
    (chunk,) = decode_all(request_for(path))
    info = chunk.members[0]
    assert (info.status, info.frames) == ("quarantined", 0)
    assert info.error_type in (error_type, "EOFError")
    assert info.error


def test_a_missing_file_is_quarantined(tmp_path: Path):
    (chunk,) = decode_all(request_for(tmp_path / "gone.mp4"))
    assert chunk.members[0].error_type == "FileNotFoundError"


def test_sound_without_picture_is_quarantined(tmp_path: Path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (chunk,) = decode_all(request_for(path))
    assert chunk.members[0].error_type == "NoVideoStream"


def test_a_member_of_a_shard_is_read_in_place(make_video, tmp_path: Path):
    path = make_video("a.mp4", options=X264)
    data = path.read_bytes()
    shard = tmp_path / "shard.tar"
    shard.write_bytes(b"x" * 1536 + data + b"y" * 999)
    source = Source(f"{shard}#a.mp4", "video", len(data), shard_uri=str(shard), shard_offset=1536)
    alone = request_for(path, start_pts=1000)
    inside = dataclasses.replace(alone, sources=(source,))
    np.testing.assert_array_equal(scored(decode_all(inside)), scored(decode_all(alone)))
    assert probe(source).timestamps is not None


@pytest.mark.parametrize("good_reads", [0, 1, 6])
def test_a_failing_store_is_no_fault_of_the_file(good_reads: int, make_video, monkeypatch):
    """It is raised, for a retry, and not taken for damage."""
    path = make_video("a.mp4", options={"crf": "1"})

    class Failing(io.FileIO):
        reads = 0

        def read(self, size: int = -1) -> bytes:
            self.reads += 1
            if self.reads > good_reads:
                raise ConnectionResetError("the store hung up")
            return super().read(size)

    monkeypatch.setattr(storage, "open_read", lambda uri, etag: Failing(path))
    source = Source("s3://bucket/a.mp4", "video", path.stat().st_size)
    with pytest.raises(ConnectionResetError, match="hung up"):
        list(decode(DecodeRequest((source,), 40, 48)))


def test_a_playlist_that_calls_itself_video_opens_nothing(make_video, tmp_path: Path):
    make_video("real.ts")
    playlist = tmp_path / "list.mp4"
    playlist.write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/real.ts\n#EXT-X-ENDLIST\n"
    )
    (chunk,) = decode_all(request_for(playlist))
    assert chunk.members[0].status == "quarantined"
