"""An archive of damaged files: mutations of good ones, hostile shards, hostile names and links."""

import io
import random
import shutil
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av
import cv2
import numpy as np

from vadray.archive.listing import kind_of

CONTAINERS = {"mp4": "mpeg4", "mkv": "mpeg4", "avi": "mjpeg", "ts": "mpeg2video", "webm": "libvpx"}
PICTURES = ("jpg", "png", "bmp", "tif", "webp")


@dataclass
class Fuzzed:
    """What was made.

    Args:
        root: The archive.
        files: Plain files that must be in `objects` once, relative to `root`.
        good: Those of them that are whole and must be scored.
        shards: Tar files: each must leave a row of its own or rows of its members, unless nothing is in it.
    """

    root: Path
    files: set[str] = field(default_factory=set)
    good: set[str] = field(default_factory=set)
    shards: set[str] = field(default_factory=set)


def fuzzed_archive(place: Path, count: int, seed: int) -> Fuzzed:
    """An archive at `place / "archive"` of `count` mutated files, besides shards, links and names.

    Args:
        place: A new folder; what links lead to lies beside the archive.
        count: Mutated media files.
        seed: Of all that is drawn.
    """
    draw = random.Random(seed)
    made = Fuzzed(place / "archive")
    made.root.mkdir(parents=True)
    samples = {
        **{f"video.{suffix}": video(suffix, codec) for suffix, codec in CONTAINERS.items()},
        **{f"picture.{suffix}": picture(suffix) for suffix in PICTURES},
    }
    for name, content in samples.items():
        made.good.add(_put(made, f"whole/{name}", content))
    names = list(samples)
    for number in range(count):
        name = draw.choice(names)
        mutate = draw.choice(MUTATIONS)
        content = mutate(draw, samples[name], [samples[other] for other in names])
        suffix = Path(draw.choice(names) if draw.random() < 0.15 else name).suffix  # renamed
        _put(made, f"{mutate.__name__}/{number % 7}/{number:05}{suffix}", content)
    _names(made, samples["picture.jpg"])
    _links(made, place)
    for number in range(max(count // 25, 12)):
        path = made.root / "shards" / f"{number:04}.tar"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(_shard(draw, samples, number))
        made.shards.add(str(path.relative_to(made.root)))
    return made


def video(suffix: str, codec: str) -> bytes:
    """A moving square, 40 frames of 64x48."""
    output = io.BytesIO()
    formats = {"mkv": "matroska", "ts": "mpegts"}
    with av.open(output, "w", format=formats.get(suffix, suffix)) as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height = 64, 48
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(40):
            pixels = np.full((48, 64, 3), 90, np.uint8)
            pixels[10:30, number : number + 20] = 200
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode())
    return output.getvalue()


def picture(suffix: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    return cv2.imencode(f".{suffix}", cv2.GaussianBlur(pixels, (9, 9), 0))[1].tobytes()


def truncated(draw: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    return content[: draw.randrange(len(content))]


def flipped(draw: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    changed = bytearray(content)
    for _ in range(draw.choice((1, 4, 32, 256))):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def flipped_header(draw: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    changed = bytearray(content)
    for _ in range(draw.choice((1, 4, 16))):
        changed[draw.randrange(min(len(changed), 256))] = draw.randrange(256)
    return bytes(changed)


def spliced(draw: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    other = draw.choice(others)
    return content[: draw.randrange(len(content))] + other[draw.randrange(len(other)) :]


def holed(draw: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    start = draw.randrange(len(content))
    return content[:start] + bytes(draw.randrange(1, 4096)) + content[start + draw.randrange(4096) :]


def repeated(draw: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    start = draw.randrange(len(content))
    return content[:start] * draw.choice((2, 3)) + content[start:]


def empty(draw: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    return b""


def random_bytes(draw: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    return content[: draw.choice((0, 4, 16, 64))] + draw.randbytes(draw.randrange(1, 8192))


Mutation = Callable[[random.Random, bytes, Sequence[bytes]], bytes]
MUTATIONS: tuple[Mutation, ...] = (
    *(truncated, flipped, flipped, flipped_header, flipped_header),
    *(spliced, holed, repeated, empty, random_bytes),
)


def _put(made: Fuzzed, path: str, content: bytes) -> str:
    target = made.root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    made.files.add(path)
    return path


def _names(made: Fuzzed, content: bytes) -> None:
    """Good pictures with names that break careless code."""
    for name in (
        *(
            "<script>alert(1)</script>.jpg",
            "a b%20c#d?e&f=g+h.jpg",
            "new\nline.jpg",
            "tab\t.jpg",
            "quote'\".jpg",
        ),
        *(
            "ünï-中文.jpg",
            "-rf.jpg",
            "$(touch pwned).jpg",
            "{braces}[0]*.jpg",
            "x" * 240 + ".jpg",
            "back\\slash.JPG",
        ),
    ):
        made.good.add(_put(made, f"names/{name}", content))


def _links(made: Fuzzed, place: Path) -> None:
    """Links out of the archive, round in circles, to nowhere, and one to a file inside."""
    outside = place / "outside"
    outside.mkdir()
    shutil.copyfile(made.root / "whole" / "picture.jpg", outside / "secret.jpg")
    links = made.root / "links"
    links.mkdir()
    (links / "file.jpg").symlink_to(outside / "secret.jpg")
    (links / "folder").symlink_to(outside)
    (links / "etc").symlink_to("/etc")
    (links / "circle").symlink_to(made.root)
    (links / "self.jpg").symlink_to(links / "self.jpg")
    (links / "nowhere.jpg").symlink_to(links / "missing.jpg")
    (links / "inside.jpg").symlink_to(made.root / "whole" / "picture.jpg")
    made.files.add("links/inside.jpg")
    made.good.add("links/inside.jpg")


def _shard(draw: random.Random, samples: dict[str, bytes], number: int) -> bytes:
    """A tar file: good, nested, with members that lead out, are links or devices, or damaged."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as tar:
        for name, content in draw.sample(sorted(samples.items()), 3):
            _member(tar, f"{number}/{name}", content)
        kind = number % 6
        if kind == 1:
            for path in ("../escaped.jpg", "/tmp/escaped.jpg", "a/../../escaped.jpg", "./../escaped.jpg"):
                _member(tar, path, samples["picture.jpg"])
        elif kind == 2:
            for type_, name in (
                (tarfile.SYMTYPE, "link.jpg"),
                (tarfile.LNKTYPE, "hard.jpg"),
                (tarfile.FIFOTYPE, "f.jpg"),
            ):
                member = tarfile.TarInfo(name)
                member.type, member.linkname = type_, "/etc/passwd"
                tar.addfile(member)
        elif kind == 3:
            inner = _shard(draw, samples, 0)
            _member(tar, "inner.tar", inner)
            _member(tar, "inner.jpg", inner)
            _member(tar, "inner.mp4", inner)
    content = output.getvalue()
    if kind in (4, 5):
        content = draw.choice(MUTATIONS)(draw, content, list(samples.values()))
    return content


def _member(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def leaves_rows(shard: Path) -> bool:
    """Whether a shard has members that are scored, or is damaged: then it must be in `objects`."""
    try:
        with tarfile.open(shard, mode="r:") as tar:
            return any(kind_of(member.name) and member.isreg() for member in tar)
    except tarfile.TarError:
        return True
