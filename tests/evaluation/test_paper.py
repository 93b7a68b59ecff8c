"""How the 2024 paper's experiment lays its data out: 70/15/15 by object, normal alone to learn from."""

import json
from pathlib import Path

import pytest

from vadray.errors import RequestError
from vadray.evaluation import read_labels
from vadray.evaluation.paper import lay_out


@pytest.fixture(scope="module")
def labelled(tmp_path_factory) -> Path:
    """20 images and 20 videos with labels, every second one anomalous, and 20 normal ones of each kind."""
    root = tmp_path_factory.mktemp("labelled")
    truth: dict[str, dict] = {"clips": {}, "images": {}}
    for number in range(20):
        anomalous = number % 2 == 1
        truth["images"][f"test/{number:02}.png"] = {"anomalous": anomalous}
        truth["clips"][f"test/{number:02}.mp4"] = {"frames": 10, "anomalous": [[3, 5]] if anomalous else []}
        for folder in ("train", "test"):
            for suffix in ("png", "mp4"):
                path = root / folder / f"{number:02}.{suffix}"
                path.parent.mkdir(exist_ok=True)
                path.write_text(f"{folder} {number} {suffix}")
    (root / "labels.json").write_text(json.dumps(truth))
    return root


def test_every_object_is_in_one_part_and_only_normal_ones_are_learned_from(labelled, tmp_path):
    counts = lay_out(read_labels(str(labelled)), tmp_path, seed=0)
    again = read_labels(str(tmp_path))
    for kind, suffix in (("image", "png"), ("video", "mp4")):
        assert counts[f"{kind}s to test on"] == 5, "15 % of 30 normal ones and of 10 others, rounded"
        learned = sorted((tmp_path / "train").rglob(f"*.{suffix}"))
        in_test = [own for path, own in again.labels.items() if path.endswith(suffix)]
        assert [sum(bool(own.ranges) == anomalous for own in in_test) for anomalous in (False, True)] == [
            4,
            1,
        ]
        assert len(learned) == 26, "the other normal ones"
        said = {path.read_text() for path in learned}
        assert len(said) == len(learned) and not any(
            text == f"test {number} {suffix}" for text in said for number in range(1, 20, 2)
        )
        tested = {path.read_text() for path in (tmp_path / "test").rglob(f"*.{suffix}")}
        assert len(tested) == 5 and not tested & said


def test_labels_go_with_their_objects(labelled, tmp_path):
    lay_out(read_labels(str(labelled)), tmp_path, seed=1)
    labels = read_labels(str(tmp_path))
    found = set()
    for path, own in labels.labels.items():
        folder, number, _ = Path(labels.archive, path).read_text().split()
        assert bool(own.ranges) == (folder == "test" and int(number) % 2 == 1)
        found.add(bool(own.ranges))
    assert found == {True, False}


def test_the_seed_decides(labelled, tmp_path):
    def test_part(name: str, seed: int) -> set[str]:
        lay_out(read_labels(str(labelled)), tmp_path / name, seed)
        return {str(path.relative_to(tmp_path / name)) for path in (tmp_path / name / "test").rglob("*.*")}

    assert test_part("a", 0) == test_part("b", 0) != test_part("c", 1)


def test_folders_of_frames_are_refused(tmp_path):
    for number in range(8):
        path = tmp_path / "set" / "Test" / "Test001" / f"{number + 1:03}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    (tmp_path / "set" / "labels.json").write_text(
        json.dumps({"clips": {"Test/Test001": {"frames": 8, "anomalous": []}}})
    )
    with pytest.raises(RequestError, match="received the clip folder"):
        lay_out(read_labels(str(tmp_path / "set")), tmp_path / "data", seed=0)
