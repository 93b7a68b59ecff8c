"""UCF-Crime: labels of whole videos by folder, and for the test half of frames.

Reference: Sultani, Chen, Shah: Real-World Anomaly Detection in Surveillance Videos. CVPR 2018.
"""

import re
from collections.abc import Collection, Iterator

from vadray import storage
from vadray.archive.listing import VIDEO_SUFFIXES
from vadray.errors import RequestError
from vadray.evaluation.datasets.labelled import EVERY_FRAME, LabelledSet, ObjectLabels
from vadray.evaluation.datasets.layout import Layout, suffix
from vadray.evaluation.datasets.masks import read_file

SPLITS_FOLDER = "Anomaly_Detection_splits"
NORMAL_CLASS = "normal"
_ANNOTATION = re.compile(r"Temporal_Anomaly_Annotation.*\.txt")
_NORMAL_FOLDER = re.compile(r"(Training|Testing)[_-]Normal.*", re.IGNORECASE)
_MARK = re.compile(
    rf"{SPLITS_FOLDER}|Temporal_Anomaly_Annotation.*|(Training|Testing)[_-]Normal.*", re.IGNORECASE
)
MOST_FOLDERS = 64  # looked into for a mark; a camera archive has more than any copy of this set

DESCRIPTION = (
    "UCF-Crime: videos anywhere below, with Temporal_Anomaly_Annotation*.txt of lines "
    "`Abuse028_x264.mp4  Abuse  165  240  -1  -1`, or else in folders by class, the normal ones in "
    "Training_Normal…/ or Testing_Normal…/"
)


def read(root: str, names: Collection[str]) -> LabelledSet | None:
    """Labels of frames for the videos that the annotation names, and where there is none of whole videos.

    An annotated video is found by its name, in the first folder that has it; one that is not there is left
    out, since few have the whole set. Without an annotation a video is of the class that its folder is called.
    `Training_Normal…/` is the normal half, and is not scored where `Testing_Normal…/` is there too.

    Raises:
        RequestError: The annotation is not as described, or no video of the set is there.
    """
    if not any(_MARK.fullmatch(name) for name in (*names, *_one_deeper(root, names))):
        return None
    videos, annotations, normal = [], [], set()
    for entry in storage.list_objects(root, hidden=False, on_skip=lambda uri, reason: None):
        path = storage.relative(entry.uri, root)
        if _ANNOTATION.fullmatch(storage.name(path)):
            annotations.append(entry.uri)
        elif suffix(path) in VIDEO_SUFFIXES:
            videos.append(path)
            normal.update(_normal_folders(path))
    training = {folder for folder in normal if storage.name(folder).lower().startswith("training")}
    # there is one URI to give: where normal footage is in several parts, which is meant is not ours to say
    train = storage.join(root, *training) if len(training) == 1 else None
    if annotations:
        labels = _frame_labels(annotations[0], videos)
        source = annotations[0]
    else:
        if normal == training:  # the only normal videos there are, so they are needed for the evaluation
            training, train = set(), None
        scored = [path for path in videos if "/" in path and not _normal_folders(path) & training]
        labels = {path: _video_labels(path) for path in scored}
        source = root
    if not labels:
        raise RequestError(
            f"{source}: expected videos of UCF-Crime below {root}. Received: {videos[:5] or 'none'}"
        )
    return LabelledSet(root, labels, clips=False, source=source, train=train, video_level=not annotations)


LAYOUT = Layout(DESCRIPTION, read)


def _one_deeper(root: str, names: Collection[str]) -> Iterator[str]:
    folders = [name for name in names if not suffix(name)]
    for name in folders[:MOST_FOLDERS]:
        yield from storage.list_names(storage.join(root, name))


def _normal_folders(path: str) -> set[str]:
    """The folders above a video that are called normal, by their path."""
    parts = path.split("/")[:-1]
    return {
        "/".join(parts[: index + 1]) for index, part in enumerate(parts) if _NORMAL_FOLDER.fullmatch(part)
    }


def _video_labels(path: str) -> ObjectLabels:
    if _normal_folders(path):
        return ObjectLabels("video", None, ())
    return ObjectLabels("video", None, EVERY_FRAME, storage.name(path.rpartition("/")[0]))


def _frame_labels(uri: str, videos: Collection[str]) -> dict[str, ObjectLabels]:
    by_name: dict[str, str] = {}
    for path in videos:
        by_name.setdefault(storage.name(path), path)
    labels = {}
    for number, line in enumerate(read_file(uri).decode(errors="replace").splitlines(), start=1):
        if line.strip():
            name, own = _annotated(f"{uri}: line {number}", line.split())
            if name in by_name:
                labels[by_name[name]] = own
    return labels


def _annotated(where: str, fields: list[str]) -> tuple[str, ObjectLabels]:
    """A line's video and labels; its frames count from 1, ours from 0."""
    try:
        name, kind, *ends = fields
        first, last, second_first, second_last = map(int, ends)
    except ValueError:
        raise RequestError(
            f"{where}: expected a video, its class and four frame numbers. Received: {' '.join(fields):.80}"
        ) from None
    ranges = []
    for pair in ((first, last), (second_first, second_last)):
        if pair == (-1, -1):
            continue
        if not 1 <= pair[0] <= pair[1]:
            raise RequestError(f"{where}: expected first and last frame from 1, or -1 -1. Received: {pair}")
        ranges.append((pair[0] - 1, pair[1] - 1))
    is_normal = kind.lower() == NORMAL_CLASS
    if is_normal and ranges:
        raise RequestError(f"{where}: expected no anomalous frames in a normal video. Received: {ends}")
    return name, ObjectLabels("video", None, tuple(ranges), None if is_normal else kind)
