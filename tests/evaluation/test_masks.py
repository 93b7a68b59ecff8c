"""Masks beside labels.json and class folders, and files that are not what they should be."""

import json
import pickle

import cv2
import numpy as np
import pytest

from tests.evaluation.conftest import mask_of, touch, write_picture
from vadray.errors import RequestError
from vadray.evaluation import read_labels
from vadray.evaluation.datasets.masks import first_frames, read_array, read_picture


def white(mask):
    return mask.astype(np.uint8) * 255


@pytest.fixture
def clips(tmp_path):
    data = {
        "clips": {
            "test/a/01.mp4": {"frames": 3, "anomalous": [[1, 1]]},
            "test/v1.5": {"frames": 2, "anomalous": []},
            "test/02.mp4": {"frames": 3, "anomalous": []},
        },
        "images": {"test/b.jpg": {"anomalous": True}},
    }
    (tmp_path / "labels.json").write_text(json.dumps(data))
    (tmp_path / "masks" / "a").mkdir(parents=True)
    masks = np.stack([mask_of(), mask_of((1, 2)), mask_of()])
    np.savez_compressed(tmp_path / "masks" / "a" / "01.npz", mask=masks)
    np.savez_compressed(tmp_path / "masks" / "v1.5.npz", mask=masks[:2])
    write_picture(tmp_path / "masks" / "b.png", white(mask_of((3, 3))))
    return tmp_path, masks


def test_masks_beside_labels_json_are_found_by_name(clips):
    root, masks = clips
    labels = read_labels(str(root)).labels
    np.testing.assert_array_equal(labels["a/01.mp4"].mask(3), masks)
    np.testing.assert_array_equal(labels["v1.5"].mask(2), masks[:2])
    np.testing.assert_array_equal(labels["b.jpg"].mask(1)[0], mask_of((3, 3)))
    assert labels["02.mp4"].mask(3) is None


def test_masks_are_cut_and_padded_like_flags(clips):
    own = read_labels(str(clips[0])).labels["a/01.mp4"]
    for frames in (1, 2, 3, 5):
        mask = own.mask(frames)
        assert mask.shape == (frames, 4, 6)
        np.testing.assert_array_equal(mask.any(axis=(1, 2)), own.flags(frames))


def test_masks_are_read_when_asked_for_and_travel_to_other_processes(clips):
    root, masks = clips
    labels = read_labels(str(root)).labels
    travelled = pickle.loads(pickle.dumps(labels))
    np.testing.assert_array_equal(travelled["a/01.mp4"].mask(3), masks)
    (root / "masks" / "a" / "01.npz").unlink()
    with pytest.raises(RequestError, match=r"01\.npz: expected a file of the labelled set"):
        labels["a/01.mp4"].mask(3)


def test_train_is_normal_footage_only(tmp_path):
    clips = {
        "train/1.mp4": {"frames": 2, "anomalous": []},
        "test/2.mp4": {"frames": 2, "anomalous": [[0, 0]]},
    }
    (tmp_path / "labels.json").write_text(json.dumps({"clips": clips}))
    assert read_labels(str(tmp_path)).train is None
    touch(tmp_path, "train/1.mp4")
    assert read_labels(str(tmp_path)).train == str(tmp_path / "train")
    clips["train/1.mp4"]["anomalous"] = [[0, 0]]
    (tmp_path / "labels.json").write_text(json.dumps({"clips": clips}))
    assert read_labels(str(tmp_path)).train is None


@pytest.mark.parametrize(
    ("folder", "ending"), [("ground_truth", "_mask"), ("masks", "")], ids=["MVTec AD", "masks"]
)
def test_masks_of_class_folders(tmp_path, folder, ending):
    for name, size in (
        ("good/000", (4, 6)),
        ("good/001", (8, 5)),
        ("crack/000", (4, 6)),
        ("crack/001", (4, 6)),
    ):
        write_picture(tmp_path / "test" / f"{name}.png", np.zeros(size, np.uint8))
    write_picture(tmp_path / folder / "crack" / f"000{ending}.png", white(mask_of((0, 0), (0, 1))))
    touch(tmp_path, "train/good/000.png", "train/good/001.png")
    labelled = read_labels(str(tmp_path))
    np.testing.assert_array_equal(labelled.labels["crack/000.png"].mask(1)[0], mask_of((0, 0), (0, 1)))
    # nobody drew the second defect: it must not count as a picture without any
    assert labelled.labels["crack/001.png"].mask(1) is None
    for path, shape in (("good/000.png", (1, 4, 6)), ("good/001.png", (1, 8, 5))):
        mask = labelled.labels[path].mask(1)
        assert mask.shape == shape
        assert not mask.any()
    assert labelled.train == str(tmp_path / "train" / "good")
    assert not labelled.video_level


def test_class_folders_without_masks_have_none(tmp_path):
    touch(tmp_path, "test/good/000.png", "test/crack/000.png", "train/0.png")
    labelled = read_labels(str(tmp_path))
    assert [own.mask(1) for own in labelled.labels.values()] == [None, None]
    assert labelled.train == str(tmp_path / "train")


def test_training_classes_that_are_not_normal_are_no_normal_half(tmp_path):
    touch(tmp_path, "test/good/000.png", "train/crack/0.png")
    assert read_labels(str(tmp_path)).train is None


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (np.array([[0, 3, 127, 128, 255]], np.uint8), [False, False, False, True, True]),
        (np.array([[0, 1, 0, 1, 1]], np.uint8), [False, True, False, True, True]),
        (np.array([[0, 1, 1, 2, 3]], np.uint8), [False, False, False, False, False]),
        (np.array([[0, 300, 32767, 32768, 65535]], np.uint16), [False, False, False, True, True]),
    ],
    ids=["grey edges", "zeros and ones", "noise alone", "16 bits"],
)
def test_what_counts_as_a_pixel_of_a_mask(tmp_path, pixels, expected):
    write_picture(tmp_path / "mask.png", pixels)
    assert read_picture(str(tmp_path / "mask.png"))[0].tolist() == expected


def test_opacity_is_no_mask(tmp_path):
    picture = np.zeros((2, 2, 4), np.uint8)
    picture[..., 3] = 255
    picture[0, 1, 2] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), picture)
    assert read_picture(str(tmp_path / "mask.png")).tolist() == [[False, True], [False, False]]


def test_a_mask_that_is_no_picture_is_refused(tmp_path):
    (tmp_path / "mask.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    with pytest.raises(RequestError, match=r"mask\.png: expected a mask as a PNG"):
        read_picture(str(tmp_path / "mask.png"))


class Planted:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_pickles_are_never_opened(tmp_path):
    np.save(
        tmp_path / "a.npy", np.array([Planted(str(tmp_path / "planted"))], dtype=object), allow_pickle=True
    )
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Planted(str(tmp_path / "planted"))))
    for name in ("a.npy", "b.npy"):
        with pytest.raises(RequestError, match=f"{name}: expected a NumPy file"):
            read_array(str(tmp_path / name), None, dimensions=1)
    assert not (tmp_path / "planted").exists()


def test_arrays_of_another_form_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", other=np.zeros(3))
    with pytest.raises(RequestError, match=r"a\.npz: expected a NumPy file with an array `mask`"):
        read_array(str(tmp_path / "a.npz"), "mask", dimensions=3)
    np.save(tmp_path / "b.npy", np.zeros((2, 2)))
    with pytest.raises(RequestError, match=r"3 dimensions\. Received: float64 \[2, 2\]"):
        read_array(str(tmp_path / "b.npy"), None, dimensions=3)
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "c.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RequestError, match=r"c\.npz: expected a NumPy file"):
        read_array(str(tmp_path / "c.npz"), "other", dimensions=1)


def test_first_frames():
    masks = np.ones((2, 1, 1), dtype=bool)
    assert first_frames(masks, 3)[:, 0, 0].tolist() == [True, True, False]
    assert first_frames(masks, 1)[:, 0, 0].tolist() == [True]


def test_real_ped2_masks_agree_with_its_labels(real_set):
    labelled = read_labels(real_set("ped2"))
    assert len(labelled.labels) == 12
    assert labelled.train is not None
    assert labelled.train.endswith("ped2/train")
    for name in ("01.mp4", "08.mp4"):
        own = labelled.labels[name]
        mask = own.mask(own.frames)
        assert mask.shape == (own.frames, 240, 360)
        np.testing.assert_array_equal(mask.any(axis=(1, 2)), own.flags(own.frames))


def test_real_tiles_have_a_mask_for_every_defect(real_set):
    labelled = read_labels(real_set("tiles"))
    assert labelled.train is not None
    assert labelled.train.endswith("tiles/train/free")
    defects = {path: own for path, own in labelled.labels.items() if own.ranges}
    assert (len(defects), len(labelled.labels)) == (70, 130)
    for path, own in labelled.labels.items():
        mask = own.mask(1)
        picture = cv2.imread(f"{labelled.archive}/{path}", cv2.IMREAD_GRAYSCALE)
        assert mask.shape == (1, *picture.shape), path
        assert own.ranges or not mask.any(), path
    # one of the set's own masks is empty
    assert sum(bool(own.mask(1).any()) for own in defects.values()) == 69
