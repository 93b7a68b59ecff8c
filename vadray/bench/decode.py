"""How fast media become small grey frames, on one core: `vadray bench decode`.

Our path (PyAV, swscale straight to grey at the detector's size), against the shortest loop of PyAV that gives the same
frames, and against what OpenCV does by itself. All three in this process, a round after another, medians of the rounds.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import av
import cv2
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from vadray import storage
from vadray.bench import specimens
from vadray.bench.rounds import median_ratio
from vadray.config import BenchOptions
from vadray.errors import RequestError
from vadray.media.decode import decode
from vadray.media.probe import probe
from vadray.media.request import DecodeRequest, Kind, Source

HEIGHT = WIDTH = 256
VIDEO_FRAMES = 250
PICTURES = 40
VIDEO_SIZES = ((360, 640), (1080, 1920))
PICTURE_SIDES = (512, 2048)
CAMERA_HOURS = 1000

Say = Callable[[str], None]
Loop = Callable[[list[str]], int]  # gives the frames that it read


def bench_decode(options: BenchOptions, say: Say) -> dict[str, Any]:
    """Frames per second of one core, by kind of media; and the CPU time that 1,000 hours of a camera take.

    With `data`, a video of one's own is measured too.

    Raises:
        RequestError: `data` is no video.
    """
    if options.data is not None:
        found = probe(Source(storage.absolute(options.data), "video"))
        if found.error_type:
            raise RequestError(f"data: expected a video, received {options.data} ({found.error})")
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with tempfile.TemporaryDirectory(prefix="vadray-bench-") as folder:
            media = dict(_specimens(Path(folder), options.data, say))
            return {name: _measured(name, *one, options.rounds, say) for name, one in media.items()}
    finally:
        cv2.setNumThreads(threads)


def frames_per_cpu_s(kind: Kind, uris: list[str]) -> float:
    """What our path decodes on one CPU."""
    begun = time.process_time()
    return _ours(kind)(uris) / (time.process_time() - begun)


def _specimens(folder: Path, data: str | None, say: Say) -> Iterator[tuple[str, tuple[Kind, list[str]]]]:
    say("making specimens")
    for height, width in VIDEO_SIZES:
        path = folder / f"{height}.mp4"
        specimens.write_video(path, height, width, VIDEO_FRAMES)
        yield f"h264_{width}x{height}", ("video", [str(path)])
    for side in PICTURE_SIDES:
        paths = [folder / f"{side}-{number}.jpg" for number in range(PICTURES)]
        for number, path in enumerate(paths):
            specimens.write_picture(path, side, number)
        yield f"jpeg_{side}x{side}", ("image", [str(path) for path in paths])
    if data is not None:
        yield storage.name(data), ("video", [storage.absolute(data)])


def _measured(name: str, kind: Kind, uris: list[str], rounds: int, say: Say) -> dict[str, Any]:
    say(f"measuring {name}")
    loops: dict[str, Loop] = {
        "ours": _ours(kind),
        "opencv": _opencv_video if kind == "video" else _opencv_images,
    }
    if kind == "video":
        loops["pyav"] = _pyav
    times: dict[str, list[float]] = {which: [] for which in loops}
    frames = {}
    for _ in range(rounds):
        for which, loop in loops.items():
            begun = time.process_time()
            frames[which] = loop(uris)
            times[which].append(frames[which] / (time.process_time() - begun))
    rate = {which: statistics.median(values) for which, values in times.items()}
    found: dict[str, Any] = {"frames": frames["ours"], "frames_per_cpu_s": round(rate["ours"], 1)}
    for which in loops.keys() - {"ours"}:
        found[f"over_{which}"] = round(median_ratio(times["ours"], times[which]), 3)
    if kind == "video":
        found["cpu_hours_per_1000_camera_hours"] = round(CAMERA_HOURS * specimens.FPS / rate["ours"], 1)
    return found


def _ours(kind: Kind) -> Loop:
    def loop(uris: list[str]) -> int:
        request = DecodeRequest(tuple(Source(uri, kind) for uri in uris), HEIGHT, WIDTH)
        return sum(len(chunk.frames) - chunk.lead for chunk in decode(request))

    return loop


def _pyav(uris: list[str]) -> int:
    """The shortest loop that gives the same frames."""
    frames = 0
    for uri in uris:
        scaler = VideoReformatter()
        with av.open(uri) as container:
            container.streams.video[0].codec_context.thread_count = 1
            for frame in container.decode(video=0):
                scaler.reformat(frame, WIDTH, HEIGHT, "gray", interpolation=Interpolation.AREA).to_ndarray()
                frames += 1
    return frames


def _opencv_video(uris: list[str]) -> int:
    """What is usually written."""
    frames = 0
    for uri in uris:
        capture = cv2.VideoCapture(uri, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        while True:
            read, picture = capture.read()
            if not read:
                break
            cv2.cvtColor(
                cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY
            )
            frames += 1
        capture.release()
    return frames


def _opencv_images(uris: list[str]) -> int:
    for uri in uris:
        picture = cast(np.ndarray, cv2.imread(uri, cv2.IMREAD_GRAYSCALE))
        cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return len(uris)
