"""`motion`: what moves fast scores high, where it is, whatever the picture shows."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.detectors.learning import assert_round_trip, assert_scores_do_not_depend_on_the_cut, random_frames
from vadray.archive.plan import clip_boundaries
from vadray.bundle import open_bundle, write_bundle
from vadray.detectors.frame_difference import FrameDifference
from vadray.detectors.motion import Motion
from vadray.errors import RequestError
from vadray.media.decode import decode
from vadray.media.flow_code import FLOW_MOST_PX, decode_flow, encode_flow
from vadray.media.request import DecodeRequest, Source
from vadray.sweep.localise import localise
from vadray.sweep.scorer import Scorer
from vadray.sweep.units import FrameShape, frame_shape


def small(**more) -> Motion:
    detector = Motion(height=32, width=48, **more)
    detector.build()
    return detector


def walk(count: int, speed_px: float, seed: int = 0) -> np.ndarray:
    """Frames with flow, uint8 `[count, 32, 48, 3]`: noise everywhere, and one walker 8 pixels wide."""
    random = np.random.default_rng(seed)
    flow = random.normal(0, 0.05, (count, 32, 48, 2))
    for index in range(count):
        left = (3 + index) % 40
        flow[index, 8:24, left : left + 8] += (speed_px, 0)
    picture = random.integers(0, 256, (count, 32, 48, 1), np.uint8)
    return np.concatenate([picture, encode_flow(flow)], axis=-1)


def test_prepare_is_the_inverse_of_the_code():
    code = np.arange(256, dtype=np.uint8).repeat(2).reshape(1, 16, 16, 2)
    frames = np.concatenate([np.zeros((1, 16, 16, 1), np.uint8), code], axis=-1)
    prepared = np.asarray(Motion(height=16, width=16).prepare(frames))
    np.testing.assert_allclose(prepared[..., 1:], decode_flow(code), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("more", [{}, {"window": 6, "stride": 2}, {"channels": 3, "blur": 1, "window": 2}])
def test_scores_do_not_depend_on_the_cut_and_survive_saving(more, tmp_path):
    detector = small(**more)
    assert_scores_do_not_depend_on_the_cut(detector)
    assert_round_trip(detector, tmp_path)


def test_a_runner_among_walkers_scores_higher_where_it_is():
    detector = small()
    assert not detector.learns and not detector.learned_variables
    normal = np.concatenate([np.asarray(detector.score(walk(40, 1.0, seed))[0]) for seed in range(4)])
    frames = walk(20, 1.0)
    frames[-2:, 16:24, 32:40, 1:] = encode_flow(np.array([-3.0, 2.0]))
    score, error_map, _ = (np.asarray(value) for value in detector.score(frames))
    assert score[-1] > np.quantile(normal, 0.95)
    (row, column), _ = (values[-1] for values in localise(error_map))
    assert abs(row - 2) <= 1 and abs(column - 4) <= 1


def test_score_is_the_mean_speed_of_the_last_frames():
    detector = small(window=4, blur=1)
    frames = np.full((3 + 2, 32, 48, 3), 128, np.uint8)
    speeds = [9.0, 1.0, 2.0, 3.0, 5.0]
    for frame, speed in zip(frames, speeds, strict=True):
        frame[8:16, 8:16, 1:] = encode_flow(np.array([0.6 * speed, -0.8 * speed]))
    np.testing.assert_allclose(detector.score(frames)[0], [2.0, 10 / 3], atol=0.08)


def test_faster_than_the_code_holds_is_still_finite():
    frames = np.full((2 + 1, 32, 48, 3), 255, np.uint8)
    (score,) = np.asarray(small().score(frames)[0])
    assert FLOW_MOST_PX < score < 1.5 * FLOW_MOST_PX


def test_mse_is_the_squared_difference_of_frames():
    detector = small()
    frames = random_frames(detector, 3)
    picture = frames[..., 0] / 255
    expected = np.square(picture[2:] - picture[1:-1]).mean(axis=(1, 2))
    np.testing.assert_allclose(detector.score(frames)[2], expected, rtol=1e-5)


def test_relative_divides_by_what_is_usual_there():
    detector, plain = small(relative=True), small()
    normal = walk(40, 1.0)
    detector.normal_error.fit([np.asarray(detector.score(normal)[1])])
    ours, theirs = (np.asarray(one.score(normal)[1]) for one in (detector, plain))
    np.testing.assert_allclose(ours, theirs / np.asarray(detector.normal_error.usual), rtol=1e-5)


def test_a_bundle_says_what_flow_it_wants_and_one_without_says_nothing(tmp_path: Path):
    write_bundle(str(tmp_path / "motion"), small(), None, {}, {})
    bundle = open_bundle(str(tmp_path / "motion"))
    assert (bundle.flow, bundle.input_channels) == (2, 3)
    shape = frame_shape(bundle, 50, 25.0)
    assert shape == frame_shape(small(), 50, 25.0) == FrameShape(32, 48, 1, 4, 50, 25.0, flow=2)
    without = FrameDifference(height=32, width=48)
    without.build()
    write_bundle(str(tmp_path / "difference"), without, None, {}, {})
    bundle = open_bundle(str(tmp_path / "difference"))
    assert (bundle.flow, bundle.input_channels) == (0, 1)
    assert "flow" not in bundle.info["preprocessing"]


def test_a_clip_scores_the_same_however_it_is_cut_into_units(tmp_path: Path):
    random = np.random.default_rng(0)
    scene = random.integers(0, 200, (64, 96)).astype(np.uint8)
    for index in range(30):
        frame = scene.copy()
        frame[20:40, 2 * index : 2 * index + 12] = cv2.GaussianBlur(scene[:20, :12], (0, 0), 1) + 50
        cv2.imwrite(str(tmp_path / f"{index}.png"), frame)
    source = Source(str(tmp_path), "clip", clip_suffix=".png", clip_prefix="", clip_digits=0)
    source = dataclasses.replace(source, clip_first=0, clip_count=30)
    scorer = Scorer(small())

    def scores_in_units_of(unit_frames: int, chunk_frames: int) -> np.ndarray:
        shape = frame_shape(small(), chunk_frames, 25.0)
        unit_frames = max(unit_frames, shape.chunk_frames)  # as `plan` cuts
        parts = []
        for lead, start, end in clip_boundaries(30, unit_frames, shape.lead_frames):
            request = DecodeRequest(
                (source,),
                shape.height,
                shape.width,
                lead_frames=shape.lead_frames,
                chunk_frames=shape.chunk_frames,
                start_pts=start,
                lead_pts=lead,
                end_pts=end,
                flow=shape.flow,
            )
            parts += [scorer.score(chunk.frames, chunk.lead)[0] for chunk in decode(request)]
        return np.concatenate(parts)

    whole = scores_in_units_of(30, 30)
    assert len(whole) == 30 and whole[5:].min() > 0.2
    for unit_frames, chunk_frames in ((7, 7), (1, 1), (3, 2), (30, 4)):
        np.testing.assert_array_equal(scores_in_units_of(unit_frames, chunk_frames), whole)


@pytest.mark.parametrize(
    "wrong", [{"flow": 0}, {"blur": 2}, {"blur": 0}, {"window": 1}, {"window": 3, "stride": 3}]
)
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(RequestError, match=f"{next(iter(wrong))}={next(iter(wrong.values()))}"):
        Motion(height=32, width=48, **wrong)
