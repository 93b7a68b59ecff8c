"""UCSD, Avenue and ShanghaiTech as their authors distribute them."""

import numpy as np
import pytest
from scipy.io import savemat

from tests.evaluation.conftest import mask_of, touch, write_picture
from vadray import storage
from vadray.errors import RequestError
from vadray.evaluation import read_labels

FRAMES = 10


def make_ucsd(root, clips=("Test001", "Test002"), masks=("Test001",)):
    """Clips of 10 frames; in those with masks, frames 4 to 6 (from 1) are anomalous."""
    for clip in clips:
        for number in range(1, FRAMES + 1):
            write_picture(root / "Test" / clip / f"{number:03d}.tif", np.zeros((4, 6), np.uint8))
            if clip in masks:
                mask = (
                    mask_of((1, number))
                    if number in (4, 5)
                    else mask_of((0, 0))
                    if number == 6
                    else mask_of()
                )
                write_picture(root / "Test" / f"{clip}_gt" / f"{number:03d}.bmp", mask.astype(np.uint8) * 255)
    touch(root, "Train/Train001/001.tif", "Test/Test001/.DS_Store", "Test/Test001/._001.tif")
    return root


def write_ranges(root, *entries, name="UCSDped2.m"):
    lines = ["TestVideoFile = {};", *(f"TestVideoFile{{end+1}}.gt_frame = {entry};" for entry in entries)]
    (root / "Test" / name).write_text("\n".join(lines) + "\n% TestVideoFile{end+1}.gt_frame = [1:2];\n")


def test_ucsd_masks_alone_say_which_frames_are_anomalous(tmp_path):
    labelled = read_labels(str(make_ucsd(tmp_path, clips=("Test001",))))
    own = labelled.labels["Test001"]
    assert list(labelled.labels) == ["Test001"]
    assert (own.kind, own.frames, own.ranges) == ("video", FRAMES, ((3, 5),))
    mask = own.mask(FRAMES)
    np.testing.assert_array_equal(mask[3], mask_of((1, 4)))
    np.testing.assert_array_equal(mask[5], mask_of((0, 0)))
    assert mask.any(axis=(1, 2)).tolist() == own.flags(FRAMES).tolist()
    assert labelled.clips
    assert (labelled.archive, labelled.train) == (str(tmp_path / "Test"), str(tmp_path / "Train"))


def test_ucsd_ranges_count_from_1_and_go_before_masks(tmp_path):
    write_ranges(make_ucsd(tmp_path), "[2:4, 7 : 7,9]", "[1:10]")
    labels = read_labels(str(tmp_path)).labels
    assert labels["Test001"].ranges == ((1, 3), (6, 6), (8, 8))
    assert labels["Test001"].mask(FRAMES)[3].any()
    assert labels["Test002"].ranges == ((0, 9),)
    assert labels["Test002"].mask(FRAMES) is None


def test_ucsd_clips_with_masks_for_a_part_of_their_frames(tmp_path):
    root = make_ucsd(tmp_path, clips=("Test001",))
    (root / "Test" / "Test001_gt" / "001.bmp").unlink()
    with pytest.raises(RequestError, match=r"each of its 10 frames.*Received: 9 masks"):
        read_labels(str(root))
    write_ranges(root, "[]", name="UCSDped1.m")
    own = read_labels(str(root)).labels["Test001"]
    assert own.ranges == ()
    assert own.mask(FRAMES) is None


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (["[1:2]"], "each of the 2 clips. Received: 1"),
        (["[1:2]", "[5:3]"], r"ranges of frames .*Received: \[5:3\]"),
        (["[1:2]", "[0:3]"], r"ranges of frames .*Received: \[0:3\]"),
        (["[1:2]", "[a:3]"], r"ranges of frames .*Received: \[a:3\]"),
        (["[1:2]", "[3:11]"], "within the 10 frames of Test002"),
    ],
)
def test_ucsd_ranges_that_are_wrong_are_refused(tmp_path, entries, message):
    write_ranges(make_ucsd(tmp_path, masks=()), *entries)
    with pytest.raises(RequestError, match=rf"UCSDped2\.m: .*{message}"):
        read_labels(str(tmp_path))


def test_ucsd_masks_without_a_frame_are_refused(tmp_path):
    root = make_ucsd(tmp_path, clips=("Test001",))
    write_picture(root / "Test" / "Test001_gt" / "011.bmp", np.zeros((4, 6), np.uint8))
    with pytest.raises(RequestError, match=r"Test001_gt: .*Received also: \[11\]"):
        read_labels(str(root))


def test_ucsd_clips_with_neither_are_refused(tmp_path):
    with pytest.raises(RequestError, match=r"Test002: expected .*UCSDped2\.m.*Received: 0 masks"):
        read_labels(str(make_ucsd(tmp_path)))


def cells(*values):
    """What SciPy writes as a cell array."""
    array = np.empty((1, len(values)), dtype=object)
    for index, value in enumerate(values):
        array[0, index] = value
    return array


def write_volume(path, masks, as_cells=True):
    path.parent.mkdir(parents=True, exist_ok=True)
    masks = [mask.astype(np.uint8) for mask in masks]
    volume = cells(*masks) if as_cells else np.stack(masks, axis=2)
    savemat(path, {"volLabel": volume}, do_compression=True)


MASKS = [mask_of(), mask_of((1, 1)), mask_of((2, 2), (2, 3)), mask_of()]


@pytest.mark.parametrize("as_cells", [True, False], ids=["cell array", "one array"])
@pytest.mark.parametrize("folder", ["testing_label_mask", "ground_truth_demo/testing_label_mask"])
def test_avenue(tmp_path, folder, as_cells):
    touch(
        tmp_path,
        "testing_videos/01.avi",
        "testing_videos/02.avi",
        "testing_videos/03.avi",
        "training_videos/01.avi",
    )
    write_volume(tmp_path / folder / "1_label.mat", MASKS, as_cells)
    write_volume(tmp_path / folder / "2_label.mat", MASKS[2:], as_cells)
    labelled = read_labels(str(tmp_path))
    assert {name: own.ranges for name, own in labelled.labels.items()} == {
        "01.avi": ((1, 2),),
        "02.avi": ((0, 0),),
    }
    own = labelled.labels["01.avi"]
    assert (own.frames, labelled.clips) == (4, False)
    np.testing.assert_array_equal(own.mask(4), np.stack(MASKS))
    np.testing.assert_array_equal(own.mask(2), np.stack(MASKS[:2]))
    assert not own.mask(6)[4:].any()
    assert labelled.archive == str(tmp_path / "testing_videos")
    assert labelled.train == str(tmp_path / "training_videos")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"other": np.zeros(2)}, "none"),
        ({"volLabel": np.zeros((2, 2))}, r"ndarray \(2, 2\)"),
        ({"volLabel": cells(np.zeros((2, 2)), np.zeros((2, 3)))}, r"ndarray \(1, 2\)"),
        ({"volLabel": cells("text", np.zeros((2, 2)))}, r"ndarray \(1, 2\)"),
        (b"text", "no MATLAB file"),
        (b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(400), r"a MATLAB file of version 7\.3"),
    ],
    ids=["another variable", "one mask", "two sizes", "text in a cell", "text", "version 7.3"],
)
def test_avenue_label_files_that_are_wrong_are_refused(tmp_path, content, reason):
    touch(tmp_path, "testing_videos/01.avi", "testing_label_mask/1_label.mat")
    path = tmp_path / "testing_label_mask" / "1_label.mat"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        savemat(path, content)
    with pytest.raises(RequestError, match=rf"1_label\.mat: expected a MATLAB file .*Received: {reason}"):
        read_labels(str(tmp_path))


def test_a_label_file_that_kills_its_reader_is_refused(tmp_path, monkeypatch):
    touch(tmp_path, "testing_videos/01.avi", "testing_label_mask/1_label.mat")
    killed = tmp_path / "killed.py"
    killed.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    monkeypatch.setattr("vadray.evaluation.datasets.matlab_child.__file__", str(killed))
    with pytest.raises(RequestError, match=r"1_label\.mat: .*the reader died \(-11\)"):
        read_labels(str(tmp_path))


def test_avenue_label_files_of_other_videos_are_refused(tmp_path):
    touch(tmp_path, "testing_videos/01.avi", "testing_label_mask/7_label.mat")
    with pytest.raises(RequestError, match="1 label files, none of which is a video's"):
        read_labels(str(tmp_path))


def make_shanghaitech(root):
    test = root / "testing"
    touch(test / "frames", "01_0014/000.jpg", "01_0015/000.jpg", "01_0016/000.jpg")
    (test / "test_frame_mask").mkdir()
    (test / "test_pixel_mask").mkdir()
    np.save(test / "test_frame_mask" / "01_0014.npy", np.array([0, 1, 1, 0], np.int8))
    np.save(test / "test_frame_mask" / "01_0015.npy", np.array([0, 0], np.int8))
    np.save(test / "test_pixel_mask" / "01_0014.npy", np.stack(MASKS).astype(np.int8))
    return root


def test_shanghaitech(tmp_path):
    labelled = read_labels(str(make_shanghaitech(tmp_path)))
    assert {name: (own.frames, own.ranges) for name, own in labelled.labels.items()} == {
        "01_0014": (4, ((1, 2),)),
        "01_0015": (2, ()),
    }
    np.testing.assert_array_equal(labelled.labels["01_0014"].mask(4), np.stack(MASKS))
    assert labelled.labels["01_0015"].mask(2) is None
    assert labelled.archive == str(tmp_path / "testing" / "frames")
    assert labelled.clips
    assert labelled.train is None
    touch(tmp_path, "training/videos/01_001.avi")
    assert read_labels(str(tmp_path)).train == str(tmp_path / "training" / "videos")


def test_shanghaitech_labels_that_are_wrong_are_refused(tmp_path):
    root = make_shanghaitech(tmp_path)
    labels = root / "testing" / "test_frame_mask"
    np.save(labels / "01_0015.npy", np.zeros((2, 2)))
    with pytest.raises(RequestError, match=r"01_0015\.npy: expected an array of numbers with 1 dimensions"):
        read_labels(str(root))
    for name in ("01_0014", "01_0015"):
        (labels / f"{name}.npy").rename(labels / f"other_{name}.npy")
    with pytest.raises(RequestError, match=r"test_frame_mask: expected <clip>\.npy.*other_01_0014"):
        read_labels(str(root))


def test_a_set_in_a_bucket_reads_like_one_on_disk(tmp_path, s3_server):
    sets = {"ucsd": make_ucsd(tmp_path / "ucsd", clips=("Test001",))}
    sets["shanghaitech"] = tmp_path / "shanghaitech"
    sets["shanghaitech"].mkdir()
    make_shanghaitech(sets["shanghaitech"])
    sets["avenue"] = tmp_path / "avenue"
    touch(sets["avenue"], "testing_videos/01.avi")
    write_volume(sets["avenue"] / "testing_label_mask" / "1_label.mat", MASKS)
    for name, root in sets.items():
        remote = f"{s3_server.uri}/labelled/{name}"
        for path in root.rglob("*"):
            if path.is_file():
                storage.upload(str(path), f"{remote}/{path.relative_to(root)}")
        there, here = read_labels(remote), read_labels(str(root))
        assert there.archive == here.archive.replace(str(root), remote)
        assert there.train == (here.train and here.train.replace(str(root), remote))
        assert there.labels.keys() == here.labels.keys()
        for key, own in here.labels.items():
            assert there.labels[key].ranges == own.ranges
            np.testing.assert_array_equal(there.labels[key].mask(5), own.mask(5))
