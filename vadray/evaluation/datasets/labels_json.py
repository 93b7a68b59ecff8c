"""Our own layout: `labels.json` beside the archive. Masks and normal footage are found by their names."""

import json
from collections.abc import Collection
from typing import Any

from vadray import storage
from vadray.errors import RequestError
from vadray.evaluation.datasets.labelled import LabelledSet, MaskReader, ObjectLabels
from vadray.evaluation.datasets.layout import Layout, files_below, stem
from vadray.evaluation.datasets.masks import MASK_SUFFIXES, ArrayMask, PictureMask

LABELS_NAME = "labels.json"
TEST_FOLDER = "test"
TRAIN_FOLDER = "train"
MASKS_FOLDER = "masks"
MASK_KEY = "mask"

DESCRIPTION = (
    f"{LABELS_NAME} with "
    '{"clips": {"test/01.mp4": {"frames": 180, "anomalous": [[60, 179]]}}} (frame ranges 0-based, inclusive) '
    'and, for images, {"images": {"test/a.png": {"anomalous": true}}}'
)


def read(root: str, names: Collection[str]) -> LabelledSet | None:
    """Reads `labels.json`, where there is one.

    Masks of `test/a/01.mp4` are in `masks/a/01.npz` (key `mask`, `[frames, rows, columns]`), of `test/b.jpg` in
    `masks/b.png`. `train/` is normal footage unless a label in it says otherwise.

    Raises:
        RequestError: It is not as described.
    """
    if LABELS_NAME not in names:
        return None
    labels_uri = storage.join(root, LABELS_NAME)
    labels = _read_file(labels_uri)
    archive, train = root, None
    prefix, train_prefix = f"{TEST_FOLDER}/", f"{TRAIN_FOLDER}/"
    if any(path.startswith(prefix) for path in labels):
        if TRAIN_FOLDER in names and not any(
            own.ranges for path, own in labels.items() if path.startswith(train_prefix)
        ):
            train = storage.join(root, TRAIN_FOLDER)
        # what is labelled outside test/ was for training
        labels = {path.removeprefix(prefix): own for path, own in labels.items() if path.startswith(prefix)}
        archive = storage.join(root, TEST_FOLDER)
    if MASKS_FOLDER in names:
        labels = _with_masks(labels, storage.join(root, MASKS_FOLDER))
    clips = any(own.kind == "video" for own in labels.values())
    return LabelledSet(archive, labels, clips, labels_uri, train)


LAYOUT = Layout(DESCRIPTION, read)


def _read_file(labels_uri: str) -> dict[str, ObjectLabels]:
    try:
        data = json.loads(storage.read_bytes(labels_uri))
    except ValueError as error:
        raise RequestError(f"{labels_uri}: expected JSON. Received: {error}") from error
    if not isinstance(data, dict) or not (data.get("clips") or data.get("images")):
        found = sorted(data) if isinstance(data, dict) else type(data).__name__
        raise RequestError(f"{labels_uri}: expected {DESCRIPTION}. Received: {found}")
    labels = {}
    for section, read_entry in (("clips", _clip_labels), ("images", _image_labels)):
        entries = data.get(section) or {}
        if not isinstance(entries, dict):
            raise RequestError(
                f"{labels_uri}: expected `{section}` to map paths to labels. Received: {entries!r:.80}"
            )
        for path, entry in entries.items():
            labels[path.rstrip("/")] = read_entry(f"{labels_uri}: `{section}` {path!r}", entry)
    return labels


def _with_masks(labels: dict[str, ObjectLabels], folder: str) -> dict[str, ObjectLabels]:
    readers: dict[tuple[str, str], MaskReader] = {}
    for path, uri in files_below(folder, MASK_SUFFIXES | {".npz"}).items():
        if uri.lower().endswith(".npz"):
            readers["video", path] = ArrayMask(uri, MASK_KEY)
        else:
            readers["image", path] = PictureMask(uri)
    result = {}
    for path, own in labels.items():
        # a clip is a folder: a dot in its name begins no suffix
        reader = readers.get((own.kind, stem(path))) or readers.get((own.kind, path))
        result[path] = ObjectLabels(own.kind, own.frames, own.ranges, own.name, reader)
    return result


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


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
