"""Size of a picture from its first bytes, so that a huge one is refused before it is decoded."""

import struct
from dataclasses import dataclass

_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # the start-of-frame markers
_JPEG_ALONE = frozenset(range(0xD0, 0xD9)) | {0x01}  # markers without a length


@dataclass(frozen=True)
class PictureHeader:
    """What the header says: codec name, size as stored, and where a JPEG's picture data begins."""

    codec: str
    width: int
    height: int
    data_start: int = 0


def read_header(data: bytes) -> PictureHeader | None:
    """Reads the header of a JPEG, PNG, BMP, TIFF or WebP; None where it is of another kind or broken."""
    readers = (
        (b"\xff\xd8", _jpeg),
        (b"\x89PNG\r\n\x1a\n", _png),
        (b"BM", _bmp),
        (b"II", _tiff),
        (b"MM", _tiff),
        (b"RIFF", _webp),
    )
    for magic, reader in readers:
        if data.startswith(magic):
            try:
                return reader(data)
            except (struct.error, IndexError):
                return None
    return None


def _jpeg(data: bytes) -> PictureHeader | None:
    place = 2
    while True:
        if data[place] != 0xFF:
            return None
        marker = data[place + 1]
        if marker == 0xFF:  # padding before a marker
            place += 1
        elif marker in _JPEG_ALONE:
            place += 2
        elif marker in _JPEG_SIZES:
            height, width = struct.unpack_from(">HH", data, place + 5)
            return PictureHeader("jpeg", width, height, place)
        else:
            place += 2 + struct.unpack_from(">H", data, place + 2)[0]


def _png(data: bytes) -> PictureHeader:
    return PictureHeader("png", *struct.unpack_from(">II", data, 16))


def _bmp(data: bytes) -> PictureHeader:
    if struct.unpack_from("<I", data, 14)[0] == 12:  # the header of OS/2
        return PictureHeader("bmp", *struct.unpack_from("<HH", data, 18))
    width, height = struct.unpack_from("<ii", data, 18)
    return PictureHeader("bmp", width, abs(height))  # negative: rows from top to bottom


def _tiff(data: bytes) -> PictureHeader | None:
    order = "<" if data.startswith(b"II") else ">"
    version, place = struct.unpack_from(order + "HI", data, 2)
    if version != 42:
        return None
    sizes = {}
    for entry in range(struct.unpack_from(order + "H", data, place)[0]):
        at = place + 2 + 12 * entry
        tag, kind = struct.unpack_from(order + "HH", data, at)
        if tag in (256, 257):
            sizes[tag] = struct.unpack_from(order + ("H" if kind == 3 else "I"), data, at + 8)[0]
    return PictureHeader("tiff", sizes[256], sizes[257]) if len(sizes) == 2 else None


def _webp(data: bytes) -> PictureHeader | None:
    if data[8:12] != b"WEBP":
        return None
    kind = data[12:16]
    if kind == b"VP8X":
        width = int.from_bytes(data[24:27], "little") + 1
        return PictureHeader("webp", width, int.from_bytes(data[27:30], "little") + 1)
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return PictureHeader("webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    width, height = struct.unpack_from("<HH", data, 26)
    return PictureHeader("webp", width & 0x3FFF, height & 0x3FFF)
