"""UCSD Ped1 and Ped2 as their authors distribute them: a folder of frames a clip, labels in two forms.

Reference: Mahadevan, Li, Bhalodia, Vasconcelos: Anomaly Detection in Crowded Scenes. CVPR 2010.
"""

import re
from collections.abc import Collection, Sequence

import numpy as np

from vadray import storage
from vadray.archive.listing import IMAGE_SUFFIXES
from vadray.calibration.events import runs
from vadray.errors import RequestError
from vadray.evaluation.datasets.labelled import LabelledSet, ObjectLabels
from vadray.evaluation.datasets.layout import Layout, files_below, last_number
from vadray.evaluation.datasets.masks import MASK_SUFFIXES, PictureMasks, read_file, read_picture

TEST_FOLDER = "Test"
TRAIN_FOLDER = "Train"
MASKS_ENDING = "_gt"
_CLIP = re.compile(r"Test[0-9]+")
_RANGES_FILE = re.compile(r"UCSDped[0-9]*\.m")
_COMMENT = re.compile(r"%[^\n]*")
_ENTRY = re.compile(r"TestVideoFile\{end\+1\}\.gt_frame\s*=\s*([^;\n]*)")
_RANGE = re.compile(r"([0-9]+)(?::([0-9]+))?")

DESCRIPTION = (
    "UCSD Ped1 or Ped2: frames in Test/Test001/001.tif …, with masks in Test/Test001_gt/*.bmp, frame ranges in "
    "Test/UCSDped2.m, or both"
)


def read(root: str, names: Collection[str]) -> LabelledSet | None:
    """Labels of the clips in `Test/`, from the `.m` file where there is one and else from the masks.

    Raises:
        RequestError: A clip has neither, the `.m` file has not one entry a clip, or masks do not fit the frames.
    """
    archive = storage.join(root, TEST_FOLDER)
    below = list(storage.list_names(archive)) if TEST_FOLDER in names else []
    clips = sorted(name for name in below if _CLIP.fullmatch(name))
    if not clips:
        return None
    ranges_name = next((name for name in below if _RANGES_FILE.fullmatch(name)), None)
    source = storage.join(archive, ranges_name) if ranges_name else archive
    ranges = _read_ranges(source, clips) if ranges_name else {}
    labels = {}
    for clip in clips:
        folder = storage.join(archive, clip)
        frames = _numbered(folder, IMAGE_SUFFIXES)
        masks = _numbered(f"{folder}{MASKS_ENDING}", MASK_SUFFIXES)
        if masks.keys() - frames.keys():
            raise RequestError(
                f"{folder}{MASKS_ENDING}: expected the numbers of the frames in {clip}. "
                f"Received also: {sorted(masks.keys() - frames.keys())[:5]}"
            )
        # of Ped1 some clips have masks for a part of their frames: they tell nothing of the others
        pixels = (
            PictureMasks(tuple(masks[number] for number in sorted(frames)))
            if masks.keys() == frames.keys()
            else None
        )
        if clip in ranges:
            own = ranges[clip]
            if own and own[-1][1] >= len(frames):
                raise RequestError(
                    f"{source}: expected ranges within the {len(frames)} frames of {clip}. Received: {own}"
                )
        elif pixels is not None:
            own = tuple(runs(np.array([read_picture(uri).any() for uri in pixels.uris], dtype=bool)))
        else:
            raise RequestError(
                f"{folder}: expected UCSDped1.m or UCSDped2.m beside it, or a mask for each of its {len(frames)} "
                f"frames in {clip}{MASKS_ENDING}. Received: {len(masks)} masks"
            )
        labels[clip] = ObjectLabels("video", len(frames), own, None, pixels)
    train = storage.join(root, TRAIN_FOLDER) if TRAIN_FOLDER in names else None
    return LabelledSet(archive, labels, clips=True, source=source, train=train)


LAYOUT = Layout(DESCRIPTION, read)


def _numbered(folder: str, suffixes: Collection[str]) -> dict[int, str]:
    numbers: dict[int, str] = {}
    for name, uri in files_below(folder, suffixes).items():
        number = last_number(name)
        if number is None or number in numbers:
            raise RequestError(f"{folder}: expected frames with a number of their own. Received: {name}")
        numbers[number] = uri
    return numbers


def _read_ranges(uri: str, clips: Sequence[str]) -> dict[str, tuple[tuple[int, int], ...]]:
    """Frame ranges, 0-based, of a file that is MATLAB code; it is read as text, the n-th entry for the n-th clip."""
    text = _COMMENT.sub("", read_file(uri).decode(errors="replace"))
    entries = _ENTRY.findall(text)
    if len(entries) != len(clips):
        raise RequestError(
            f"{uri}: expected a line `TestVideoFile{{end+1}}.gt_frame = [61:180];` for each of the {len(clips)} clips. "
            f"Received: {len(entries)}"
        )
    return {clip: _ranges(uri, entry) for clip, entry in zip(clips, entries, strict=True)}


def _ranges(uri: str, entry: str) -> tuple[tuple[int, int], ...]:
    inside = re.sub(r"\s*:\s*", ":", entry.strip().removeprefix("[").removesuffix("]"))
    ranges = []
    for part in re.split(r"[\s,]+", inside.strip()) if inside.strip() else []:
        found = _RANGE.fullmatch(part)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not 1 <= first <= last:
            raise RequestError(
                f"{uri}: expected ranges of frames such as [61:180, 190:195]. Received: {entry}"
            )
        ranges.append((first - 1, last - 1))
    return tuple(sorted(ranges))
