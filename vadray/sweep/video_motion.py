"""How much moves in whole videos: each is decoded once more and measured in a task of its own."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray

from vadray.config import ClusterOptions
from vadray.media.motion_figures import MotionFigures, motion_figures
from vadray.media.request import LEAST_SIDE_FOR_FLOW_PX, DecodedChunk
from vadray.sweep.units import FrameShape, UnitDecoder

CHUNK_FRAMES = 64  # flow keeps two frames; more would only wait for it
MEASURE_CPUS = 0.9  # beside the decoding child, which mostly waits


@dataclass(frozen=True)
class VideoMotion:
    """Motion of one video.

    Args:
        uri: The video.
        figures: In the paper's columns.
        grey_change: Mean absolute difference of a frame from the one before, in grey levels: what the learning rate
            `temporal` goes by. 0 for a single frame.
        pairs: Of frames that these are means of.
    """

    uri: str
    figures: MotionFigures
    grey_change: float
    pairs: int


def measure_motion(
    units: list[dict[str, Any]], height: int, width: int, clip_fps: float, options: ClusterOptions
) -> Iterator[VideoMotion]:
    """Measures each video as a whole, in the order of the plan; what does not decode is left out. Ray must be connected.

    Args:
        units: Planned rows of videos or clips.
        height: Rows that frames are measured at; at least what flow needs is taken.
        width: Columns.
        clip_fps: Frames per second of folders of numbered frames.
        options: Limits of decoding.
    """
    shape = FrameShape(
        height=max(height, LEAST_SIDE_FOR_FLOW_PX),
        width=max(width, LEAST_SIDE_FOR_FLOW_PX),
        channels=1,
        lead_frames=1,
        chunk_frames=CHUNK_FRAMES,
        clip_fps=clip_fps,
    )
    videos: dict[str, dict[str, Any]] = {}
    for unit in units:
        uri = unit["members"][0]["object_uri"]
        videos.setdefault(uri, {**unit, "bundle": 0, "start_pts": None, "lead_pts": None, "end_pts": None})
    tasks = [
        _measure.remote(video, shape, options.decode_timeout_s, options.decode_memory_mib)
        for video in videos.values()
    ]
    for task in tasks:
        found = ray.get(task)
        if found is not None:
            yield found


@ray.remote(num_cpus=MEASURE_CPUS)
def _measure(
    video: dict[str, Any], shape: FrameShape, timeout_s: float, memory_mib: int
) -> VideoMotion | None:
    decoder = UnitDecoder([shape], timeout_s, memory_mib)
    changes: list[np.ndarray] = []

    def frames(chunks: Iterator[DecodedChunk]) -> Iterator[np.ndarray]:
        for chunk in chunks:
            changes.append(chunk.motion)
            yield from chunk.frames[chunk.lead :, ..., 0]

    try:
        figures = motion_figures(frames(decoder.decode(video)))
    finally:
        decoder.close()
    change = np.concatenate(changes)
    if len(change) == 0:
        return None
    pairs = len(change) - 1
    # the first frame has none before it
    mean = float(change[1:].mean(dtype=np.float64)) if pairs else 0.0
    return VideoMotion(video["members"][0]["object_uri"], figures, mean, pairs)
