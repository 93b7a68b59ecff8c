import json

import pytest

from vadray.errors import RequestError
from vadray.evaluation import read_labels


def write(root, data):
    (root / "labels.json").write_text(json.dumps(data))
    return str(root)


def touch(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")
    return str(root)


def test_frame_ranges_are_inclusive_and_count_from_0(tmp_path):
    labelled = read_labels(
        write(tmp_path, {"clips": {"test/01.mp4": {"frames": 5, "anomalous": [[0, 0], [3, 4]]}}})
    )
    assert labelled.archive == str(tmp_path / "test")
    own = labelled.labels["01.mp4"]
    assert own.flags(5).tolist() == [True, False, False, True, True]
    assert own.flags(2).tolist() == [True, False]
    assert own.flags(6).tolist()[-1] is False
    assert (own.kind, own.frames, labelled.clips) == ("video", 5, True)


def test_what_is_labelled_outside_test_is_not_scored(tmp_path):
    entry = {"frames": 2, "anomalous": []}
    labelled = read_labels(write(tmp_path, {"clips": {"train/1.mp4": entry, "test/camera=a/2.mp4": entry}}))
    assert list(labelled.labels) == ["camera=a/2.mp4"]


def test_without_a_test_folder_the_set_itself_is_the_archive(tmp_path):
    labelled = read_labels(write(tmp_path, {"clips": {"Test001/": {"anomalous": [[1, 2]]}}}))
    assert labelled.archive == str(tmp_path)
    assert labelled.labels["Test001"].frames is None


def test_images_and_videos_in_one_file(tmp_path):
    data = {
        "clips": {"test/a.mp4": {"frames": 3, "anomalous": []}},
        "images": {
            "test/b.jpg": {"anomalous": True, "kind": "scratch"},
            "test/c.jpg": {"anomalous": False, "kind": None},
        },
    }
    labels = read_labels(write(tmp_path, data)).labels
    assert labels["b.jpg"].flags(1).tolist() == [True]
    assert labels["c.jpg"].flags(1).tolist() == [False]
    assert (labels["b.jpg"].kind, labels["b.jpg"].name) == ("image", "scratch")


@pytest.mark.parametrize("normal", ["good", "free", "normal", "Good"])
def test_class_folders(tmp_path, normal):
    root = touch(
        tmp_path,
        f"test/{normal}/000.png",
        "test/crack/000.png",
        "test/crack/deep/1.JPG",
        "test/crack/a.txt",
        "x.png",
    )
    labelled = read_labels(root)
    assert {path: own.flags(1)[0] for path, own in labelled.labels.items()} == {
        f"{normal}/000.png": False,
        "crack/000.png": True,
        "crack/deep/1.JPG": True,
    }
    assert labelled.archive == str(tmp_path / "test")
    assert not labelled.clips


def test_no_layout_names_all_and_what_was_found(tmp_path):
    touch(tmp_path, "test/crack/1.png", "test/fray/1.png")
    with pytest.raises(
        RequestError, match=r"labels\.json with .* good, free or normal.*Found: .*test/crack/, test/fray/"
    ):
        read_labels(str(tmp_path))


def test_the_message_names_every_layout(tmp_path):
    touch(tmp_path, *(f"{letter}.mp4" for letter in "abcdefghij"))
    with pytest.raises(RequestError) as caught:
        read_labels(str(tmp_path))
    message = str(caught.value)
    for name in ("labels.json", "UCSD", "Avenue", "ShanghaiTech", "UCF-Crime", "MVTec AD"):
        assert name in message
    assert message.endswith("Found: a.mp4, b.mp4, c.mp4, d.mp4, e.mp4, f.mp4, g.mp4, h.mp4 and 2 more")


def test_an_unlabelled_folder_is_refused_with_its_content(tmp_path):
    touch(tmp_path, "day=01/00.mp4")
    with pytest.raises(RequestError, match="Found: day=01"):
        read_labels(str(tmp_path))
    with pytest.raises(RequestError, match="Found: nothing"):
        read_labels(str(tmp_path / "absent"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "Received: list"),
        ({"videos": {}}, r"Received: \['videos'\]"),
        (
            {"clips": {"a": {"frames": 3, "anomalous": [[2, 3]]}}},
            r"'a'.*last < frames \(3\)\. Received: \[2, 3\]",
        ),
        ({"clips": {"a": {"frames": 3, "anomalous": [[2, 1]]}}}, r"Received: \[2, 1\]"),
        ({"clips": {"a": {"frames": 3, "anomalous": [1]}}}, "Received: 1"),
        ({"clips": {"a": {"frames": "3", "anomalous": []}}}, "Received: '3'"),
        ({"clips": {"a": {"frames": 3}}}, "expected .*anomalous"),
        ({"clips": ["a"]}, "`clips` to map paths"),
        ({"images": {"a": {"anomalous": [[0, 0]]}}}, "true or false"),
    ],
)
def test_wrong_labels_are_refused_with_the_place(tmp_path, data, message):
    with pytest.raises(RequestError, match=message) as caught:
        read_labels(write(tmp_path, data))
    assert "labels.json" in str(caught.value)


def test_broken_json_is_refused(tmp_path):
    (tmp_path / "labels.json").write_text("{")
    with pytest.raises(RequestError, match=r"labels\.json: expected JSON"):
        read_labels(str(tmp_path))
