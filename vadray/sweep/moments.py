"""Pictures that are taken while a chunk's pixels are in memory: of its highest-scoring moments, and of its camera's view."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from vadray.calibration.events import runs
from vadray.media.thumbnail import blurred, heat_map, strip, thumbnail
from vadray.media.view import view_of

Pictures = Literal["clear", "blurred", "none"]

MOMENT_FRAMES = 64  # of a long run of unusual frames each so many have a moment
MOMENTS_PER_CHUNK = 16
STRIP_S = (-2.0, -1.0, 0.0, 1.0, 2.0)  # around the moment
VIEW_EVERY_S = 60.0
VIEW_FRAMES, VIEW_REACH_S = 5, 2.0


@dataclass(frozen=True)
class Moment:
    """A frame that may become an event's peak.

    Args:
        frame: Its index among the scored frames.
        jpeg: Its picture with the box.
        heat: Its error map, to be laid over the picture: PNG with transparency.
        strip: The seconds around it side by side, as far as the chunk holds them: JPEG. None of images.
    """

    frame: int
    jpeg: bytes
    heat: bytes
    strip: bytes | None


def moments(
    frames: np.ndarray,
    time_s: np.ndarray,
    score: np.ndarray,
    error_map: np.ndarray,
    boxes: np.ndarray,
    is_video: bool,
    least: float,
    pictures: Pictures,
) -> list[Moment]:
    """Pictures of a chunk's unusual frames: of a video the highest of each run of them, which any event's peak is.

    Args:
        frames: uint8 `[n, height, width, 1 or 3]`, the scored frames.
        time_s: float64 `[n]`.
        score: float32 `[n]`.
        error_map: float32 `[n, rows, columns]`.
        boxes: int32 `[n, 4]` of x, y, width, height in the frames' pixels.
        is_video: Whether the frames are of one video; otherwise each is an image.
        least: What scores below is not pictured: it cannot be an event's peak.
        pictures: "none" gives none.
    """
    if pictures == "none":
        return []
    step = MOMENT_FRAMES if is_video else 1
    parts = [
        score[start : min(start + step, last + 1)].argmax() + start
        for first, last in runs(score >= least)
        for start in range(first, last + 1, step)
    ]
    peaks = sorted(map(int, parts), key=lambda index: (-score[index], index))

    def shown(index: int) -> np.ndarray:
        return blurred(frames[index]) if pictures == "blurred" else frames[index]

    found = []
    for index in sorted(peaks[:MOMENTS_PER_CHUNK]):
        around: np.ndarray | list = (
            np.unique(np.abs(time_s[:, None] - time_s[index] - STRIP_S).argmin(axis=0)) if is_video else []
        )
        found.append(
            Moment(
                frame=index,
                jpeg=thumbnail(shown(index), tuple(boxes[index].tolist())),
                heat=heat_map(error_map[index]),
                strip=strip([shown(one) for one in around]) if len(around) > 1 else None,
            )
        )
    return found


def views(frames: np.ndarray, time_s: np.ndarray) -> list[tuple[int, bytes]]:
    """What the camera looks at, once a minute at its middle: pairs of an index into `frames` and a JPEG.

    Args:
        frames: uint8 `[n, height, width, channels]`, scored frames of one video.
        time_s: float64 `[n]`, since the object's first frame.
    """
    if len(time_s) < 2:
        return []
    before = np.concatenate([[2 * time_s[0] - time_s[1]], time_s[:-1]])
    minute = [np.floor((moment - VIEW_EVERY_S / 2) / VIEW_EVERY_S) for moment in (before, time_s)]
    found = []
    for index in np.flatnonzero(minute[1] > minute[0]).tolist():
        near = np.flatnonzero(np.abs(time_s - time_s[index]) <= VIEW_REACH_S)
        chosen = np.unique(near[np.linspace(0, len(near) - 1, VIEW_FRAMES).round().astype(int)])
        found.append((index, view_of(frames[chosen])))
    return found
