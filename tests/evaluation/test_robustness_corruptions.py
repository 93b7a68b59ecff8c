"""Each corruption changes what it should, by as much as it says, and nothing else."""

import cv2
import numpy as np
import pytest

from vadray.errors import RequestError
from vadray.evaluation.robustness import CORRUPTIONS, corrupt, corruptions_of
from vadray.evaluation.robustness.corruptions import STRENGTHS, shifted
from vadray.media.chunks import ChunkBuilder
from vadray.media.corrupt import jpeg_coded, with_flow
from vadray.media.request import DecodeRequest, MemberInfo, Source

COUNT, HEIGHT, WIDTH = 40, 32, 48


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Grey, every frame another, nothing near black or white, with edges and texture: uint8 `[40, 32, 48, 1]`."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    scene = 110 + 25 * np.sin(columns / 3) + 20 * (rows // 8 % 2)
    frames = scene + np.arange(COUNT)[:, None, None] / 4 + random.normal(0, 3, (COUNT, HEIGHT, WIDTH))
    return np.clip(frames, 70, 170).astype(np.uint8)[..., None]


@pytest.mark.parametrize("name", CORRUPTIONS)
class TestEveryCorruption:
    def test_strength_0_is_the_identity(self, name, pictures):
        assert corrupt(pictures, name, 0, channels=1, video="a") is pictures

    def test_each_strength_changes_more_and_leaves_the_original_alone(self, name, pictures):
        before = pictures.copy()
        changes = []
        for strength in range(1, STRENGTHS + 1):
            result = corrupt(pictures, name, strength, channels=1, video="a")
            assert result.shape == pictures.shape and result.dtype == np.uint8
            changes.append(np.abs(result.astype(int) - pictures).mean())
        assert 0 < changes[0] < changes[4]
        if name not in ("shift", "shake"):  # a wall of stripes looks alike after half a period
            assert changes == sorted(changes)
        assert np.array_equal(pictures, before)

    def test_it_depends_on_video_strength_and_seed_alone(self, name, pictures):
        def result(video="a", seed=0):
            return corrupt(pictures, name, 3, channels=1, video=video, seed=seed)

        assert np.array_equal(result(), result())
        by_chance = name in ("noise", "dropped_frames", "shake")
        assert np.array_equal(result(), result(video="b")) != by_chance or name == "shift"
        assert np.array_equal(result(), result(seed=1)) != by_chance or name == "shift"

    def test_it_works_on_colour(self, name, pictures):
        colour = np.repeat(pictures, 3, axis=-1)
        result = corrupt(colour, name, 2, channels=3, video="a")
        assert result.shape == colour.shape
        if name not in ("noise", "jpeg"):  # grey stays grey
            assert np.array_equal(result[..., 0], result[..., 2])

    def test_flow_is_measured_again(self, name, pictures):
        frames = with_flow(pictures, 1)
        result = corrupt(frames, name, 4, channels=1, video="a", remeasure=lambda p: with_flow(p, 1))
        alone = corrupt(pictures, name, 4, channels=1, video="a")
        assert np.array_equal(result, with_flow(alone, 1))
        with pytest.raises(RequestError, match="remeasure"):
            corrupt(frames, name, 4, channels=1, video="a")


def test_noise_has_the_deviation_it_says_and_no_bias():
    flat = np.full((60, HEIGHT, WIDTH, 1), 128, np.uint8)
    change = corrupt(flat, "noise", 3, channels=1, video="a").astype(float) - 128
    assert change.std() == pytest.approx(CORRUPTIONS["noise"].levels[2], rel=0.02)
    assert abs(change.mean()) < 0.1
    assert abs(np.corrcoef(change[0].ravel(), change[1].ravel())[0, 1]) < 0.1, "each frame has its own"


def test_blur_is_as_wide_as_it_says_and_keeps_flat_places():
    flat = np.full((2, HEIGHT, WIDTH, 1), 128, np.uint8)
    assert np.array_equal(corrupt(flat, "blur", 5, channels=1, video="a"), flat)
    line = np.zeros((1, HEIGHT, WIDTH, 1), np.uint8)
    line[:, :, 24] = 255
    profile = corrupt(line, "blur", 4, channels=1, video="a")[0, 16, :, 0].astype(float)
    variance = (profile * (np.arange(WIDTH) - 24) ** 2).sum() / profile.sum()
    assert np.sqrt(variance) == pytest.approx(CORRUPTIONS["blur"].levels[3], rel=0.05)
    assert profile.sum() == pytest.approx(255, rel=0.02)


def test_jpeg_goes_through_a_codec(pictures):
    quality = int(CORRUPTIONS["jpeg"].levels[4])
    result = corrupt(pictures, "jpeg", 5, channels=1, video="a")
    content = cv2.imencode(".jpg", pictures[7], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    assert np.array_equal(result[7, ..., 0], cv2.imdecode(content, cv2.IMREAD_GRAYSCALE))
    spectrum = np.abs(cv2.dct(result[7, :8, :8, 0].astype(np.float32)))
    assert (spectrum < 1.5).sum() > 40, "most coefficients of a block are gone"


def test_jpeg_of_colour_keeps_the_order_of_channels():
    red = np.zeros((1, 32, 32, 3), np.uint8)
    red[..., 0] = 200
    result = jpeg_coded(red, 60)
    assert result[..., 0].min() > 190 and result[..., 2].max() < 12


def test_brightness_and_exposure_are_exact_and_clip():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    offset, gain = CORRUPTIONS["brightness"].levels[2], CORRUPTIONS["exposure"].levels[2]
    brighter = corrupt(levels, "brightness", 3, channels=1, video="a").ravel()
    darker = corrupt(levels, "exposure", 3, channels=1, video="a").ravel()
    assert np.array_equal(brighter, np.minimum(np.arange(256) + offset, 255))
    assert np.array_equal(darker, np.rint(np.arange(256) * gain))


@pytest.mark.parametrize("strength", range(1, STRENGTHS + 1))
def test_dropped_frames_are_as_many_as_said_and_show_the_frame_before(strength):
    numbers = np.broadcast_to(np.arange(200, dtype=np.uint8)[:, None, None, None], (200, 8, 8, 1))
    shown = corrupt(numbers, "dropped_frames", strength, channels=1, video="a")[:, 0, 0, 0].astype(int)
    dropped = shown != np.arange(200)
    assert dropped.sum() == round(CORRUPTIONS["dropped_frames"].levels[strength - 1] * 200)
    assert not dropped[0]
    assert np.array_equal(shown[dropped], shown[np.flatnonzero(dropped) - 1])


def test_a_lonely_frame_cannot_be_dropped():
    frame = np.full((1, 8, 8, 1), 9, np.uint8)
    assert np.array_equal(corrupt(frame, "dropped_frames", 5, channels=1, video="a"), frame)


def test_shift_is_exact_and_the_same_in_every_frame(pictures):
    pixels = int(CORRUPTIONS["shift"].levels[2])
    result = corrupt(pictures, "shift", 3, channels=1, video="a")
    ways = [(0, -pixels), (0, pixels), (-pixels, 0), (pixels, 0)]
    assert sum(np.array_equal(result, shifted(pictures, *way)) for way in ways) == 1
    moved = shifted(pictures, 2, -3)
    assert np.array_equal(moved[:, 2:, :-3], pictures[:, :-2, 3:])
    assert np.array_equal(moved[:, 0], moved[:, 2]) and np.array_equal(moved[:, :, -1], moved[:, :, -4])


def test_videos_are_shifted_in_different_ways(pictures):
    results = [corrupt(pictures[:1], "shift", 2, channels=1, video=str(n)).tobytes() for n in range(24)]
    assert len(set(results)) == 4


def test_shake_moves_each_frame_by_whole_pixels_within_bounds(pictures):
    pixels = int(CORRUPTIONS["shake"].levels[1])
    result = corrupt(pictures, "shake", 2, channels=1, video="a")
    found = set()
    for before, after in zip(pictures, result, strict=True):
        ways = [
            (down, right)
            for down in range(-pixels, pixels + 1)
            for right in range(-pixels, pixels + 1)
            if np.array_equal(shifted(before[None], down, right)[0], after)
        ]
        assert len(ways) == 1
        found.add(ways[0])
    assert len(found) > 10


def test_images_have_no_video_corruptions():
    assert set(corruptions_of("video")) - set(corruptions_of("image")) == {"dropped_frames", "shake"}


def test_wrong_arguments_are_refused(pictures):
    with pytest.raises(RequestError, match="Did you mean noise"):
        corrupt(pictures, "noice", 1, channels=1, video="a")
    with pytest.raises(RequestError, match="strength=6"):
        corrupt(pictures, "noise", 6, channels=1, video="a")


def test_flow_measured_again_is_the_decoders(pictures):
    source = Source("a", "video")
    request = DecodeRequest((source,), HEIGHT, WIDTH, 1, lead_frames=2, chunk_frames=100, flow=2)
    builder = ChunkBuilder(request, MemberInfo())
    for index, picture in enumerate(pictures):
        builder.add(picture, index / 25)
    assert np.array_equal(with_flow(pictures, 2), builder.finish().frames)
