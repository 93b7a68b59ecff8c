"""Still pictures to small frames with OpenCV."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from vadray.errors import UnreadableMedia
from vadray.media import opener
from vadray.media.motion import FrameFigures
from vadray.media.picture_header import PictureHeader, read_header
from vadray.media.request import DecodedChunk, DecodeRequest, MemberInfo, Source

# A few kilobytes may unpack to any size: 16384 x 16384 is more than any camera gives.
MAX_PIXELS = 1 << 28
MAX_BYTES = 1 << 29
_REDUCED = {
    (1, 1): cv2.IMREAD_GRAYSCALE,
    (1, 2): cv2.IMREAD_REDUCED_GRAYSCALE_2,
    (1, 4): cv2.IMREAD_REDUCED_GRAYSCALE_4,
    (1, 8): cv2.IMREAD_REDUCED_GRAYSCALE_8,
    (3, 1): cv2.IMREAD_COLOR,
    (3, 2): cv2.IMREAD_REDUCED_COLOR_2,
    (3, 4): cv2.IMREAD_REDUCED_COLOR_4,
    (3, 8): cv2.IMREAD_REDUCED_COLOR_8,
}
_END_OF_JPEG = b"\xff\xd9"


@dataclass(frozen=True)
class Picture:
    """A decoded picture: its small frame, and its original size as displayed.

    Attributes:
        frame: uint8 `[height, width, channels]` at the size asked for.
        codec: `"jpeg"`, `"png"`, `"bmp"`, `"tiff"` or `"webp"`.
        width: Columns of the original, EXIF orientation applied.
        height: Rows of the same.
        damage: What is missing of the picture, or None.
    """

    frame: np.ndarray
    codec: str
    width: int
    height: int
    damage: str | None = None


def decode_images(request: DecodeRequest) -> Iterator[DecodedChunk]:
    """Decodes a group of images into one chunk without lead-in; see `vadray.media.decode.decode`.

    An image that cannot be decoded is missing from `frames` and `"quarantined"` in `members`.
    """
    shape = (len(request.sources), request.height, request.width, request.channels)
    frames = np.empty(shape, np.uint8)
    figures = np.zeros((len(request.sources), 3), np.float32)
    members: list[int] = []
    infos: list[MemberInfo] = []
    for index, source in enumerate(request.sources):
        try:
            picture = _read_picture(source, request)
        except UnreadableMedia as error:
            infos.append(MemberInfo(status="quarantined", error_type=error.error_type, error=error.message))
            continue
        frames[len(members)] = picture.frame
        figures[len(members)] = FrameFigures().measure(picture.frame)  # no motion between pictures
        members.append(index)
        infos.append(_describe(picture))
    count = len(members)
    yield DecodedChunk(
        member=np.array(members, np.int32),
        chunk=0,
        last=True,
        lead=0,
        frames=frames[:count],
        time_s=np.zeros(count, np.float64),
        brightness=figures[:count, 0],
        sharpness=figures[:count, 1],
        motion=figures[:count, 2],
        members=tuple(infos),
    )


def decode_picture(data: bytes, height: int, width: int, channels: int, *, name: str) -> Picture:
    """Decodes one picture of any depth, with or without alpha or palette, to 8 bits at a fixed size.

    Args:
        data: The file's bytes.
        height: Rows wanted.
        width: Columns wanted.
        channels: 1 (grey) or 3 (RGB).
        name: What to call the picture in errors.

    Returns:
        The picture, upright, area-averaged to `height` x `width`.

    Raises:
        UnreadableMedia: `"InvalidImage"` or `"TooLarge"`.
        MemoryError: The process may not have the memory needed.
    """
    header = read_header(data)
    if header is None or header.width <= 0 or header.height <= 0:
        raise UnreadableMedia(
            "InvalidImage",
            f"{name}: expected a JPEG, PNG, BMP, TIFF or WebP, received {len(data)} other bytes",
        )
    if header.width * header.height > MAX_PIXELS:
        raise UnreadableMedia(
            "TooLarge",
            f"{name} declares {header.width}x{header.height}, at most {MAX_PIXELS} pixels are decoded",
        )
    scale = _reduction(header, height, width)
    damage = None
    if header.codec == "jpeg" and data.rfind(_END_OF_JPEG, header.data_start) < 0:
        damage = f"the JPEG ends after {len(data)} bytes without its end marker"
        data += _END_OF_JPEG  # with it, every OpenCV gives the rows that are there; 5.0 none without
    decoded = _imdecode(data, _REDUCED[channels, scale], name)
    # OpenCV has turned the picture upright: the header's sides may now be the other way round.
    turned = (header.width > header.height) != (decoded.shape[1] > decoded.shape[0])
    turned = turned and header.width != header.height
    shown = (header.height, header.width) if turned else (header.width, header.height)
    small = _resize(decoded, height, width)
    if channels == 3:
        small = cv2.cvtColor(small, cv2.COLOR_BGR2RGB)
    return Picture(small.reshape(height, width, channels), header.codec, *shown, damage)


def _read_picture(source: Source, request: DecodeRequest) -> Picture:
    if source.size is not None and source.size > MAX_BYTES:
        raise UnreadableMedia(
            "TooLarge", f"{source.uri} has {source.size} bytes, images of at most {MAX_BYTES} are read"
        )
    try:
        data = opener.read(source)
    except opener.MISSING as error:
        raise UnreadableMedia(type(error).__name__, str(error)) from error
    return decode_picture(data, request.height, request.width, request.channels, name=source.uri)


def _describe(picture: Picture) -> MemberInfo:
    info = MemberInfo(codec=picture.codec, width=picture.width, height=picture.height, frames=1)
    if picture.damage is not None:
        info.status, info.error_type, info.error = "partial", "TruncatedImage", picture.damage
    return info


def _reduction(header: PictureHeader, height: int, width: int) -> int:
    """How much a JPEG may be shrunk while it is decoded and still be no smaller than asked for."""
    if header.codec != "jpeg":
        return 1
    # EXIF may swap the sides, so the shorter one must do for either.
    spare = min(header.width, header.height) // max(height, width)
    return next((scale for scale in (8, 4, 2) if spare >= scale), 1)


def _imdecode(data: bytes, flags: int, name: str) -> np.ndarray:
    try:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError(f"{name}: {error.err}") from error
        raise UnreadableMedia("InvalidImage", f"{name}: {error.err}") from error
    if decoded is None:
        raise UnreadableMedia("InvalidImage", f"{name}: its header is right, its data cannot be decoded")
    return decoded


def _resize(decoded: np.ndarray, height: int, width: int) -> np.ndarray:
    if decoded.shape[:2] == (height, width):
        return decoded
    smaller = decoded.shape[0] >= height and decoded.shape[1] >= width
    # AREA would repeat pixels where it has to enlarge.
    return cv2.resize(decoded, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
