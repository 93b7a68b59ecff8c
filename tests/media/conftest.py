"""Small media, made on the spot, and the real odd files where they are at hand."""

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vadray.media.decode import decode
from vadray.media.request import DecodedChunk, DecodeRequest, Source

MakeVideo = Callable[..., Path]
TS_PACKET_BYTES = 188


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with real recordings: `VADRAY_TEST_DATA`, or `shared/data` beside the checkout."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("VADRAY_TEST_DATA", beside))
    if not (folder / "odd").is_dir():
        pytest.skip(f"needs real recordings in {folder} (set VADRAY_TEST_DATA)")
    return folder


def picture(index: int, height: int = 64, width: int = 96) -> np.ndarray:
    """RGB picture, uint8 `[height, width, 3]`, unlike that of any other index: a moving bar over noise."""
    rows, columns = np.mgrid[:height, :width]
    base = 60 + 50 * np.sin((columns + 3 * index) / 9) + 40 * np.cos((rows - 2 * index) / 7)
    frame = np.repeat(base[..., None], 3, axis=2) + np.random.default_rng(index).normal(
        0, 6, (height, width, 3)
    )
    left = 5 * index % width
    frame[:, left : left + 6] = (230, 200, 40)
    return frame.clip(0, 255).astype(np.uint8)


def encode_video(
    path: Path,
    *,
    frames: int = 90,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    muxing: dict[str, str] | None = None,
    pts: list[int] | None = None,
    size: tuple[int, int] = (64, 96),
) -> Path:
    """Encodes `frames` pictures; `pts` gives their times in 1/1000 s where the rate is not constant."""
    with av.open(str(path), "w", options=muxing or {}) as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p"
        tick_s = Fraction(1, 1000) if pts else Fraction(1, 25)
        stream.time_base = stream.codec_context.time_base = tick_s
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(index, *size), format="rgb24")
            frame.pts = pts[index] if pts else index
            frame.time_base = tick_s
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def blank_packets(path: Path, first: int, count: int) -> None:
    """Zeroes what an MPEG-TS carries in `count` of its packets, as a disk or a link with faults does."""
    content = bytearray(path.read_bytes())
    for packet in range(first, first + count):
        content[packet * TS_PACKET_BYTES + 4 : (packet + 1) * TS_PACKET_BYTES] = bytes(TS_PACKET_BYTES - 4)
    path.write_bytes(content)


@pytest.fixture
def make_video(tmp_path: Path) -> MakeVideo:
    """`encode_video` into this test's folder, by name."""
    return lambda name, **options: encode_video(tmp_path / name, **options)


def request_for(path: Path | str, kind: str = "video", **options) -> DecodeRequest:
    """A request for one whole object at 48 x 40, unless `options` say otherwise."""
    size = Path(path).stat().st_size if Path(path).is_file() else None
    fields = {"height": 40, "width": 48, "lead_frames": 3, "chunk_frames": 16, **options}
    return DecodeRequest((Source(str(path), kind, size),), **fields)


def scored(chunks: list[DecodedChunk]) -> np.ndarray:
    """The scored frames of all chunks, uint8 `[n, height, width, channels]`."""
    return np.concatenate([chunk.frames[chunk.lead :] for chunk in chunks])


def column(chunks: list[DecodedChunk], name: str) -> np.ndarray:
    """One per-frame column of all chunks."""
    return np.concatenate([getattr(chunk, name) for chunk in chunks])


def decode_all(request: DecodeRequest) -> list[DecodedChunk]:
    """Decodes a unit and checks what holds for every unit."""
    chunks = list(decode(request))
    assert [chunk.chunk for chunk in chunks] == list(range(len(chunks)))
    assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    for chunk in chunks:
        count = len(chunk.time_s)
        assert chunk.frames.dtype == np.uint8
        assert chunk.frames.shape == (
            chunk.lead + count,
            request.height,
            request.width,
            request.input_channels,
        )
        for name in ("member", "brightness", "sharpness", "motion"):
            assert len(getattr(chunk, name)) == count
        if request.sources[0].kind != "image":
            assert count <= request.chunk_frames and chunk.lead <= request.lead_frames
    return chunks
