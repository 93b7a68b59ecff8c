"""Optical flow: measured, coded, and the same for any cut of a video into units."""

import dataclasses
import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.media.conftest import column, decode_all, request_for, scored
from tests.media.test_clips import clip, clip_request  # noqa: F401  (a fixture)
from tests.media.test_video import CONTAINERS, all_pts
from vadray.detectors.motion import Motion
from vadray.detectors.stae import SpatiotemporalAutoencoder
from vadray.media.decode import decode
from vadray.media.flow import OpticalFlow, StreamFlow, reliability, reliable
from vadray.media.flow_code import FLOW_MOST_PX, FLOW_ZERO, decode_flow, encode_flow
from vadray.media.isolation import IsolatedDecoder
from vadray.media.probe import boundaries, probe
from vadray.media.request import DecodeRequest, Source
from vadray.sweep.units import frame_shape


def moved(by: tuple[float, float], height: int = 96, width: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """A texture, and the same moved by (right, down) pixels."""
    noise = np.random.default_rng(0).integers(0, 256, (height + 40, width + 40)).astype(np.uint8)
    texture = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
    matrix = np.array([[1, 0, by[0]], [0, 1, by[1]]], np.float32)
    after = cv2.warpAffine(texture, matrix, texture.shape[::-1], flags=cv2.INTER_CUBIC)
    return tuple(np.ascontiguousarray(one[20:-20, 20:-20]) for one in (texture, after))


@pytest.mark.parametrize("preset", ["ultrafast", "fast", "fine", "medium"])
@pytest.mark.parametrize("by", [(0.5, 0.0), (2.3, -1.6), (-6.0, 3.0)])
def test_a_translation_is_measured_to_sub_pixels(preset, by):
    flow = OpticalFlow(preset).between(*moved(by))
    assert flow.dtype == np.float32 and flow.shape == (96, 128, 2)
    np.testing.assert_allclose(np.median(flow, axis=(0, 1)), by, atol=0.2)


def test_flow_depends_neither_on_threads_nor_on_pairs_before():
    before, now = moved((2.3, -1.6))
    threads = cv2.getNumThreads()
    try:
        flows = []
        for count in (1, 2, 4):
            cv2.setNumThreads(count)
            search = OpticalFlow()
            search.between(now[::-1].copy(), before)
            flows.append(search.between(before, now))
    finally:
        cv2.setNumThreads(threads)
    for flow in flows[1:]:
        np.testing.assert_array_equal(flow, flows[0])


def test_an_unknown_preset_is_named():
    with pytest.raises(ValueError, match=r"`preset`.*'slow'"):
        OpticalFlow("slow")


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=2, max_size=2))
def test_a_coded_flow_is_off_by_no_more_than_stated(components):
    flow = np.array(components, np.float32)
    code = encode_flow(flow)
    assert code.dtype == np.uint8
    kept = np.clip(flow, -FLOW_MOST_PX, FLOW_MOST_PX)
    bound = 0.0005 + 0.045 * np.sqrt(np.abs(kept))
    assert (np.abs(decode_flow(code) - kept) <= bound).all()


def test_every_byte_survives_and_zero_is_zero():
    code = np.arange(1, 256, dtype=np.uint8)
    np.testing.assert_array_equal(encode_flow(decode_flow(code)), code)
    assert encode_flow(np.zeros(2)).tolist() == [FLOW_ZERO] * 2
    assert decode_flow(np.array([FLOW_ZERO], np.uint8)) == 0


def test_forward_and_backward_agree_where_nothing_is_hidden():
    before, now = moved((2.3, -1.6))
    search = OpticalFlow()
    forward, backward = search.between(before, now), search.between(now, before)
    assert reliability(forward, backward) > 0.85
    assert reliability(forward, np.zeros_like(backward)) < 0.1


@pytest.mark.parametrize(("off_px", "agrees"), [(0.8, True), (0.9, False)])
def test_reliability_follows_its_formula(off_px: float, agrees: bool):
    # 0.64 < 0.01 * (13 + 8.84) + 0.5 = 0.718, but 0.81 > 0.01 * (13 + 8.41) + 0.5 = 0.714
    forward = np.full((16, 20, 2), (3, 2), np.float32)
    backward = np.full((16, 20, 2), (off_px - 3, -2), np.float32)
    expected = np.full((16, 20), agrees)
    expected[-2:] = expected[:, -3:] = False  # these leave the picture
    np.testing.assert_array_equal(reliable(forward, backward), expected)


def test_a_stream_is_measured_from_some_frames_before():
    frames = [moved((index, 0.0))[1] for index in range(5)]
    stream = StreamFlow(across=2)
    codes = [stream.measure(frame) for frame in frames]
    for code in codes[:2]:
        assert (code == FLOW_ZERO).all()
    for code in codes[2:]:
        assert np.median(decode_flow(code)[..., 0]) == pytest.approx(2, abs=0.2)


def expected_stream(frames: np.ndarray, flow: int) -> np.ndarray:
    """Frames uint8 `[n, height, width, channels]` with their flow, the plain way."""
    channels = frames.shape[-1]
    grey = [cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) if channels == 3 else f[..., 0].copy() for f in frames]
    codes = np.full((*frames.shape[:3], 2), FLOW_ZERO, np.uint8)
    for index in range(flow, len(frames)):
        codes[index] = encode_flow(OpticalFlow().between(grey[index - flow], grey[index]))
    codes[:flow] = codes[flow]
    return np.concatenate([frames, codes], axis=-1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("flow", [1, 2, 3])
def test_flow_stands_behind_the_picture(channels: int, flow: int, make_video):
    path = make_video("a.mp4", frames=40)
    plain = decode_all(request_for(path, channels=channels))
    request = request_for(path, channels=channels, flow=flow)
    chunks = decode_all(request)
    np.testing.assert_array_equal(scored(chunks), expected_stream(scored(plain), flow))
    for figure in ("time_s", "brightness", "sharpness", "motion"):
        np.testing.assert_array_equal(column(chunks, figure), column(plain, figure))
    assert [chunk.lead for chunk in chunks] == [0, 3 - flow, 3 - flow]


@pytest.mark.parametrize("name", ["b_frames.mp4", "open_gop.mp4", "variable_rate.mkv", "mpeg2.ts"])
@pytest.mark.parametrize("lead_frames", [2, 5])
def test_any_cut_of_a_video_gives_the_same_flow(name: str, lead_frames: int, make_video):
    path = make_video(name, **CONTAINERS[name])
    request = request_for(path, lead_frames=lead_frames, flow=2)
    whole = decode_all(request)
    frames = scored(whole)
    pts = sorted(all_pts(path))
    random = np.random.default_rng(5)
    for trial in range(3):
        inner = sorted(random.choice(pts[3:], 4, replace=False).tolist())
        if trial == 0:
            inner[:2] = pts[3], pts[4]  # as soon as there is flow, and before there is a whole lead-in
        units = [
            decode_all(dataclasses.replace(request, start_pts=start, end_pts=end, chunk_frames=7 + trial))
            for start, end in itertools.pairwise([None, *inner, None])
        ]
        together = [chunk for unit in units for chunk in unit]
        np.testing.assert_array_equal(scored(together), frames)
        for figure in ("brightness", "sharpness", "motion"):
            np.testing.assert_array_equal(column(together, figure), column(whole, figure))
        count = 0
        for chunk in together:
            assert chunk.lead == min(lead_frames - 2, count)
            np.testing.assert_array_equal(chunk.frames[: chunk.lead], frames[count - chunk.lead : count])
            count += len(chunk.time_s)


def test_a_first_unit_without_a_frame_that_has_flow_has_none(make_video):
    path = make_video("a.mp4")
    pts = sorted(all_pts(path))
    first = scored(decode_all(dataclasses.replace(request_for(path, flow=2), end_pts=pts[2])))
    assert len(first) == 2 and (first[..., 1:] == FLOW_ZERO).all()


@pytest.mark.parametrize("stride, flow, least", [(1, 0, 1), (1, 2, 3), (4, 2, 4), (2, 2, 4), (3, 0, 3)])
def test_units_are_never_so_short(stride: int, flow: int, least: int):
    detector = Motion(32, 48, window=stride + 1, stride=stride, flow=flow) if flow else None
    taker = detector or SpatiotemporalAutoencoder(32, 48, window=stride + 1, stride=stride)
    assert frame_shape(taker, unit_frames=1, clip_fps=25.0).chunk_frames == least


def test_units_by_the_index_have_their_flow(make_video):
    request = request_for(make_video("a.mp4", **CONTAINERS["b_frames.mp4"]), flow=2)
    units = [
        decode_all(dataclasses.replace(request, lead_pts=lead, start_pts=start, end_pts=end))
        for lead, start, end in boundaries(probe(request.sources[0]), 20, request.lead_frames)
    ]
    together = [chunk for unit in units for chunk in unit]
    assert len(units) == 5
    np.testing.assert_array_equal(scored(together), scored(decode_all(request)))


@pytest.mark.parametrize("bad", [None, "img_0016.png"])
def test_any_cut_of_a_clip_gives_the_same_flow(clip: Path, bad: str | None):  # noqa: F811
    if bad:
        (clip / bad).write_bytes(b"junk")
    whole = decode_all(clip_request(clip, flow=2))
    np.testing.assert_array_equal(scored(whole), expected_stream(scored(whole)[..., :1], 2))
    cuts = [(None, 3), (3, 10), (10, 11), (11, None)]
    units = [decode_all(clip_request(clip, flow=2, start_pts=start, end_pts=end)) for start, end in cuts]
    together = [chunk for unit in units for chunk in unit]
    np.testing.assert_array_equal(scored(together), scored(whole))
    np.testing.assert_array_equal(column(together, "motion"), column(whole, "motion"))


def test_the_consumer_may_write_into_a_chunk(make_video):
    request = request_for(make_video("a.mp4"), chunk_frames=4, flow=2)
    expected = [chunk.frames.copy() for chunk in decode_all(request)]
    for chunk, frames in zip(decode(request), expected, strict=True):
        np.testing.assert_array_equal(chunk.frames, frames)
        chunk.frames[...] = 0


def test_flow_comes_through_the_child_process(make_video):
    request = request_for(make_video("a.mp4"), flow=2)
    with IsolatedDecoder(memory_bytes=1 << 29, timeout_s=20) as decoder:
        there = list(decoder.decode(request))
    np.testing.assert_array_equal(scored(there), scored(decode_all(request)))


@pytest.mark.parametrize(
    "wrong", [{"flow": -1}, {"flow": 4}, {"flow": 2, "height": 8}, {"flow": 1, "lead_frames": 0}]
)
def test_a_request_names_what_is_wrong_with_flow(wrong, tmp_path: Path):
    with pytest.raises(ValueError, match=rf"`flow`.*{wrong['flow']}"):
        request_for(tmp_path / "a.mp4", **wrong)


def test_images_have_no_flow():
    with pytest.raises(ValueError, match="`flow` must be 0 for images"):
        DecodeRequest((Source("a.png", "image"),), 32, 32, flow=1)
