"""Labelled sets: which archive to score, and what is true of each object in it."""

import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from vadray import storage
from vadray.archive.listing import IMAGE_SUFFIXES
from vadray.errors import RequestError

LABELS_NAME = "labels.json"
TEST_FOLDER = "test"
NORMAL_CLASSES = ("good", "free", "normal")

LAYOUTS = (
    f"{LABELS_NAME} with "
    '{"clips": {"test/01.mp4": {"frames": 180, "anomalous": [[60, 179]]}}} (frame ranges 0-based, inclusive) '
    'and, for images, {"images": {"test/a.png": {"anomalous": true}}}; '
    f"or images in {TEST_FOLDER}/<class>/, one class of which is called {', '.join(NORMAL_CLASSES[:-1])} "
    f"or {NORMAL_CLASSES[-1]}"
)


@dataclass(frozen=True)
class ObjectLabels:
    """What is true of one object.

    Args:
        kind: "video" (a video file or a clip) or "image".
        frames: How many frames the labels were made for, None when not said; 1 for images.
        ranges: Anomalous frames as `(first, last)`, 0-based, inclusive.
        name: What the anomaly is, where the set says.
    """

    kind: str
    frames: int | None
    ranges: tuple[tuple[int, int], ...]
    name: str | None = None

    def flags(self, frames: int) -> np.ndarray:
        """Labels of the first `frames` frames, bool; frames after the labelled ones count as normal.

        A damaged file may yield fewer frames than were labelled: compare with `self.frames`.
        """
        flags = np.zeros(frames, dtype=bool)
        for first, last in self.ranges:
            flags[first : last + 1] = True
        return flags


@dataclass(frozen=True)
class LabelledSet:
    """A labelled archive.

    Args:
        archive: URI of the folder to score: `test/` of the set where the labels name it, else the set itself.
        labels: By path relative to `archive` (of a clip: its folder, without a slash at the end).
        clips: Whether folders of numbered images are clips; False where each image has its own label.
        source: URI of what the labels were read from, for messages.
    """

    archive: str
    labels: dict[str, ObjectLabels]
    clips: bool
    source: str


def read_labels(dataset_uri: str) -> LabelledSet:
    """Reads the labels of a set, from `labels.json` or from the names of class folders.

    Raises:
        RequestError: It is in neither layout, or `labels.json` is not as described; the message names both
            layouts and what was found.
    """
    root = storage.absolute(dataset_uri)
    labels_uri = storage.join(root, LABELS_NAME)
    if storage.exists(labels_uri):
        return _from_json(root, labels_uri)
    return _from_folders(root)


def _from_json(root: str, labels_uri: str) -> LabelledSet:
    try:
        data = json.loads(storage.read_bytes(labels_uri))
    except ValueError as error:
        raise RequestError(f"{labels_uri}: expected JSON. Received: {error}") from error
    if not isinstance(data, dict) or not (data.get("clips") or data.get("images")):
        found = sorted(data) if isinstance(data, dict) else type(data).__name__
        raise RequestError(f"{labels_uri}: expected {LAYOUTS}. Received: {found}")
    labels = {}
    for section, read in (("clips", _clip_labels), ("images", _image_labels)):
        entries = data.get(section) or {}
        if not isinstance(entries, dict):
            raise RequestError(
                f"{labels_uri}: expected `{section}` to map paths to labels. Received: {entries!r:.80}"
            )
        for path, entry in entries.items():
            labels[path.rstrip("/")] = read(f"{labels_uri}: `{section}` {path!r}", entry)

    prefix = f"{TEST_FOLDER}/"
    archive = root
    if any(path.startswith(prefix) for path in labels):
        # what is labelled outside test/ was for training
        labels = {path.removeprefix(prefix): own for path, own in labels.items() if path.startswith(prefix)}
        archive = storage.join(root, TEST_FOLDER)
    clips = any(own.kind == "video" for own in labels.values())
    return LabelledSet(archive, labels, clips, labels_uri)


def _clip_labels(where: str, entry: Any) -> ObjectLabels:
    if not isinstance(entry, dict) or not isinstance(entry.get("anomalous"), list):
        raise RequestError(
            f'{where}: expected {{"frames": n, "anomalous": [[first, last], …]}}. Received: {entry!r:.80}'
        )
    frames = entry.get("frames")
    if frames is not None and not (_is_integer(frames) and frames >= 0):
        raise RequestError(f"{where}: expected `frames` to be a whole number. Received: {frames!r:.80}")
    for pair in entry["anomalous"]:
        right = isinstance(pair, list) and len(pair) == 2 and all(_is_integer(end) for end in pair)
        if not right or not 0 <= pair[0] <= pair[1] or (frames is not None and pair[1] >= frames):
            raise RequestError(
                f"{where}: expected [first, last] with 0 <= first <= last < frames ({frames}). "
                f"Received: {pair!r:.80}"
            )
    return ObjectLabels("video", frames, tuple((first, last) for first, last in entry["anomalous"]))


def _image_labels(where: str, entry: Any) -> ObjectLabels:
    anomalous = entry.get("anomalous") if isinstance(entry, dict) else None
    if not isinstance(anomalous, bool):
        raise RequestError(f'{where}: expected {{"anomalous": true or false}}. Received: {entry!r:.80}')
    name = entry.get("kind")
    return ObjectLabels("image", 1, ((0, 0),) if anomalous else (), name if isinstance(name, str) else None)


def _from_folders(root: str) -> LabelledSet:
    archive = storage.join(root, TEST_FOLDER)
    labels: dict[str, ObjectLabels] = {}
    classes = set()
    if storage.exists(archive):
        for entry in storage.list_objects(archive, hidden=False):
            path = storage.relative(entry.uri, archive)
            if "/" not in path or PurePosixPath(path).suffix.lower() not in IMAGE_SUFFIXES:
                continue
            name = path.split("/", 1)[0]
            classes.add(name)
            normal = name.lower() in NORMAL_CLASSES
            labels[path] = ObjectLabels("image", 1, () if normal else ((0, 0),), None if normal else name)
    if not any(name.lower() in NORMAL_CLASSES for name in classes):
        if classes:
            found = f"images in {', '.join(f'{TEST_FOLDER}/{name}/' for name in sorted(classes)[:8])}"
        else:
            found = ", ".join(sorted(storage.list_names(root))[:8]) or "nothing"
        raise RequestError(f"{root}: expected a labelled set: {LAYOUTS}. Found: {found}")
    return LabelledSet(archive, labels, clips=False, source=archive)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
