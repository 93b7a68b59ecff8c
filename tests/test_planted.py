"""Anomalies planted in recordings: what is written is what is true of them, and the recordings stay what they were."""

import hashlib
import json

import numpy as np
import pytest

from tests.running import run
from vadray.errors import RequestError
from vadray.evaluation.datasets import read_labels
from vadray.synth import plant_in, synthesise
from vadray.synth.movers import Cutout, background_of, feet, tracks
from vadray.synth.planted import KINDS, NORMAL, plant, read_clip
from vadray.synth.videos import encode


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Six recordings of one camera."""
    out = tmp_path_factory.mktemp("recordings")
    made = synthesise(out, normal_videos=12, test_videos=0, kind="video")
    return made.train / "camera=gate"


@pytest.fixture(scope="module")
def material(base):
    """A clip, and what moves in another one of the same camera."""
    one, other = (read_clip(path)[0] for path in sorted(base.iterdir())[1:3])
    found = tracks(other, background_of(other))
    return one, feet(one, background_of(one)), max(found, key=len)


def test_it_is_laid_out_as_other_sets_are(base, tmp_path, capsys):
    status, result, _ = run(capsys, "synth", tmp_path / "out", f"base={base}", "seed=3")
    assert status == 0 and result["videos_labelled"] == 3 * len(KINDS)
    kept = {path.name: path.read_bytes() for path in sorted(base.iterdir())[::2]}
    assert {path.name: path.read_bytes() for path in (tmp_path / "out" / "train").iterdir()} == kept
    truth = json.loads((tmp_path / "out" / "labels.json").read_text())["clips"]
    for name, clip in truth.items():
        pictures, fps = read_clip(tmp_path / "out" / name)
        assert len(pictures) == clip["frames"] == 200 and fps == 10
        assert (not clip["events"]) == name.endswith(f"-{NORMAL}.mp4"), name
    labelled = read_labels(str(tmp_path / "out"))
    assert sum(bool(one.ranges) for one in labelled.labels.values()) == 3 * (len(KINDS) - 1)
    plant_in(base, tmp_path / "again", seed=3)
    digests = [
        {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in (tmp_path / name).rglob("*.mp4")
        }
        for name in ("out", "again")
    ]
    assert digests[0] == digests[1]


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_object_is_different(material, kind):
    pictures, standing, track = material
    before = pictures.copy()
    planted, boxes = plant(pictures, standing, track, kind, np.random.default_rng(2))
    assert np.array_equal(pictures, before) and (len(boxes) > 0) == (kind != NORMAL)
    changed = np.abs(planted.astype(int) - before).max(axis=3) > 100
    for frame, (left, top, width, height) in boxes.items():
        assert (
            left >= 0 and left + width <= planted.shape[2] and top >= 0 and top + height <= planted.shape[1]
        )
        outside = changed[frame].copy()
        outside[top : top + height, left : left + width] = False
        assert not outside.any(), "what is plainly the object's lies in its box"
    assert changed[list(boxes) or slice(20, 200)].any()
    assert np.array_equal(planted[:20], before[:20]), "it comes after a while"


def test_each_kind_is_what_it_is_called(material):
    pictures, standing, track = material

    def of(kind: str) -> np.ndarray:
        random = np.random.default_rng(5)
        boxes = plant(pictures, standing, track, kind, random)[1].values()
        inside = [box for box in boxes if box[0] > 0 and box[0] + box[2] < pictures.shape[2]]
        return np.array(inside, float)

    usual_pace = abs(track[-1].x - track[0].x) / (len(track) - 1)
    usual = track[len(track) // 2].picture.shape

    def pace(boxes: np.ndarray) -> float:
        return abs(np.polyfit(range(len(boxes)), boxes[:, 0] + boxes[:, 2] / 2, 1)[0])

    assert pace(of("fast")) > 1.4 * usual_pace
    assert pace(of("halted")) < 0.3 * usual_pace
    assert np.median(of("large")[:, 3]) > 1.3 * usual[0]
    assert np.median(of("broad")[:, 2] / of("broad")[:, 3]) > 1.4 * usual[1] / usual[0]


def street_and_walker(nearer: int) -> tuple[np.ndarray, np.ndarray, list[Cutout]]:
    """A grey street with a bright block that stands in row `nearer`, its feet, and a walker who is dark and light by turns."""
    background = np.full((80, 120, 3), 120, np.uint8)
    pictures = np.repeat(background[None], 100, axis=0)
    pictures[:, nearer - 40 : nearer, 50:62] = 250
    walker = [
        Cutout(
            np.full((24, 12, 3), (30, 200)[x % 2], np.uint8),
            np.ones((24, 12), np.float32),
            x - 6,
            30,
            x,
            42,
            288,
        )
        for x in range(26, 56)
    ]
    return pictures, feet(pictures, background), walker


@pytest.mark.parametrize("nearer, hides", [(75, True), (45, False)])
def test_it_comes_in_at_the_border_and_goes_behind_who_is_nearer(nearer, hides):
    pictures, standing, walker = street_and_walker(nearer)
    planted, boxes = plant(pictures, standing, walker, "fast", np.random.default_rng(0))
    left, _, width, _ = boxes[min(boxes)]
    assert (left == 0 or left + width == 120) and width < 12
    block = np.s_[:, nearer - 38 : nearer - 2, 52:60]
    assert np.array_equal(planted[block], pictures[block]) == hides


def test_who_glides_looks_the_same_all_the_way():
    pictures, standing, walker = street_and_walker(45)
    for kind, looks in (("gliding", 1), ("fast", 2)):
        planted, boxes = plant(pictures, standing, walker, kind, np.random.default_rng(0))
        inside = [(at, box) for at, box in boxes.items() if 0 < box[0] < 30 and box[2] > 8]
        seen = {int(planted[at, 42, left + width // 2, 0]) for at, (left, _, width, _) in inside}
        assert len(inside) > 3 and len(seen) == looks


def test_too_little_to_plant_in_is_an_error(base, tmp_path):
    (tmp_path / "few").mkdir()
    with pytest.raises(RequestError, match="base: expected a folder of at least 4 videos, found 0"):
        plant_in(tmp_path / "few", tmp_path / "out")
    still = tmp_path / "still"
    still.mkdir()
    picture = np.full((64, 96, 3), 90, np.uint8)

    for number in range(4):
        encode(still / f"{number}.mp4", iter([picture] * 60), 10, (96, 64))
    with pytest.raises(RequestError, match="can be followed for 20 frames, found none"):
        plant_in(still, tmp_path / "out")
