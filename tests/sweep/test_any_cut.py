"""However a recording is cut, its frames and their scores are those of one piece."""

import dataclasses
import functools
from pathlib import Path

import av
import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.media.conftest import TS_PACKET_BYTES, blank_packets, encode_video
from tests.media.containers import CONTAINERS, X264
from vadray import storage
from vadray.archive.listing import list_archive
from vadray.archive.objects import ArchiveObject
from vadray.archive.plan import BundlePlan, Probed, plan_units
from vadray.archive.routing import Route
from vadray.detectors.stae import SpatiotemporalAutoencoder
from vadray.media.decode import decode
from vadray.media.isolation import IsolatedDecoder
from vadray.sweep.planning import probe_object
from vadray.sweep.scorer import Scorer
from vadray.sweep.units import FrameShape, decode_request, frame_shape

NAMES = [
    "b_frames.mp4",
    "open_gop.mp4",
    "variable_rate.mp4",
    "hevc.mp4",
    "fragmented.mp4",
    "b_frames.mkv",
    "variable_rate.mkv",
    "open_gop.mkv",
    "vp9.webm",
    "open_gop.ts",
    "variable_rate.ts",
    "late_start.ts",
    "mpeg2.ts",
]
MORE = {
    "fragmented.mp4": {"options": X264, "muxing": {"movflags": "frag_keyframe+empty_moov"}},
    "open_gop.mkv": CONTAINERS["open_gop.mp4"],
    "variable_rate.ts": CONTAINERS["variable_rate.mkv"],
}
FRAMES, WINDOW = 90, 5


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> dict[str, ArchiveObject]:
    """The recordings as objects of an archive, by name."""
    folder = tmp_path_factory.mktemp("recordings")
    for name in NAMES:
        encode_video(folder / name, **{**CONTAINERS, **MORE}[name])
    return {storage.name(found.uri): found for found in list_archive(str(folder))}


@pytest.fixture(scope="module")
def decoder():
    with IsolatedDecoder() as decoder:
        yield decoder


@functools.cache
def scorer(window: int, stride: int) -> tuple[SpatiotemporalAutoencoder, Scorer]:
    keras.utils.set_random_seed(window)
    detector = SpatiotemporalAutoencoder(
        height=32, width=48, window=window, stride=stride, units=8, filters=(4, 4), code_channels=2
    )
    detector.build()
    return detector, Scorer(detector)


def wide(shape: FrameShape) -> FrameShape:
    """The same with room for a whole recording in one chunk."""
    return dataclasses.replace(shape, chunk_frames=3 * FRAMES)


def scores_of(probed: Probed, shape: FrameShape, score: Scorer) -> tuple[tuple[np.ndarray, np.ndarray], int]:
    """Times and scores of all units one after another, and how many units there were."""
    plan = BundlePlan("digest", shape.chunk_frames, shape.lead_frames)
    units = list(plan_units([probed], root="/", routes=[Route(0, "video")], bundles=[plan], unit_images=1))
    chunks = [chunk for unit in units for chunk in decode(decode_request(unit, shape))]
    times = np.concatenate([chunk.time_s for chunk in chunks])
    scores = np.concatenate([score.score(chunk.frames, chunk.lead)[0] for chunk in chunks])
    return (times, scores), len(units)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    unit_frames=st.integers(3, 100),
    window_and_stride=st.sampled_from([(2, 1), (5, 1), (3, 2), (5, 3)]),
)
def test_scores_are_those_of_one_piece(recordings, decoder, name, unit_frames, window_and_stride):
    window, stride = window_and_stride
    detector, score = scorer(window, stride)
    shape = frame_shape(detector, unit_frames, 25.0)
    probed = probe_object(decoder, recordings[name], shape, exact=stride > 1, scan_frames=0)
    (times, scores), pieces = scores_of(probed, shape, score)
    (all_times, all_scores), _ = scores_of(Probed(recordings[name]), wide(shape), score)

    assert pieces == -(-FRAMES // shape.chunk_frames) and len(scores) == FRAMES
    np.testing.assert_array_equal(times, all_times)
    np.testing.assert_allclose(scores, all_scores, rtol=0, atol=1e-6)


def keyframes_of(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """At which times they are, and in which of the file's packets of 188 bytes they begin."""
    with av.open(str(path)) as container:
        (stream,) = container.streams.video
        found = [packet for packet in container.demux(stream) if packet.is_keyframe and packet.size]
        times = [float((packet.pts - stream.start_time) * stream.time_base) for packet in found]
        return np.array(times), np.array([packet.pos // TS_PACKET_BYTES for packet in found])


@pytest.mark.parametrize("unit_frames", [7, 20, 33])
@pytest.mark.parametrize("after_keyframe", [-4, 0, 12])
def test_damage_stays_where_it_is(decoder, tmp_path, after_keyframe, unit_frames):
    """What a decoder makes of a damaged group of pictures depends on chance; all others are as in one piece."""
    (tmp_path / "archive").mkdir()
    path = encode_video(tmp_path / "archive" / "damaged.ts", options=X264)
    keyframe_times, keyframe_packets = keyframes_of(path)
    blank_packets(path, keyframe_packets[2] + after_keyframe, 8)
    (found,) = list_archive(str(tmp_path / "archive"))

    detector, score = scorer(WINDOW, 1)
    shape = frame_shape(detector, unit_frames, 25.0)
    probed = probe_object(decoder, found, shape, scan_frames=0)
    (times, scores), pieces = scores_of(probed, shape, score)
    (all_times, all_scores), _ = scores_of(Probed(found), wide(shape), score)

    def untouched(times: np.ndarray) -> np.ndarray:
        """Before the damaged groups, the third and perhaps the second; and after, but for windows that reach back."""
        before = times < keyframe_times[1 if after_keyframe < 0 else 2]
        return before | (times > keyframe_times[3] + (WINDOW - 1.5) / 25)

    assert pieces > 1 and FRAMES // 2 < len(times) < FRAMES
    assert (np.diff(times) > 0).all()
    np.testing.assert_array_equal(times[untouched(times)], all_times[untouched(all_times)])
    np.testing.assert_allclose(scores[untouched(times)], all_scores[untouched(all_times)], rtol=0, atol=1e-6)
