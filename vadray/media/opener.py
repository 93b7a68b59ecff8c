"""How the bytes of a source are reached: a path, a seekable object, or a range of a tar shard."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from vadray.errors import ObjectChanged
from vadray.media.request import Source
from vadray.storage.ranged import RangedReader

# What is wrong with the object itself, not with the way to it: not worth a retry.
MISSING = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, ObjectChanged)


def is_local(uri: str) -> bool:
    """True for a plain absolute path."""
    return uri.startswith("/")


class FileRange(RangedReader):
    """A view of `size` bytes of a file from `offset`: a member of a tar shard."""

    def __init__(self, file: BinaryIO, offset: int, size: int):
        super().__init__(size)
        self._file = file
        self._offset = offset

    def fetch(self, start: int, length: int) -> bytes:
        self._file.seek(self._offset + start)
        return self._file.read(length)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def open_file(source: Source) -> BinaryIO:
    """Opens the source for reading at any position.

    Raises:
        OSError: As storage raises it; `MISSING` names those that a retry will not cure.
    """
    from vadray import storage

    if source.shard_uri is None:
        return storage.open_read(source.uri, source.etag)
    offset, size = _range(source)
    return io.BufferedReader(
        FileRange(storage.open_read(source.shard_uri, source.etag), offset, size), 1 << 18
    )


@contextmanager
def open_for_ffmpeg(source: Source) -> Iterator[str | BinaryIO]:
    """Gives what `av.open` takes: a `file:` address, which FFmpeg reads itself, or an open file."""
    if source.shard_uri is None and is_local(source.uri):
        open_file(source).close()  # is it there, and the version that was listed?
        yield "file:" + source.uri  # a bare path with a colon would be taken for a protocol
        return
    with open_file(source) as file:
        yield file


def read(source: Source) -> bytes:
    """Reads the whole source; a tar member by one ranged read."""
    from vadray import storage

    if source.shard_uri is None:
        return storage.read_bytes(source.uri, source.etag)
    offset, size = _range(source)
    with storage.open_read(source.shard_uri, source.etag) as shard:
        shard.seek(offset)
        return shard.read(size)


def clip_member_uri(source: Source, index: int) -> str:
    """URI of a clip's frame, counted from 0."""
    number = (source.clip_first or 0) + index
    name = f"{source.clip_prefix or ''}{number:0{source.clip_digits or 0}d}{source.clip_suffix or ''}"
    return f"{source.uri}/{name}"


def _range(source: Source) -> tuple[int, int]:
    if source.shard_offset is None or source.size is None:
        raise ValueError(
            f"A member of a shard needs `shard_offset` and `size`. Received for {source.uri}: "
            f"shard_offset={source.shard_offset}, size={source.size}"
        )
    return source.shard_offset, source.size
