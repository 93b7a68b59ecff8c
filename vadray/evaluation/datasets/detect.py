"""Which layout a labelled set has."""

from vadray import storage
from vadray.errors import RequestError
from vadray.evaluation.datasets import (
    avenue,
    class_folders,
    judged_events,
    labels_json,
    shanghaitech,
    ucf_crime,
    ucsd,
)
from vadray.evaluation.datasets.labelled import LabelledSet

# what a person wrote comes first, and the least particular last: any test/good/ is a set of class folders
LAYOUTS = (
    labels_json.LAYOUT,
    judged_events.LAYOUT,
    ucsd.LAYOUT,
    avenue.LAYOUT,
    shanghaitech.LAYOUT,
    ucf_crime.LAYOUT,
    class_folders.LAYOUT,
)
NAMES_SHOWN = 8


def read_labels(dataset_uri: str) -> LabelledSet:
    """Reads the labels of a set in whichever layout it is; pixel masks are found, and read when asked for.

    Raises:
        RequestError: It is in none of the layouts, or its content is not as its layout says; the message names
            all layouts and what was found, or the file.
    """
    root = storage.absolute(dataset_uri)
    names = list(storage.list_names(root))
    for layout in LAYOUTS:
        labelled = layout.read(root, names)
        if labelled is not None:
            return labelled
    expected = "; or ".join(layout.description for layout in LAYOUTS)
    raise RequestError(f"{root}: expected a labelled set: {expected}. Found: {_found(root, names)}")


def _found(root: str, names: list[str]) -> str:
    classes = class_folders.class_names(root)
    if classes:
        folders = (f"{class_folders.TEST_FOLDER}/{name}/" for name in classes[:NAMES_SHOWN])
        return f"images in {', '.join(folders)}"
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more if names else "nothing"
