"""How much moves in a video, in the figures of the paper's tables 1 to 3.

The paper prints the columns without saying how they are measured. Here:

- frame-difference rate: the share of pixels whose grey level differs by more than 12 (of 255) from the frame before,
  mean over all pairs of frames;
- motion: `low` below 0.01, `moderate` below 0.05, `high` from there on, by that rate: thresholds of ours. A camera
  over a hall that people cross now and then is low, a busy walkway moderate, a moving camera or a crowd high;
- optical flow: the mean length of the flow from frame to frame, in pixels;
- reliability: the share of pixels where flow forward and backward agree (`vadray.media.flow.reliable`).

All depend on the size of the frames and on the frame rate: compare videos of one size and rate.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import cv2
import numpy as np

from vadray.media.flow import DEFAULT_PRESET, OpticalFlow, Preset, reliability

CHANGED_LEVELS = 12  # more than the noise and the coding of a camera change a still picture
MODERATE_RATE, HIGH_RATE = 0.01, 0.05

MotionLevel = Literal["low", "moderate", "high"]

_COLUMNS = {
    "video": "Video",
    "frame_difference_rate": "Frame difference rate",
    "motion": "Motion",
    "optical_flow_px": "Optical flow, px",
    "flow_reliability": "Flow reliability",
    "adaptive_learning_rate": "Adaptive learning rate",
    "detection_accuracy": "Detection accuracy",
}
_FORMATS = {
    "frame_difference_rate": ".4f",
    "optical_flow_px": ".3f",
    "flow_reliability": ".3f",
    "adaptive_learning_rate": ".3g",
    "detection_accuracy": ".3f",
}


@dataclass(frozen=True)
class MotionFigures:
    """Motion of one video.

    Attributes:
        frame_difference_rate: Share of pixels that change from frame to frame, 0 to 1.
        motion: The same in a word.
        optical_flow_px: Mean length of the flow, pixels per frame.
        flow_reliability: Share of pixels where forward and backward flow agree, 0 to 1.
    """

    frame_difference_rate: float
    motion: MotionLevel
    optical_flow_px: float
    flow_reliability: float


def difference_rate(before: np.ndarray, now: np.ndarray) -> float:
    """Share of pixels, 0 to 1, that differ by more than CHANGED_LEVELS between two uint8 grey frames."""
    changed = cv2.threshold(cv2.absdiff(before, now), CHANGED_LEVELS, 1, cv2.THRESH_BINARY)[1]
    return cv2.countNonZero(changed) / changed.size


def motion_level(rate: float) -> MotionLevel:
    """The frame-difference rate in a word."""
    if rate < MODERATE_RATE:
        return "low"
    return "moderate" if rate < HIGH_RATE else "high"


def motion_figures(
    frames: Iterable[np.ndarray], every: int = 1, preset: Preset = DEFAULT_PRESET
) -> MotionFigures:
    """Measures a video; two frames are in memory at a time.

    Args:
        frames: uint8 `[height, width]` each, grey, in order: an array `[n, height, width]` or a stream.
        every: Measure optical flow at every so many pairs of frames, at least 1: it takes most of the time.
        preset: As for `vadray.media.flow.OpticalFlow`.

    Returns:
        Means over the pairs of frames; all 0 and a reliability of 1 for fewer than two frames.

    Raises:
        ValueError: `every` is less than 1.
    """
    if every < 1:
        raise ValueError(f"`every` must be at least 1. Received: {every}")
    flow = OpticalFlow(preset)
    rates: list[float] = []
    lengths: list[float] = []
    agreement: list[float] = []
    for number, (before, now) in enumerate(pairwise(frames)):
        rates.append(difference_rate(before, now))
        if number % every:
            continue
        forward = flow.between(before, now)
        lengths.append(float(np.sqrt(np.square(forward).sum(axis=-1)).mean()))
        agreement.append(reliability(forward, flow.between(now, before)))
    if not rates:
        return MotionFigures(0.0, "low", 0.0, 1.0)
    rate = float(np.mean(rates))
    return MotionFigures(rate, motion_level(rate), float(np.mean(lengths)), float(np.mean(agreement)))


def motion_row(
    video: str,
    figures: MotionFigures,
    adaptive_learning_rate: float | None = None,
    detection_accuracy: float | None = None,
) -> dict[str, Any]:
    """One row of the paper's tables 1 to 3.

    Args:
        video: Its name.
        figures: From `motion_figures`.
        adaptive_learning_rate: The learning rate that the schedule `temporal` has for it, if known.
        detection_accuracy: Share of its frames that were judged right, 0 to 1, if it has labels.
    """
    return {
        "video": video,
        "frame_difference_rate": figures.frame_difference_rate,
        "motion": figures.motion,
        "optical_flow_px": figures.optical_flow_px,
        "flow_reliability": figures.flow_reliability,
        "adaptive_learning_rate": adaptive_learning_rate,
        "detection_accuracy": detection_accuracy,
    }


def motion_table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows of `motion_row` as a Markdown table, the paper's columns and the flow's reliability; "–" is unknown."""
    lines = [list(_COLUMNS.values()), ["---"] + ["---:"] * (len(_COLUMNS) - 1)]
    lines += [[_cell(column, row[column]) for column in _COLUMNS] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(column: str, value: Any) -> str:
    if value is None:
        return "–"
    return format(value, _FORMATS.get(column, "")).replace("|", "\\|")
