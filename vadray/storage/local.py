"""Objects that are files. Writes go to a temporary name beside the target and appear in one step."""

import fcntl
import io
import os
import shutil
import stat as stat_modes
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import BinaryIO

from vadray.errors import ObjectChanged, RequestError
from vadray.storage.uri import Entry

TEMPORARY_PREFIX = ".vadray-tmp-"
_READ_BUFFER_BYTES = 128 * 1024


def list_objects(root: str, hidden: bool, on_skip: Callable[[str, str], None] | None) -> Iterator[Entry]:
    try:
        status = os.stat(root)
        if stat_modes.S_ISDIR(status.st_mode):
            os.scandir(root).close()
    except OSError as error:
        raise RequestError(f"{root} cannot be listed: {error.strerror}") from error
    if stat_modes.S_ISDIR(status.st_mode):
        return _walk(root, os.path.realpath(root), hidden, on_skip)
    if stat_modes.S_ISREG(status.st_mode):
        return iter([_entry(root, status)])
    raise RequestError(f"Expected a folder or a file. Received: {root}, which is neither")


def _entry(path: str, status: os.stat_result) -> Entry:
    return Entry(
        path,
        status.st_size,
        f"{status.st_size}-{status.st_mtime_ns}",
        datetime.fromtimestamp(status.st_mtime_ns / 1e9, UTC),
    )


def _walk(
    root: str, real_root: str, hidden: bool, on_skip: Callable[[str, str], None] | None
) -> Iterator[Entry]:
    """Depth first with a stack of its own, so that deep trees meet no recursion limit."""

    def skip(path: str, reason: str) -> None:
        if on_skip is not None:
            on_skip(path, reason)

    folders = [iter(_scan(root))]
    while folders:
        item = next(folders[-1], None)
        if item is None:
            folders.pop()
            continue
        if item.name.startswith(TEMPORARY_PREFIX) or (not hidden and item.name[0] in "._"):
            continue
        if not _is_text(item.name):
            skip(item.path, "the name is not UTF-8")
            continue
        try:
            if item.is_symlink() and (reason := _refused_link(item, real_root)):
                skip(item.path, reason)
            elif item.is_dir(follow_symlinks=False):
                folders.append(iter(_scan(item.path)))
            else:
                status = item.stat()
                if stat_modes.S_ISREG(status.st_mode):
                    yield _entry(item.path, status)
                else:
                    skip(item.path, "neither a file nor a folder")
        except FileNotFoundError:
            skip(item.path, "gone while it was listed")
        except PermissionError:
            if on_skip is None:
                raise
            skip(item.path, "permission denied")


def _scan(folder: str) -> list[os.DirEntry]:
    """Entries in the order of S3 keys, where the name of a folder ends with a slash."""
    with os.scandir(folder) as entries:
        return sorted(
            entries, key=lambda item: item.name + "/" if item.is_dir(follow_symlinks=False) else item.name
        )


def _is_text(text: str) -> bool:
    # Undecodable bytes arrive as lone surrogates, which neither Parquet nor S3 can hold.
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def _refused_link(item: os.DirEntry, real_root: str) -> str | None:
    """Why a link is not followed, if so. A folder inside is listed by its own name, which also ends loops."""
    target = os.path.realpath(item.path)
    if target != real_root and not target.startswith(real_root.rstrip("/") + "/"):
        return "a link that leads out of the folder"
    if not os.path.exists(target):
        return "a broken link"
    return "a link to a folder inside" if os.path.isdir(target) else None


def list_names(uri: str, first: Sequence[str]) -> Iterator[str]:
    try:
        names = os.listdir(uri)
    except (FileNotFoundError, NotADirectoryError):
        return iter(())
    wanted = tuple(first)
    return iter(
        sorted(name for name in names if name.startswith(wanted) and not name.startswith(TEMPORARY_PREFIX))
    )


def exists(uri: str) -> bool:
    return os.path.exists(uri)


def read_bytes(uri: str, etag: str | None = None) -> bytes:
    with open_read(uri, etag) as file:
        return file.read()


def open_read(uri: str, etag: str | None = None) -> BinaryIO:
    file = open(uri, "rb", buffering=_READ_BUFFER_BYTES)  # noqa: SIM115  the caller closes it
    if etag is not None and (found := _entry(uri, os.fstat(file.fileno())).etag) != etag:
        file.close()
        raise ObjectChanged(f"{uri}: listed as version {etag}, now {found}")
    return file


def write_bytes(uri: str, data: bytes) -> None:
    _replace(uri, io.BytesIO(data))


def create_bytes(uri: str, data: bytes) -> bool:
    return _create(uri, io.BytesIO(data))


def create_from(local_path: str, uri: str) -> bool:
    with open(local_path, "rb") as source:
        return _create(uri, source)


def _replace(uri: str, source: BinaryIO) -> None:
    with _temporary(uri) as temporary:
        _write_durably(temporary, source)
        os.replace(temporary, uri)
    _sync_folder(uri)


def _create(uri: str, source: BinaryIO) -> bool:
    if os.path.lexists(uri):
        return False
    with _temporary(uri) as temporary:
        _write_durably(temporary, source)
        try:
            # A hard link fails where the name exists, and shows the whole content at once where it does not.
            os.link(temporary, uri)
        except FileExistsError:
            return False
    _sync_folder(uri)
    return True


def swap_bytes(uri: str, expected: bytes, data: bytes) -> bool:
    with _locked(uri):
        try:
            if read_bytes(uri) != expected:
                return False
        except FileNotFoundError:
            return False
        write_bytes(uri, data)
        return True


@contextmanager
def _locked(uri: str) -> Iterator[None]:
    """Keeps others that call this out; the system ends the lock of a process that dies."""
    os.makedirs(os.path.dirname(uri), exist_ok=True)
    # it stays as long as the object: whoever deleted it might leave two that each hold the lock of another file
    lock = os.open(_lock_of(uri), os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _lock_of(uri: str) -> str:
    folder, name = os.path.split(uri)
    return os.path.join(folder, f"{TEMPORARY_PREFIX}{name}.lock")


def age_s(uri: str) -> float:
    written = os.stat(uri).st_mtime_ns
    with _temporary(uri) as temporary:  # the clock of a network file system is its server's
        _write_durably(temporary, io.BytesIO())
        return (os.stat(temporary).st_mtime_ns - written) / 1e9


def delete(uri: str) -> None:
    for path in (uri, _lock_of(uri)):
        with suppress(FileNotFoundError):
            os.unlink(path)


def delete_folder(uri: str) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(uri)


def upload(local_path: str, uri: str) -> None:
    with open(local_path, "rb") as source:
        _replace(uri, source)


def filesystem(uri: str):
    from fsspec.implementations.local import LocalFileSystem

    return LocalFileSystem(), uri


@contextmanager
def _temporary(uri: str) -> Iterator[str]:
    """A free name beside `uri`, on the same file system; nothing of it stays behind."""
    folder = os.path.dirname(uri)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}")
    try:
        yield path
    finally:
        delete(path)


def _write_durably(path: str, source: BinaryIO) -> None:
    with open(path, "wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
        target.flush()
        os.fsync(target.fileno())


def _sync_folder(uri: str) -> None:
    """Makes the new name itself survive a power cut."""
    folder = os.open(os.path.dirname(uri), os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
