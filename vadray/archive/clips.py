"""Telling a clip, a folder of numbered frames, from a folder of pictures, while its names stream past."""

import re
from array import array
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import blake2b

from vadray.archive.objects import ArchiveObject, ClipPattern
from vadray.storage import Entry

LEAST_FRAMES = 8
_NUMBERED = re.compile(r"(?s)(.*?)([0-9]{1,18})([^0-9]*)")


class NumberedRun:
    """The images of one folder as long as they could be a clip.

    Holds numbers, sizes, times and tags in compact form, since a clip may have a million frames. Once `add`
    has answered False the folder is no clip: `entries` gives back what was held, and `is_broken` stays True.
    """

    def __init__(self, folder: str):
        self.folder = folder
        self.is_broken = False
        self._prefix = self._suffix = ""
        self._padded: int | None = None  # the width that zeros at the front prove
        self._narrowest = 18
        self._last: tuple[int, int] | None = None  # width and number of the name before
        self._numbers, self._sizes, self._modified_s = array("q"), array("q"), array("d")
        self._etags: list[str] = []

    def add(self, entry: Entry) -> bool:
        """Takes the folder's next image, names in sorted order; False if with it the folder is no clip."""
        fits = self._fits(entry.uri[len(self.folder) + 1 :])
        if fits:
            self._sizes.append(entry.size)
            self._modified_s.append(entry.modified.timestamp())
            self._etags.append(entry.etag)
        self.is_broken = self.is_broken or not fits
        return fits

    def _fits(self, name: str) -> bool:
        parts = _NUMBERED.fullmatch(name)
        if not parts:
            return False
        prefix, text, suffix = parts.groups()
        width, number = len(text), int(text)
        if not self._numbers:
            self._prefix, self._suffix = prefix, suffix
        elif (prefix, suffix) != (self._prefix, self._suffix):
            return False
        # In sorted order nothing of the same width can stand between a number and its successor.
        if self._last and self._last[0] == width and self._last[1] + 1 != number:
            return False
        padded = width if width > 1 and text[0] == "0" else self._padded
        if self._padded is not None and padded != self._padded:
            return False
        narrowest = min(self._narrowest, width)
        if padded is not None and narrowest < padded:
            return False
        self._padded, self._narrowest, self._last = padded, narrowest, (width, number)
        self._numbers.append(number)
        return True

    def entries(self) -> Iterator[Entry]:
        """The images held, as they were listed; forgets them."""
        for number, size, seconds, etag in zip(
            self._numbers, self._sizes, self._modified_s, self._etags, strict=True
        ):
            name = f"{self._prefix}{number:0{self._padded or 0}d}{self._suffix}"
            yield Entry(f"{self.folder}/{name}", size, etag, datetime.fromtimestamp(seconds, UTC))
        self._numbers, self._sizes, self._modified_s = array("q"), array("q"), array("d")
        self._etags = []

    def clip(self) -> ArchiveObject | None:
        """The clip that the folder is, once all its images were added; None where it is none."""
        count = len(self._numbers)
        if self.is_broken or count < LEAST_FRAMES:
            return None
        first = min(self._numbers)
        if max(self._numbers) - first + 1 != count:
            return None
        digest = blake2b(digest_size=16)
        for number, etag in sorted(zip(self._numbers, self._etags, strict=True)):
            digest.update(f"{number} {etag}\n".encode())
        return ArchiveObject(
            uri=self.folder,
            kind="clip",
            size=sum(self._sizes),
            etag=digest.hexdigest(),
            modified=datetime.fromtimestamp(max(self._modified_s), UTC),
            clip=ClipPattern(self._prefix, self._padded or 0, self._suffix, first, count),
        )
