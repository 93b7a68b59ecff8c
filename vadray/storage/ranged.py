"""A seekable file over whatever gives a range of bytes."""

import io


class RangedReader(io.RawIOBase):
    """Read-only; a subclass says how bytes are fetched.

    Args:
        size: Bytes in all.
    """

    def __init__(self, size: int):
        self._size = size
        self._position = 0

    def fetch(self, start: int, length: int) -> bytes:
        """Bytes from `start` on, at most `length`, within the size; none where the file is shorter than promised."""
        raise NotImplementedError(f"{type(self).__name__} does not say how bytes are fetched")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"Cannot seek to before the first byte. Received: {base + offset}")
        self._position = base + offset
        return self._position

    def readinto(self, buffer) -> int:
        length = max(0, min(len(buffer), self._size - self._position))
        if length == 0:
            return 0
        data = self.fetch(self._position, length)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
