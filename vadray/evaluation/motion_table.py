"""The paper's tables 1 to 3: how much moves in each video, and how well it is judged, for each part of a set.

The columns are those of `vadray.media.motion_figures`, measured at the size of the detector's input, and two more:

- adaptive learning rate: what the schedule `temporal` would use for a step of windows of this video alone, by its motion
  relative to that of the footage learned from; whether or not the bundle was trained by that schedule;
- detection accuracy: the share of frames that are flagged, at the bundle's calibrated threshold, if and only if they are
  anomalous. All frames of the normal half count as normal.

Reference: "Image and Video Anomaly Detection Using AI Based Deep Anomaly Detectors" (2024), tables 1 to 3, which print the
    columns without saying how they are measured.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vadray import storage
from vadray.bundle import Bundle
from vadray.config import EvaluateOptions, TrainOptions
from vadray.evaluation.datasets import LabelledSet, ObjectLabels
from vadray.evaluation.metrics import FrameSet
from vadray.evaluation.scored import PlanRow, planned_units, score_labelled
from vadray.media.motion_figures import motion_row
from vadray.media.motion_figures import motion_table as markdown_table
from vadray.sweep.video_motion import VideoMotion, measure_motion
from vadray.training import footage
from vadray.training.schedules import Moment, learning_rate

PARTS = ("training", "validation", "testing")


@dataclass(frozen=True)
class MotionTable:
    """Rows of `motion_row` for each part that there is.

    Args:
        parts: By name of `PARTS`.
        learning_rate: The base rate that adaptive ones are multiples of.
        size: Rows and columns that frames were measured at.
        notes: What is missing, and why.
    """

    parts: dict[str, list[dict[str, Any]]]
    learning_rate: float
    size: tuple[int, int]
    notes: list[str]

    def markdown(self) -> str:
        """A heading and a table for each part, then the notes."""
        text = (
            f"Motion at {self.size[0]} x {self.size[1]} pixels; base learning rate {self.learning_rate:g}\n"
        )
        for name, rows in self.parts.items():
            text += f"\n## {name.capitalize()}\n\n{markdown_table(rows)}"
        return text + "".join(f"\n{note}\n" for note in self.notes)

    def to_json(self) -> str:
        """The same, a list of rows for each part."""
        rest = {"learning_rate": self.learning_rate, "size": self.size, "notes": self.notes}
        return json.dumps({**self.parts, **rest}, indent=1, allow_nan=False)


def motion_table(
    bundle: Bundle,
    labelled: LabelledSet,
    units: list[PlanRow],
    scored: Sequence[FrameSet],
    options: EvaluateOptions,
) -> MotionTable:
    """Measures the videos of a labelled set, and scores its normal half. Ray must be connected.

    Args:
        bundle: A bundle that scores video.
        labelled: The set.
        units: Planned rows of its labelled videos.
        scored: Their labels and flags.
        options: How videos are found, cut and decoded.

    Raises:
        RequestError: The normal half cannot be listed.
    """
    notes: list[str] = []
    tested = _measured(units, bundle, options, labelled.archive)
    normal: dict[str, VideoMotion] = {}
    accuracy: dict[str, float] = {}
    held: set[str] = set()
    if labelled.train is None:
        notes.append("No training and validation videos: the set has no normal half.")
    else:
        normal_units = planned_units(labelled.train, bundle, options)
        normal = _measured(normal_units, bundle, options, labelled.train)
        labels = dict.fromkeys(normal, ObjectLabels("video", None, ()))
        half = LabelledSet(labelled.train, labels, clips=True, source=labelled.train)
        accuracy = _accuracy([one.frames for one in score_labelled(normal_units, half, bundle, options)])
        known = held_out_videos(bundle, normal_units, labelled.train)
        if isinstance(known, str):
            notes.append(f"No validation videos apart from those for training: {known}.")
        else:
            held = known
    base = bundle.info.get("training", {}).get("learning_rate")
    base = TrainOptions.model_fields["learning_rate"].default if base is None else base
    learned = {path: one for path, one in normal.items() if path not in held}
    usual = _usual_change(learned)
    measured = {
        "training": learned,
        "validation": {path: one for path, one in normal.items() if path in held},
        "testing": tested,
    }
    judged = {"training": accuracy, "validation": accuracy, "testing": _accuracy(scored)}
    parts = {
        name: [
            motion_row(path, one.figures, _adaptive_rate(one, usual, base), judged[name].get(path))
            for path, one in measured[name].items()
        ]
        for name in PARTS
        if measured[name]
    }
    return MotionTable(parts, base, (bundle.height, bundle.width), notes)


def held_out_videos(bundle: Bundle, units: list[PlanRow], archive: str) -> set[str] | str:
    """Which videos of its footage a bundle was not trained on, or why that is not known.

    Args:
        bundle: With the provenance that `vadray train` writes.
        units: Planned rows of the footage.
        archive: URI of the footage.

    Returns:
        Paths relative to `archive`; or the reason, as the end of a sentence.
    """
    data: Mapping[str, Any] = bundle.info.get("data", {})
    if data.get("fingerprint") != footage.fingerprint(units):
        return "the bundle was trained on other footage, or this was changed or cut otherwise since"
    if data.get("folds"):
        return "the bundle learned from all of its videos, after cross-validation"
    if data["held_out_by"] != "video":
        return "the bundle held out a part of its only video"
    if "validation" not in data:
        return "the bundle does not say which share it held out; bundles trained from now on do"
    sides = footage.split(units, data["validation"], bundle.info["training"]["seed"])
    root = storage.absolute(archive)
    return {storage.relative(unit["members"][0]["object_uri"], root) for unit in sides.held_out}


def _measured(
    units: list[PlanRow], bundle: Bundle, options: EvaluateOptions, archive: str
) -> dict[str, VideoMotion]:
    """Motion of each video by its path relative to `archive`."""
    root = storage.absolute(archive)
    found = measure_motion(units, bundle.height, bundle.width, options.clip_fps, options)
    return {storage.relative(one.uri, root): one for one in found}


def _accuracy(scored: Sequence[FrameSet]) -> dict[str, float]:
    return {one.object: float(np.mean(one.flags == one.labels)) for one in scored if len(one.labels)}


def _usual_change(learned: Mapping[str, VideoMotion]) -> float | None:
    """Mean change from frame to frame of all footage learned from; None where there is none."""
    pairs = sum(one.pairs for one in learned.values())
    return sum(one.grey_change * one.pairs for one in learned.values()) / pairs if pairs else None


def _adaptive_rate(video: VideoMotion, usual: float | None, base: float) -> float | None:
    if usual is None:
        return None
    motion = video.grey_change / usual if usual > 0 else 1.0
    return learning_rate("temporal", base, Moment(epoch=0, step=0, epochs=1, steps=1, motion=motion))
