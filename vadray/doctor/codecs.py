"""Which media a machine decodes: a small file of each kind is made, and decoded as a sweep decodes it."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np

from vadray.doctor.finding import Finding
from vadray.errors import UnreadableMedia
from vadray.media.isolation import IsolatedDecoder
from vadray.media.request import DecodeRequest, Kind, Source

FRAMES = 8
HEIGHT, WIDTH = 48, 64
# what cameras write, the encoder that makes a specimen, and its container
VIDEOS = {
    "h264": ("libx264", ".mp4"),
    "hevc": ("libx265", ".mp4"),
    "vp9": ("libvpx-vp9", ".webm"),
    "av1": ("libsvtav1", ".mp4"),
    "mpeg4": ("mpeg4", ".avi"),
    "mpeg2video": ("mpeg2video", ".ts"),
    "mjpeg": ("mjpeg", ".avi"),
}
IMAGES = (".jpg", ".png", ".bmp", ".tif", ".webp")


def examine_codecs() -> list[Finding]:
    """Two findings, on video and on images."""
    os.environ.setdefault("SVT_LOG", "-1")  # it speaks to stderr past FFmpeg's log
    with (
        _same_scheduling(),
        tempfile.TemporaryDirectory(prefix="vadray-doctor-") as folder,
        IsolatedDecoder(timeout_s=60) as decoder,
    ):
        videos = {name: _video(decoder, Path(folder), name) for name in VIDEOS}
        images = {suffix: _image(decoder, Path(folder), suffix) for suffix in IMAGES}
    return [_told("video", videos), _told("images", images)]


@contextlib.contextmanager
def _same_scheduling() -> Iterator[None]:
    """Gives the process back its place among others.

    SVT-AV1's encoder makes the whole process real-time where it may, as root, and leaves it so: with all that it
    starts afterwards, a Ray for instance, it would starve every other process of the machine.
    """
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    everyone = {0, os.getpid()}  # this thread, and the main thread
    before = {one: (os.sched_getscheduler(one), os.sched_getparam(one)) for one in everyone}
    try:
        yield
    finally:
        for one, (policy, parameters) in before.items():
            os.sched_setscheduler(one, policy, parameters)


def _told(what: str, by_name: dict[str, str]) -> Finding:
    working = [name for name, wrong in by_name.items() if not wrong]
    wrong = [f"{name} ({reason})" for name, reason in by_name.items() if reason]
    if not wrong:
        return Finding(what, "ok", f"decodes {', '.join(working)}")
    return Finding(
        what,
        "warning" if working else "fault",
        f"decodes {', '.join(working) or 'nothing'}; not {', '.join(wrong)}",
        "such files would be quarantined: install the wheels of PyPI (av, opencv-python-headless), which bring codecs",
    )


def _video(decoder: IsolatedDecoder, folder: Path, codec: str) -> str:
    """What is wrong with a codec, or nothing."""
    encoder, suffix = VIDEOS[codec]
    path = folder / f"{codec}{suffix}"
    if codec not in av.codecs_available:
        return "no decoder"
    try:
        with av.open(str(path), "w") as container:
            stream = cast(av.VideoStream, container.add_stream(encoder, rate=8))
            stream.options = {"x265-params": "log-level=none"} if codec == "hevc" else {}
            stream.width, stream.height = WIDTH, HEIGHT
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            for number in range(FRAMES):
                picture = np.full((HEIGHT, WIDTH, 3), 16 * number, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode(None))
    except (av.FFmpegError, ValueError, OSError):
        return ""  # there is a decoder, and nothing here to make a specimen with
    return _decodes(decoder, str(path), "video", FRAMES)


def _image(decoder: IsolatedDecoder, folder: Path, suffix: str) -> str:
    path = folder / f"picture{suffix}"
    try:
        cv2.imwrite(str(path), np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    except cv2.error:
        return "no codec"
    return _decodes(decoder, str(path), "image", 1)


def _decodes(decoder: IsolatedDecoder, uri: str, kind: Kind, frames: int) -> str:
    request = DecodeRequest((Source(uri, kind),), HEIGHT, WIDTH)
    try:
        found = sum(len(chunk.frames) for chunk in decoder.decode(request))
    except UnreadableMedia as error:
        return error.error_type
    return "" if found == frames else f"{found} of {frames} frames"
