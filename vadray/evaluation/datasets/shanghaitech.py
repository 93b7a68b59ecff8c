"""ShanghaiTech Campus: folders of frames, labels of frames and pixels in NumPy files.

Reference: Luo, Liu, Gao: A Revisit of Sparse Coding Based Anomaly Detection in Stacked RNN Framework. ICCV 2017.
"""

from collections.abc import Collection

from vadray import storage
from vadray.calibration.events import runs
from vadray.errors import RequestError
from vadray.evaluation.datasets.labelled import LabelledSet, ObjectLabels
from vadray.evaluation.datasets.layout import Layout, files_below, first_present
from vadray.evaluation.datasets.masks import ArrayMask, read_array

TEST_FOLDER = "testing"
FRAMES = "frames"
FRAME_LABELS = "test_frame_mask"
PIXEL_LABELS = "test_pixel_mask"
TRAIN_FOLDERS = ("training/frames", "training/videos")

DESCRIPTION = (
    f"ShanghaiTech: frames in {TEST_FOLDER}/{FRAMES}/01_0014/*.jpg, labels of frames in "
    f"{TEST_FOLDER}/{FRAME_LABELS}/01_0014.npy and, if any, masks in {TEST_FOLDER}/{PIXEL_LABELS}/01_0014.npy"
)


def read(root: str, names: Collection[str]) -> LabelledSet | None:
    """Labels of the clips that have a file of frame labels.

    Raises:
        RequestError: No clip has one, or one is not an array of 0 and 1.
    """
    test = storage.join(root, TEST_FOLDER)
    below = set(storage.list_names(test)) if TEST_FOLDER in names else set()
    if not {FRAMES, FRAME_LABELS} <= below:
        return None
    archive, source = storage.join(test, FRAMES), storage.join(test, FRAME_LABELS)
    frame_labels = files_below(source, {".npy"})
    pixel_labels = files_below(storage.join(test, PIXEL_LABELS), {".npy"})
    labels = {}
    for clip in storage.list_names(archive):
        if clip in frame_labels:
            flags = read_array(frame_labels[clip], None, dimensions=1)
            pixels = ArrayMask(pixel_labels[clip]) if clip in pixel_labels else None
            labels[clip] = ObjectLabels("video", len(flags), tuple(runs(flags)), None, pixels)
    if not labels:
        raise RequestError(
            f"{source}: expected <clip>.npy for clips in {archive}. Received: {sorted(frame_labels)[:5]}"
        )
    return LabelledSet(archive, labels, clips=True, source=source, train=first_present(root, TRAIN_FOLDERS))


LAYOUT = Layout(DESCRIPTION, read)
