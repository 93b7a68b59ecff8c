"""The videos of the synthetic archive: which anomalies appear when, the files, and their truth."""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from vadray.synth.drawing import Box
from vadray.synth.scene import CAMERAS, Anomaly, scene

GOP_FRAMES = 50


def write_videos(
    root: Path, seed: int, normal: int, test: int, frames: int, fps: int, size: tuple[int, int]
) -> dict[str, Any]:
    for index in range(normal):
        camera = CAMERAS[index % 2]
        path = root / "train" / f"camera={camera}" / f"{camera}-{index:03d}.mp4"
        encode(path, scene(seed, camera, index, frames, fps, size, [])[0], fps, size)
    clips = {}
    for index in range(test):
        damaged = index > 0 and index == test - 1
        camera = "gate" if damaged else CAMERAS[index % 2]
        name = "damaged" if damaged else f"{camera}-{100 + index}"
        path = root / "test" / f"camera={camera}" / f"{name}.mp4"
        anomalies = [] if index % 4 == 3 and not damaged else _plan(seed, index, frames, fps, size)
        pictures, boxes = scene(seed, camera, 1000 + index, frames, fps, size, anomalies)
        encode(path, pictures, fps, size)
        kept = _cut_short(path) if damaged else frames
        clips[path.relative_to(root).as_posix()] = _clip_truth(kept, anomalies, boxes)
    return clips


def _plan(seed: int, index: int, frames: int, fps: int, size: tuple[int, int]) -> list[Anomaly]:
    """Two anomalies of different kinds, one in each half (one in a video under 10 s), about 3 s each."""
    rng = np.random.default_rng([seed, 3, index])
    kinds = ["cyclist", "cart", "intruder"]
    length = min(round(3 * fps), frames // 4)
    count = 2 if frames >= 10 * fps else 1
    plan = []
    for number in range(count):
        start = int(frames * (0.12 + 0.45 * number + 0.12 * rng.random()))
        kind = kinds[(index + number) % 3]
        # walkers keep to lanes between 0.45 and 0.9 of the height; nobody goes above 0.3
        lane_y = size[1] * (0.16 if kind == "intruder" else 0.55 + 0.25 * rng.random())
        plan.append(Anomaly(kind, start, start + length - 1, lane_y))
    return plan


def _clip_truth(
    frames: int, anomalies: list[Anomaly], boxes: Callable[[Anomaly, int], Box]
) -> dict[str, Any]:
    return truth_of(
        frames,
        [
            (one.kind, one.start, [boxes(one, at) for at in range(one.start, min(one.end + 1, frames))])
            for one in anomalies
            if one.start < frames
        ],
    )


def truth_of(frames: int, events: Iterable[tuple[str, int, list[Box]]]) -> dict[str, Any]:
    """A clip of `synth.read_truth`.

    Args:
        frames: Of the clip.
        events: Kind, first frame, and the boxes of it and those that follow.
    """
    told = [
        {
            "start_frame": start,
            "end_frame": start + len(boxes) - 1,
            "kind": kind,
            "box": _union(boxes),
            "boxes": boxes,
        }
        for kind, start, boxes in events
    ]
    ranges = [[event["start_frame"], event["end_frame"]] for event in told]
    return {"frames": frames, "anomalous": ranges, "events": told}


def _union(boxes: list[Box]) -> Box:
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, bottom = max(box[0] + box[2] for box in boxes), max(box[1] + box[3] for box in boxes)
    return left, top, right - left, bottom - top


def encode(path: Path, pictures: Iterator[np.ndarray], fps: int, size: tuple[int, int]) -> None:
    """Writes an H.264 video of pictures, uint8 `[height, width, 3]` BGR each, `size` their width and height."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # the index first, as cameras that stream write it, and so that a file cut short can still be read
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        # with its macroblock tree, x264 does not always make the same bytes of the same pictures
        options = {
            "crf": "20",
            "preset": "veryfast",
            "g": str(GOP_FRAMES),
            "threads": "1",
            "x264-params": "mbtree=0",
        }
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, fps)
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())


def _cut_short(path: Path) -> int:
    """Cut a video file off just inside a key frame past its half; returns the frames that are left.

    Every packet before the cut is whole and refers to nothing lost, and the first bytes of the key frame that
    stay cannot be decoded, so the count is exact whatever the decoder does to conceal errors. A video without
    a key frame in its second half is cut inside the packet at its half.
    """
    with av.open(str(path)) as container:
        packets = [
            (packet.pos, packet.is_keyframe) for packet in container.demux(video=0) if packet.pos is not None
        ]
    half = len(packets) // 2
    kept = next((i for i in range(half, len(packets)) if packets[i][1]), half)
    path.write_bytes(path.read_bytes()[: packets[kept][0] + 24])
    return kept
