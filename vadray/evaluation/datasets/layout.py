"""What the readers of all layouts share: their form, and names and numbers of files."""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from vadray import storage
from vadray.evaluation.datasets.labelled import LabelledSet

_LAST_NUMBER = re.compile(r"[0-9]+(?=[^0-9]*$)")


@dataclass(frozen=True)
class Layout:
    """One way in which labelled sets come.

    Args:
        description: What has to be there, for the message when nothing fits.
        read: Given the set's URI and the names in it, reads the labels; None where the set has another
            layout. It raises `RequestError` where the layout fits and its content is wrong.
    """

    description: str
    read: Callable[[str, Collection[str]], LabelledSet | None]


def stem(path: str) -> str:
    """A path without the suffix of its last component."""
    folder, slash, name = path.rpartition("/")
    return folder + slash + (name.rpartition(".")[0] or name)


def suffix(path: str) -> str:
    """The suffix of the last component in small letters, with its dot; empty where it has none."""
    dot = path.rfind(".")
    return path[dot:].lower() if dot > path.rfind("/") else ""


def last_number(text: str) -> int | None:
    """The last run of digits as a number: the frame in `frame_012`."""
    found = _LAST_NUMBER.search(text)
    return int(found[0]) if found else None


def files_below(folder: str, suffixes: Collection[str]) -> dict[str, str]:
    """URIs of the files below a folder that end so, by their path below it without suffix, in listing order.

    A folder that does not exist has none.
    """
    if not storage.exists(folder):
        return {}
    return {
        stem(storage.relative(entry.uri, folder)): entry.uri
        for entry in storage.list_objects(folder, hidden=False, on_skip=lambda uri, reason: None)
        if suffix(entry.uri) in suffixes
    }


def first_present(root: str, names: Iterable[str]) -> str | None:
    """URI of the first of some paths below `root` that exists."""
    return next((uri for name in names if storage.exists(uri := storage.join(root, name))), None)
