"""Pixel masks, read when asked for. Readers hold URIs only, so that labels are small and go to any process."""

import io
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from vadray import storage
from vadray.errors import RequestError
from vadray.media.images import MAX_PIXELS
from vadray.media.picture_header import read_header

MASK_SUFFIXES = frozenset((".png", ".bmp", ".tif", ".tiff"))


@dataclass(frozen=True)
class ArrayMask:
    """Masks of one video in a NumPy file, `[frames, rows, columns]`; what is not 0 is anomalous.

    Args:
        uri: Of an `.npy` or `.npz` file.
        key: Of the array in an `.npz` file, None for `.npy`.
    """

    uri: str
    key: str | None = None

    def __call__(self, frames: int) -> np.ndarray:
        return first_frames(read_array(self.uri, self.key, dimensions=3), frames)


@dataclass(frozen=True)
class PictureMask:
    """The mask of one image, a picture of its own."""

    uri: str

    def __call__(self, frames: int) -> np.ndarray:
        return first_frames(read_picture(self.uri)[None], frames)


@dataclass(frozen=True)
class PictureMasks:
    """Masks of one video, a picture a frame."""

    uris: tuple[str, ...]

    def __call__(self, frames: int) -> np.ndarray:
        return stacked((read_picture(uri) for uri in self.uris[:frames]), frames, self.uris[0])


@dataclass(frozen=True)
class EmptyMask:
    """The mask of a normal image: nothing, in the size of the picture."""

    image_uri: str

    def __call__(self, frames: int) -> np.ndarray:
        header = read_header(read_file(self.image_uri))
        if header is None or not 0 < header.width * header.height <= MAX_PIXELS:
            raise RequestError(f"{self.image_uri}: expected a picture, to know the size of its empty mask")
        return np.zeros((frames, header.height, header.width), dtype=bool)


def read_picture(uri: str) -> np.ndarray:
    """A mask that is a picture, bool `[rows, columns]`.

    A pixel is anomalous where any of its colours reaches half of the brightest possible: masks that were
    scaled or saved with loss have grey edges. Where the highest value is 1, that is what marks it.

    Raises:
        RequestError: It is missing, or not a picture.
    """
    data = read_file(uri)
    header = read_header(data)
    picture = None
    if header is not None and 0 < header.width * header.height <= MAX_PIXELS:
        try:
            picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        except cv2.error:
            picture = None
    if picture is None or picture.dtype.kind != "u":
        raise RequestError(
            f"{uri}: expected a mask as a PNG, BMP or TIFF picture, received {len(data)} bytes"
        )
    if picture.ndim == 3:
        picture = picture[..., :3].max(axis=2)  # a fourth channel is opacity, full everywhere
    half = np.iinfo(picture.dtype).max // 2 + 1
    return picture >= (1 if picture.max() == 1 else half)


def read_array(uri: str, key: str | None, dimensions: int) -> np.ndarray:
    """An array of 0 and others from an `.npy` or `.npz` file as bool. Files with Python objects are refused.

    Raises:
        RequestError: It is missing, broken, or not an array of numbers with so many dimensions.
    """
    data = io.BytesIO(read_file(uri))
    try:
        loaded = np.load(data, allow_pickle=False)
        array = loaded if key is None else loaded[key]
    except Exception as error:  # of a damaged file NumPy, zipfile and tokenize raise nearly anything
        wanted = "an array" if key is None else f"an array `{key}`"
        raise RequestError(f"{uri}: expected a NumPy file with {wanted}. Received: {error}") from error
    if not isinstance(array, np.ndarray) or array.ndim != dimensions or array.dtype.kind not in "buif":
        form = f"{array.dtype} {list(array.shape)}" if isinstance(array, np.ndarray) else type(array).__name__
        raise RequestError(
            f"{uri}: expected an array of numbers with {dimensions} dimensions. Received: {form}"
        )
    return array if array.dtype == bool else array != 0


def read_file(uri: str) -> bytes:
    """The bytes of a file of the set.

    Raises:
        RequestError: It is not there any more.
    """
    try:
        return storage.read_bytes(uri)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise RequestError(f"{uri}: expected a file of the labelled set, found none") from error


def first_frames(masks: np.ndarray, frames: int) -> np.ndarray:
    """Exactly `frames` masks: cut, or with empty ones after the last."""
    if len(masks) >= frames:
        return masks[:frames]
    padded = np.zeros((frames, *masks.shape[1:]), dtype=bool)
    padded[: len(masks)] = masks
    return padded


def stacked(pictures: Iterable[np.ndarray], frames: int, uri: str) -> np.ndarray:
    """Masks that come one by one as one array of `frames`; never all of them twice in memory.

    Raises:
        RequestError: They differ in size, or there is none.
    """
    result: np.ndarray | None = None
    for index, picture in enumerate(pictures):
        if index >= frames:
            break
        if result is None:
            result = np.zeros((frames, *picture.shape), dtype=bool)
        if picture.shape != result.shape[1:]:
            raise RequestError(
                f"{uri}: expected masks of one size, {list(result.shape[1:])}. Received: {list(picture.shape)}"
            )
        result[index] = picture
    if result is None:
        raise RequestError(f"{uri}: expected at least one mask")
    return result
