"""Media and files that benchmarks read: made, never shipped."""

import os
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np

from vadray import storage

FPS, SLOW_FPS = 25, 5
SCENES = 25  # that repeat


def write_video(path: Path, height: int, width: int, frames: int, fps: int = FPS) -> None:
    """H.264, grainy and with something that moves."""
    with av.open(str(path), "w") as container:
        stream = cast(av.VideoStream, container.add_stream("libx264", rate=Fraction(fps)))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "23"}
        scenes = [_scene(height, width, number) for number in range(SCENES)]
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(scenes[number % SCENES], format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_long_video(path: Path, height: int, width: int, minutes: int) -> None:
    """The same minute of H.264 at 5 frames a second again and again: its packets, encoded once."""
    with tempfile.TemporaryDirectory(prefix="vadray-bench-") as folder:
        minute = Path(folder) / "minute.mp4"
        write_video(minute, height, width, 60 * SLOW_FPS, SLOW_FPS)
        with av.open(str(minute)) as source, av.open(str(path), "w") as container:
            stream = container.add_stream_from_template(source.streams.video[0])
            packets = [packet for packet in source.demux(video=0) if packet.size]
            length = round(60 / packets[0].time_base)
            times = [(packet.pts or 0, packet.dts or 0) for packet in packets]
            for number in range(minutes):
                for packet, (pts, dts) in zip(packets, times, strict=True):
                    packet.pts, packet.dts = pts + number * length, dts + number * length
                    packet.stream = stream
                    container.mux(packet)


def write_picture(path: Path, side: int, number: int) -> None:
    """A JPEG of `side` by `side` pixels."""
    cv2.imwrite(str(path), _scene(side, side, number), [cv2.IMWRITE_JPEG_QUALITY, 90])


def touch(folder: str, names: Iterable[str]) -> None:
    """Makes files without content, for what reads names alone."""
    if storage.is_s3(folder):
        with ThreadPoolExecutor(32) as pool:
            list(pool.map(lambda name: storage.write_bytes(storage.join(folder, name), b""), names))
        return
    made: set[str] = set()
    for name in names:
        path = os.path.join(folder, name)
        parent = os.path.dirname(path)
        if parent not in made:
            os.makedirs(parent, exist_ok=True)
            made.add(parent)
        Path(path).touch()


def _scene(height: int, width: int, number: int) -> np.ndarray:
    """A grainy picture of something that moves: uint8 `[height, width, 3]`."""
    random = np.random.default_rng(number)
    rows, columns = np.mgrid[0:height, 0:width]
    still = 96 + 48 * np.sin(rows / 17.0) + 32 * np.cos(columns / 23.0)
    moving = 64 * np.exp(-(((rows - height / 2) / 40) ** 2) - ((columns - 9 * number % width) / 60) ** 2)
    grain = random.normal(0, 4, (height, width))
    return np.repeat(np.clip(still + moving + grain, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
