import hashlib
import re

import av
import cv2
import numpy as np
import pytest

from vadray.errors import RequestError
from vadray.synth import read_truth, synthesise


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return synthesise(tmp_path_factory.mktemp("synth"))


def decode(path) -> tuple[list[np.ndarray], int]:
    """Every picture that comes out packet by packet, as grey, and the number of packets that failed."""
    pictures, failures = [], 0
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            try:
                pictures += [frame.to_ndarray(format="gray") for frame in packet.decode()]
            except av.error.InvalidDataError:
                failures += 1
    return pictures, failures


def digests(root) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_the_archive_is_laid_out_as_cameras_leave_it(archive):
    count = {
        folder: len(list(archive.root.glob(folder)))
        for folder in (
            "train/camera=gate/*.mp4",
            "train/camera=dock/*.mp4",
            "train/camera=line/*.jpg",
            "test/*/*.mp4",
            "test/camera=line/*.jpg",
        )
    }
    assert list(count.values()) == [3, 3, 80, 4, 30]
    truth = read_truth(archive.root)
    files = {path.relative_to(archive.root).as_posix() for path in archive.test.glob("*/*")}
    assert files == set(truth["clips"]) | set(truth["images"])


def test_image_names_are_not_numbers_of_frames(archive):
    assert not [path for path in archive.root.rglob("*.jpg") if re.search(r"\d", path.name)]


def test_every_clip_holds_the_frames_that_its_truth_says(archive):
    for name, clip in read_truth(archive.root)["clips"].items():
        pictures, failures = decode(archive.root / name)
        assert len(pictures) == clip["frames"], name
        assert failures == (1 if name.endswith("damaged.mp4") else 0)
        assert all(0 <= first <= last < clip["frames"] for first, last in clip["anomalous"])


def test_the_damaged_video_declares_more_than_it_holds(archive):
    path = archive.root / "test/camera=gate/damaged.mp4"
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 200
    clip = read_truth(archive.root)["clips"]["test/camera=gate/damaged.mp4"]
    assert clip["frames"] == 100 and len(clip["events"]) == 1


def test_anomalies_stand_out_inside_their_boxes_and_nowhere_else(archive):
    """What the planted objects change, against the median picture, lies where and when the truth says."""
    for name, clip in read_truth(archive.root)["clips"].items():
        pictures = np.stack(decode(archive.root / name)[0]).astype(np.float32)
        change = np.abs(pictures - np.median(pictures, axis=0))
        quiet = np.ones(len(pictures), bool)
        for first, last in clip["anomalous"]:
            quiet[first : last + 1] = False
        ordinary = (change[quiet] > 40).sum(axis=(1, 2)).max()
        for event in clip["events"]:
            for frame, (x, y, width, height) in zip(
                range(event["start_frame"], event["end_frame"] + 1), event["boxes"], strict=True
            ):
                assert x >= 0 and y >= 0 and x + width <= 192 and y + height <= 128
                inside = change[frame, y : y + height, x : x + width]
                assert (inside > 25).mean() > 0.1, (name, event["kind"], frame)
            if event["kind"] == "cart":
                middle = (event["start_frame"] + event["end_frame"]) // 2
                assert (change[middle] > 40).sum() > ordinary


def test_defects_lie_in_their_boxes(archive):
    images = read_truth(archive.root)["images"]
    assert sum(image["anomalous"] for image in images.values()) == 12
    assert {image["kind"] for image in images.values()} == {None, "scratch", "hole", "stain"}
    for name, image in images.items():
        picture = cv2.imread(str(archive.root / name), cv2.IMREAD_GRAYSCALE).astype(np.float32)
        far = np.abs(cv2.blur(picture, (8, 8)) - np.median(picture)) > 25
        if image["anomalous"]:
            x, y, width, height = image["box"]
            assert far[y : y + height, x : x + width].any(), name
            far[max(0, y - 8) : y + height + 8, max(0, x - 8) : x + width + 8] = False
        assert not far.any(), name


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    small = {"normal_videos": 2, "test_videos": 2, "seconds": 4, "normal_images": 3, "test_images": 5}
    first, again, other = (
        digests(synthesise(tmp_path / name, seed=seed, **small).root)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first == again
    assert not set(first.items()) & set(other.items())


def test_one_kind_alone_can_be_made(tmp_path):
    videos = synthesise(tmp_path / "v", kind="video", normal_videos=1, test_videos=1, seconds=4)
    assert not list(videos.root.rglob("*.jpg")) and read_truth(videos.root)["images"] == {}
    images = synthesise(tmp_path / "i", kind="image", normal_images=2, test_images=5)
    assert not list(images.root.rglob("*.mp4")) and read_truth(images.root)["clips"] == {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"kind": "audio"}, "audio"), ({"seconds": 1}, "seconds"), ({"size": (63, 64)}, "size")],
)
def test_figures_out_of_range_are_refused(tmp_path, arguments, message):
    with pytest.raises(RequestError, match=message):
        synthesise(tmp_path / "x", **arguments)
    assert not (tmp_path / "x").exists()


def test_a_folder_without_truth_is_refused(tmp_path):
    with pytest.raises(RequestError, match=r"labels\.json"):
        read_truth(tmp_path)
