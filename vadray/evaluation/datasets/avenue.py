"""CUHK Avenue: videos, and a MATLAB file of pixel masks for each.

Reference: Lu, Shi, Jia: Abnormal Event Detection at 150 FPS in MATLAB. ICCV 2013.
"""

import io
import re
import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from vadray import storage
from vadray.archive.listing import VIDEO_SUFFIXES
from vadray.calibration.events import runs
from vadray.errors import RequestError
from vadray.evaluation.datasets import matlab_child
from vadray.evaluation.datasets.labelled import LabelledSet, ObjectLabels
from vadray.evaluation.datasets.layout import Layout, first_present, last_number, stem, suffix
from vadray.evaluation.datasets.masks import first_frames, read_file

TEST_FOLDER = "testing_videos"
TRAIN_FOLDER = "training_videos"
MASK_FOLDERS = ("testing_label_mask", "ground_truth_demo/testing_label_mask")
VARIABLE = "volLabel"
READ_TIMEOUT_S = 120
_LABEL = re.compile(r"([0-9]+)_label\.mat")

DESCRIPTION = (
    f"CUHK Avenue: videos in {TEST_FOLDER}/01.avi …, with {VARIABLE} in testing_label_mask/1_label.mat … "
    "(beside them or in ground_truth_demo/)"
)


def read(root: str, names: Collection[str]) -> LabelledSet | None:
    """Labels of the videos that have a label file: a frame is anomalous where its mask has a pixel.

    Raises:
        RequestError: No video has one, or one is not as described.
    """
    folder = first_present(root, MASK_FOLDERS) if TEST_FOLDER in names else None
    if folder is None:
        return None
    archive = storage.join(root, TEST_FOLDER)
    readers = {
        int(found[1]): VolumeMask(storage.join(folder, name))
        for name in storage.list_names(folder)
        if (found := _LABEL.fullmatch(name))
    }
    labels = {}
    for name in storage.list_names(archive):
        number = last_number(stem(name))
        if suffix(name) in VIDEO_SUFFIXES and number in readers:
            flags = np.array([mask.any() for mask in readers[number].masks()], dtype=bool)
            labels[name] = ObjectLabels("video", len(flags), tuple(runs(flags)), None, readers[number])
    if not labels:
        raise RequestError(
            f"{root}: expected videos in {TEST_FOLDER}/ with label files in {folder}. "
            f"Received: {len(readers)} label files, none of which is a video's"
        )
    train = storage.join(root, TRAIN_FOLDER) if TRAIN_FOLDER in names else None
    return LabelledSet(archive, labels, clips=False, source=folder, train=train)


LAYOUT = Layout(DESCRIPTION, read)


@dataclass(frozen=True)
class VolumeMask:
    """Masks of one video in a MATLAB file: a cell array of `[rows, columns]`, or one `[rows, columns, frames]`."""

    uri: str

    def __call__(self, frames: int) -> np.ndarray:
        return first_frames(self.masks(), frames)

    def masks(self) -> np.ndarray:
        """All masks, bool `[frames, rows, columns]`.

        Raises:
            RequestError: The file is not as described.
        """
        data = read_file(self.uri)
        try:
            child = subprocess.run(
                [sys.executable, "-I", matlab_child.__file__, VARIABLE],
                input=data,
                capture_output=True,
                timeout=READ_TIMEOUT_S,
            )
        except subprocess.TimeoutExpired as error:
            raise RequestError(f"{self.uri}: could not be read in {READ_TIMEOUT_S} s") from error
        if child.returncode != 0:
            said = child.stderr.decode(errors="replace").strip().splitlines()
            reason = said[-1] if said else f"a file at which the reader died ({child.returncode})"
            raise RequestError(
                f"{self.uri}: expected a MATLAB file with `{VARIABLE}`, a cell array of masks of one size or an array "
                f"[rows, columns, frames]. Received: {reason}"
            )
        output = io.BytesIO(child.stdout)
        columns = int(np.load(output, allow_pickle=False))
        packed = np.load(output, allow_pickle=False)
        return np.unpackbits(packed, axis=2, count=columns).view(bool)
