"""Images in `test/<class>/`, one class of which is normal: MVTec AD, and sets arranged like it.

Reference: Bergmann, Batzner, Fauser, Sattlegger, Steger: The MVTec Anomaly Detection Dataset. IJCV 129, 2021.
"""

from collections.abc import Collection

from vadray import storage
from vadray.archive.listing import IMAGE_SUFFIXES
from vadray.evaluation.datasets.labelled import LabelledSet, MaskReader, ObjectLabels
from vadray.evaluation.datasets.layout import Layout, files_below, stem, suffix
from vadray.evaluation.datasets.masks import MASK_SUFFIXES, EmptyMask, PictureMask

TEST_FOLDER = "test"
TRAIN_FOLDER = "train"
NORMAL_CLASSES = ("good", "free", "normal")
# where masks are, and how the name of a mask differs from that of its image
MASK_FOLDERS = (("ground_truth", "_mask"), ("masks", ""))

DESCRIPTION = (
    f"images in {TEST_FOLDER}/<class>/, one class of which is called {', '.join(NORMAL_CLASSES[:-1])} "
    f"or {NORMAL_CLASSES[-1]}, with masks, if any, in ground_truth/<class>/<name>_mask.png (MVTec AD) "
    "or masks/<class>/<name>.png"
)


def read(root: str, names: Collection[str]) -> LabelledSet | None:
    """Labels by class folder, with masks where there are any; a normal image then has an empty one.

    An anomalous image without a mask has none, rather than an empty one.
    """
    if TEST_FOLDER not in names:
        return None
    archive = storage.join(root, TEST_FOLDER)
    images = _images_by_class(archive)
    if not any(_is_normal(name) for name in images):
        return None
    masks = _masks(root, names)
    labels: dict[str, ObjectLabels] = {}
    for name, paths in images.items():
        for path in paths:
            pixels: MaskReader | None = None
            if _is_normal(name):
                if masks:
                    pixels = EmptyMask(storage.join(archive, path))
                labels[path] = ObjectLabels("image", 1, (), None, pixels)
            else:
                if stem(path) in masks:
                    pixels = PictureMask(masks[stem(path)])
                labels[path] = ObjectLabels("image", 1, ((0, 0),), name, pixels)
    train = _normal_half(root) if TRAIN_FOLDER in names else None
    return LabelledSet(archive, labels, clips=False, source=archive, train=train)


LAYOUT = Layout(DESCRIPTION, read)


def class_names(root: str) -> list[str]:
    """Folders in `test/` that have images, for the message when none of them is normal."""
    return sorted(_images_by_class(storage.join(root, TEST_FOLDER)))


def _images_by_class(archive: str) -> dict[str, list[str]]:
    images: dict[str, list[str]] = {}
    if storage.exists(archive):
        for entry in storage.list_objects(archive, hidden=False, on_skip=lambda uri, reason: None):
            path = storage.relative(entry.uri, archive)
            if "/" in path and suffix(path) in IMAGE_SUFFIXES:
                images.setdefault(path.split("/", 1)[0], []).append(path)
    return images


def _masks(root: str, names: Collection[str]) -> dict[str, str]:
    """URIs of masks by the path of their image without its suffix."""
    for folder, ending in MASK_FOLDERS:
        if folder in names:
            found = files_below(storage.join(root, folder), MASK_SUFFIXES)
            return {path.removesuffix(ending): uri for path, uri in found.items() if path.endswith(ending)}
    return {}


def _normal_half(root: str) -> str | None:
    folder = storage.join(root, TRAIN_FOLDER)
    names = list(storage.list_names(folder))
    for name in names:
        if _is_normal(name):
            return storage.join(folder, name)
    # other folders would be classes to learn from, and images without folders are normal ones
    return folder if any(suffix(name) in IMAGE_SUFFIXES for name in names) else None


def _is_normal(name: str) -> bool:
    return name.lower() in NORMAL_CLASSES
