"""Pictures of every kind come upright, 8 bits deep and at the size asked for."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.media.conftest import decode_all, picture
from vadray.media import images
from vadray.media.images import decode_picture
from vadray.media.picture_header import read_header
from vadray.media.request import DecodedChunk, DecodeRequest, Source

RGB = picture(3, 120, 200)


def encode(suffix: str, image: np.ndarray, *options: int) -> bytes:
    return cv2.imencode(suffix, image, list(options))[1].tobytes()


def reference(height: int, width: int) -> np.ndarray:
    return cv2.resize(RGB, (width, height), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".tif", ".webp"])
@pytest.mark.parametrize("size", [(40, 60), (120, 200), (50, 20), (150, 220)])
def test_formats_and_sizes(suffix: str, size: tuple[int, int]):
    data = encode(suffix, RGB[..., ::-1])
    colour = decode_picture(data, *size, 3, name="a")
    assert colour.frame.shape == (*size, 3)
    assert (colour.width, colour.height) == (200, 120)
    assert np.abs(colour.frame.astype(int) - reference(*size)).mean() < 6
    grey = decode_picture(data, *size, 1, name="a").frame[..., 0]
    assert np.abs(grey - reference(*size) @ [0.299, 0.587, 0.114]).mean() < 6


def test_sixteen_bits_keep_their_upper_eight():
    grey = RGB[..., 1]
    data = encode(".png", grey.astype(np.uint16) * 257)
    decoded = decode_picture(data, 120, 200, 1, name="a").frame[..., 0]
    assert np.abs(decoded.astype(int) - grey).max() <= 1
    assert decode_picture(encode(".tif", grey.astype(np.uint16) * 257), 120, 200, 3, name="a").frame.any()


def test_alpha_is_left_out():
    data = encode(".png", np.dstack([RGB[..., ::-1], np.full(RGB.shape[:2], 9, np.uint8)]))
    np.testing.assert_array_equal(decode_picture(data, 120, 200, 3, name="a").frame, RGB)


def test_palette_is_resolved():
    """A 2 x 1 PNG of red and blue by a palette."""

    def part(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    data = (
        b"\x89PNG\r\n\x1a\n"
        + part(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 8, 3, 0, 0, 0))
        + part(b"PLTE", bytes([255, 0, 0, 0, 0, 255]))
        + part(b"IDAT", zlib.compress(b"\x00\x00\x01"))
        + part(b"IEND", b"")
    )
    assert decode_picture(data, 1, 2, 3, name="a").frame.tolist() == [[[255, 0, 0], [0, 0, 255]]]


@pytest.mark.parametrize("size", [(40, 30), (10, 8), (200, 120)])
def test_exif_orientation_is_honoured(size: tuple[int, int]):
    data = encode(".jpg", RGB[..., ::-1], cv2.IMWRITE_JPEG_QUALITY, 98)
    # Orientation 6: to be shown turned 90 degrees clockwise.
    tiff = b"II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00"
    exif = b"Exif\x00\x00" + tiff
    turned = data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]
    decoded = decode_picture(turned, *size, 3, name="a")
    assert (decoded.width, decoded.height) == (120, 200)
    upright = cv2.resize(np.rot90(RGB, -1), (size[1], size[0]), interpolation=cv2.INTER_AREA)
    assert np.abs(decoded.frame.astype(int) - upright).mean() < 6


def test_a_decompression_bomb_is_refused_unopened(tmp_path: Path):
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + struct.pack(">II", 60000, 60000)
    info = decode_group(tmp_path, {"a.png": header + b"\x08\x02" + b"\x00" * 99}).members[0]
    assert (info.status, info.error_type) == ("quarantined", "TooLarge")


def test_a_huge_file_is_refused_unread(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(images, "MAX_BYTES", 10)
    info = decode_group(tmp_path, {"a.png": encode(".png", RGB)}).members[0]
    assert info.error_type == "TooLarge"


def test_one_bad_image_does_not_spoil_its_group(tmp_path: Path):
    good = encode(".png", RGB)
    chunk = decode_group(
        tmp_path, {"a.png": good, "b.jpg": b"junk", "c.png": good[:50], "d.png": good, "e.jpg": b""}
    )
    assert chunk.member.tolist() == [0, 3]
    assert chunk.frames.shape == (2, 32, 32, 1)
    assert [info.status for info in chunk.members] == [
        "scored",
        *["quarantined"] * 2,
        "scored",
        "quarantined",
    ]
    assert {info.error_type for info in chunk.members} == {None, "InvalidImage"}
    assert chunk.motion.tolist() == [0, 0]
    assert (chunk.sharpness > 0).all()


def test_a_missing_image_is_quarantined(tmp_path: Path):
    request = DecodeRequest((Source(str(tmp_path / "gone.png"), "image"),), 32, 32)
    (chunk,) = decode_all(request)
    assert chunk.members[0].error_type == "FileNotFoundError"


def test_a_cut_jpeg_is_partial(tmp_path: Path):
    data = encode(".jpg", RGB)
    chunk = decode_group(tmp_path, {"a.jpg": data[: len(data) // 2], "b.jpg": data})
    assert [info.status for info in chunk.members] == ["partial", "scored"]
    assert chunk.members[0].error_type == "TruncatedImage"
    assert chunk.member.tolist() == [0, 1]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".tif", ".webp"])
def test_header_of_any_prefix_is_read_or_refused(suffix: str):
    data = encode(suffix, RGB)
    full = read_header(data)
    assert full is not None and (full.width, full.height) == (200, 120)
    for length in range(0, min(len(data), 700)):
        header = read_header(data[:length])
        assert header is None or (header.width, header.height) == (200, 120)


def test_a_member_of_a_shard_is_read_by_its_range(tmp_path: Path):
    data = encode(".png", RGB)
    shard = tmp_path / "shard.tar"
    shard.write_bytes(b"x" * 512 + data + b"y" * 512)
    source = Source(f"{shard}#a.png", "image", len(data), shard_uri=str(shard), shard_offset=512)
    (chunk,) = decode_all(DecodeRequest((source,), 120, 200, 3))
    np.testing.assert_array_equal(chunk.frames[0], RGB[..., ::-1])


def test_images_have_no_lead_in(tmp_path: Path):
    assert decode_group(tmp_path, {"a.png": encode(".png", RGB)}).lead == 0


def decode_group(folder: Path, files: dict[str, bytes]) -> DecodedChunk:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    sources = tuple(Source(str(folder / name), "image", len(data)) for name, data in files.items())
    (chunk,) = decode_all(DecodeRequest(sources, 32, 32, lead_frames=3))
    return chunk
