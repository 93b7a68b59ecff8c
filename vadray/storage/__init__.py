"""Objects by URI, on this machine or in an S3 bucket: list, read, and write atomically or create-only.

A local object is a plain absolute path (`/data/a b.mp4`), an S3 object is `s3://bucket/key`; neither is
ever percent-encoded, so names with spaces, `%`, `#` and any letters stay what they are. Credentials, region
and endpoint come from the environment and the AWS configuration alone (`AWS_ENDPOINT_URL`, `AWS_PROFILE`, …).

Clients are made on first use and once per process, so that importing this module costs nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from vadray.storage import local, s3
from vadray.storage.uri import Entry, absolute, checked_ending, folder, is_s3, join, name, parent, relative

__all__ = [
    "Entry",
    "absolute",
    "age_s",
    "checked_ending",
    "create_bytes",
    "create_from",
    "delete",
    "delete_folder",
    "delta_options",
    "exists",
    "filesystem",
    "folder",
    "is_s3",
    "join",
    "list_names",
    "list_objects",
    "name",
    "open_read",
    "parent",
    "read_bytes",
    "relative",
    "swap_bytes",
    "upload",
    "write_bytes",
]

SkipReport = Callable[[str, str], None]


def _backend(uri: str):
    return s3 if is_s3(uri) else local


def list_objects(uri: str, *, hidden: bool = True, on_skip: SkipReport | None = None) -> Iterator[Entry]:
    """Every object under a folder or prefix, streamed; the URI of a single object yields that object.

    Within a folder names come sorted, and all that is below a folder comes in one stretch. `s3://b/day=0`
    does not list `day=01/…`.

    Args:
        uri: Folder, prefix or object.
        hidden: False leaves out names with a component, below `uri`, that starts with `.` or `_`.
        on_skip: Called with (uri, reason) for local entries that are not listed: symbolic links that lead
            out of the folder or to another folder in it, names that are not UTF-8, what is neither file nor
            folder, and folders that may not be read (without `on_skip`, these raise `PermissionError`).

    Raises:
        RequestError: Nothing is there, or it may not be read (on S3: with the first entry asked for).
    """
    uri = absolute(uri)
    return _backend(uri).list_objects(uri, hidden, on_skip)


def list_names(uri: str, first: Sequence[str] = ("",)) -> Iterator[str]:
    """Names of the objects and folders directly under a folder or prefix; none where it does not exist.

    Args:
        uri: Folder or prefix.
        first: Only names that begin with one of these, no one of which begins with another. A store lists names a
            thousand at a time, one after the other: several beginnings are listed at once.
    """
    uri = absolute(uri)
    return _backend(uri).list_names(uri, first)


def exists(uri: str) -> bool:
    """Whether an object, a folder or a prefix with something in it is there."""
    uri = absolute(uri)
    return _backend(uri).exists(uri)


def read_bytes(uri: str, etag: str | None = None) -> bytes:
    """The whole object.

    Args:
        uri: The object.
        etag: The version that is expected, as `Entry.etag`; None takes any.

    Raises:
        FileNotFoundError: It is absent.
        PermissionError: It may not be read.
        ObjectChanged: It is another version.
    """
    uri = absolute(uri)
    return _backend(uri).read_bytes(uri, etag)


def open_read(uri: str, etag: str | None = None) -> BinaryIO:
    """A seekable binary file; from S3 it reads ahead in blocks of 1 MiB. Arguments and errors as of `read_bytes`.

    On S3 all of it is of one version: reading raises `ObjectChanged` once it is replaced.
    """
    uri = absolute(uri)
    return _backend(uri).open_read(uri, etag)


def write_bytes(uri: str, data: bytes) -> None:
    """Writes or replaces an object at once: a reader sees the old bytes or the new, never a part."""
    uri = absolute(uri)
    _backend(uri).write_bytes(uri, data)


def create_bytes(uri: str, data: bytes) -> bool:
    """Writes an object only if none is there, atomically among any number of writers.

    Returns:
        True for the one writer that created it, False where it already existed.
    """
    uri = absolute(uri)
    return _backend(uri).create_bytes(uri, data)


def create_from(local_path: str, uri: str) -> bool:
    """`create_bytes` with the content of a local file, streamed; on S3 at most 5 GiB."""
    uri = absolute(uri)
    return _backend(uri).create_from(str(local_path), uri)


def swap_bytes(uri: str, expected: bytes, data: bytes) -> bool:
    """Replaces an object only if its content is `expected`, atomically among all that use this function.

    Returns:
        Whether it was replaced; False too where there is no object.
    """
    uri = absolute(uri)
    return _backend(uri).swap_bytes(uri, expected, data)


def age_s(uri: str) -> float:
    """Seconds since an object was written, both times by the store's clock. Raises `FileNotFoundError`."""
    uri = absolute(uri)
    return _backend(uri).age_s(uri)


def delete(uri: str) -> None:
    """Deletes one object; an object that is not there is no error."""
    uri = absolute(uri)
    _backend(uri).delete(uri)


def delete_folder(uri: str) -> None:
    """Deletes every object below a URI, hidden ones too; a folder that is not there is no error.

    Raises:
        VadrayError: The store kept some.
    """
    uri = absolute(uri)
    _backend(uri).delete_folder(uri)


def upload(local_path: str, uri: str) -> None:
    """Copies a local file to a URI atomically, streaming (multipart on S3); replaces what is there."""
    uri = absolute(uri)
    _backend(uri).upload(str(local_path), uri)


def filesystem(uri: str):
    """The fsspec filesystem of a URI and the path in it: `(filesystem, path)`."""
    uri = absolute(uri)
    return _backend(uri).filesystem(uri)


def delta_options(uri: str) -> dict[str, str]:
    """`storage_options` for `deltalake`. May hold credentials: never print it."""
    uri = absolute(uri)
    return s3.delta_options() if is_s3(uri) else {}
