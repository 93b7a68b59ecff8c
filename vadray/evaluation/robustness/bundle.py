"""A bundle's robustness on a labelled set. Decodes and scores in this process, one video at a time."""

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vadray import storage
from vadray.bundle import Bundle, open_bundle
from vadray.calibration.calibration import VideoScores
from vadray.config import EvaluateOptions
from vadray.errors import RequestError
from vadray.evaluation.datasets import LabelledSet, ObjectLabels, read_labels
from vadray.evaluation.robustness.attacks import EPSILONS, STEPS, ScoreGradient
from vadray.evaluation.robustness.study import (
    Case,
    LabelledFrames,
    RobustnessRow,
    Say,
    attack_cases,
    corruption_cases,
    study,
)
from vadray.evaluation.robustness.summary import robustness_png, robustness_table
from vadray.evaluation.scored import judged_units
from vadray.media.corrupt import with_flow
from vadray.sweep.scorer import Scorer, configure_device
from vadray.sweep.units import FrameShape, UnitDecoder, frame_shape


@dataclass(frozen=True)
class RobustnessSettings:
    """What is studied.

    Args:
        corruptions: Names, None for all that make sense for the bundle's kind.
        attacks: Of "fgsm", "pgd" and "random", None for all, () for none.
        epsilons: Budgets of the attacks in whole grey levels.
        steps: Of PGD: each costs about six times as much as scoring the attacked frames.
        most_objects: Labelled videos, or images, to study: anomalous and normal ones in their proportion, spread
            evenly over the set. None for all.
        seed: Of all that is left to chance.
    """

    corruptions: tuple[str, ...] | None = None
    attacks: tuple[str, ...] | None = None
    epsilons: tuple[int, ...] = EPSILONS
    steps: int = STEPS
    most_objects: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class BundleStudy:
    """What a study found.

    Args:
        rows: The clean frames, then one row a case.
        objects: Videos or images studied.
        notes: What is missing, and why: attacks on a detector without a gradient, damaged files.
    """

    rows: list[RobustnessRow]
    objects: int
    notes: list[str]


def study_bundle(
    options: EvaluateOptions, settings: RobustnessSettings = RobustnessSettings(), say: Say = lambda _: None
) -> BundleStudy:
    """Studies a bundle with its own calibration, and writes `robustness.{json,md,png}` to `out`, where it is given.

    Ray must be connected: it plans. The rest happens in this process, on its device.

    Args:
        options: `bundle`, `dataset`, `out`, and how objects are found and decoded.
        settings: What is studied.
        say: Where to tell of progress.

    Raises:
        RequestError: The bundle, the data set or a setting is wrong.
    """
    bundle = open_bundle(options.bundle)
    labelled = read_labels(options.dataset)
    configure_device(0)
    detector = bundle.load_detector()
    remeasure = (lambda pictures: with_flow(pictures, bundle.flow)) if bundle.flow else None
    cases: list[Case] = corruption_cases(
        bundle.kind, bundle.channels, settings.corruptions, seed=settings.seed, remeasure=remeasure
    )
    notes: list[str] = []
    if settings.attacks != ():
        try:
            gradient = ScoreGradient(detector)
        except RequestError as error:
            notes.append(str(error))
        else:
            cases += attack_cases(
                gradient,
                settings.attacks,
                epsilons=settings.epsilons,
                steps=settings.steps,
                seed=settings.seed,
                remeasure=remeasure,
            )
    shape = frame_shape(bundle, options.unit_frames, options.clip_fps)
    root = storage.absolute(labelled.archive)
    units, left_out = judged_units(labelled, bundle, options)
    if left_out:
        notes.append(f"{len(left_out)} objects are left out, since the bundle has learned from them")
    there = {storage.relative(one["object_uri"], root) for unit in units for one in unit["members"]}
    chosen = choose(
        {name: own for name, own in labelled.labels.items() if name in there},
        bundle.kind,
        settings.most_objects,
    )
    videos = _decoded(shape, units, labelled, chosen, options, notes)
    rows = study(videos, _calibrated(bundle, Scorer(detector)), cases, bundle.kind, say)
    found = BundleStudy(rows, len(chosen), notes)
    if options.out:
        _write(found, options, bundle)
    return found


def choose(labels: dict[str, ObjectLabels], kind: str, most: int | None) -> set[str]:
    """Objects of a kind, at most `most`: of those with and those without anomalies an even share, spread evenly.

    Raises:
        RequestError: `most` is below 1.
    """
    if most is not None and most < 1:
        raise RequestError(f"Argument `most_objects` must be at least 1. Received: most_objects={most}")
    names = sorted(name for name, one in labels.items() if (one.kind == "image") == (kind == "image"))
    if most is None or most >= len(names):
        return set(names)
    odd = [name for name in names if labels[name].ranges]
    normal = [name for name in names if not labels[name].ranges]
    share = round(most * len(odd) / len(names))
    if odd and normal and most > 1:
        share = min(max(share, 1), most - 1)  # an AUC needs both
    share = min(max(share, most - len(normal)), len(odd))
    return {*_spread(odd, share), *_spread(normal, most - share)}


def _spread(names: Sequence[str], count: int) -> list[str]:
    return [names[place * len(names) // count] for place in range(count)]


def _calibrated(bundle: Bundle, scorer: Scorer):
    def score(video: LabelledFrames) -> tuple[np.ndarray, np.ndarray]:
        raw, _, _ = scorer.score(video.frames, 0)
        calibrated = bundle.calibration.apply(VideoScores(video.camera, video.time_s, raw))
        return calibrated.standardised, calibrated.flags

    return score


def _decoded(
    shape: FrameShape,
    units: list[dict[str, Any]],
    labelled: LabelledSet,
    chosen: set[str],
    options: EvaluateOptions,
    notes: list[str],
) -> Iterator[LabelledFrames]:
    """The chosen objects: each video whole, images by unit and camera."""
    root = storage.absolute(labelled.archive)
    wanted = []
    for unit in units:
        members = [one for one in unit["members"] if storage.relative(one["object_uri"], root) in chosen]
        if members:
            wanted.append({**unit, "bundle": 0, "members": members})
    if not wanted:
        raise RequestError(
            f"dataset {options.dataset}: expected labelled objects that the bundle {options.bundle} can score and has "
            "not learned from, found none"
        )
    decoder = UnitDecoder([shape], options.decode_timeout_s, options.decode_memory_mib)
    try:
        for _, group in itertools.groupby(wanted, key=lambda unit: unit["object_index"]):
            yield from _joined(decoder, list(group), labelled, root, notes)
    finally:
        decoder.close()


def _joined(
    decoder: UnitDecoder, units: list[dict[str, Any]], labelled: LabelledSet, root: str, notes: list[str]
) -> Iterator[LabelledFrames]:
    """Labelled frames of the units of one video, or of one group of images."""
    chunks = [chunk for unit in units for chunk in decoder.decode(unit)]
    frames = np.concatenate([chunk.frames[chunk.lead :] for chunk in chunks])
    time_s = np.concatenate([chunk.time_s for chunk in chunks])
    member = np.concatenate([chunk.member for chunk in chunks])
    members = units[0]["members"]
    names = [storage.relative(one["object_uri"], root) for one in members]
    labels = np.zeros(len(frames), bool)
    for place, name in enumerate(names):
        mine = member == place
        truth = labelled.labels[name]
        labels[mine] = truth.flags(int(mine.sum()))
        error = next((chunk.members[place].error for chunk in chunks if chunk.members[place].error), None)
        if error or truth.frames not in (None, mine.sum()):
            notes.append(
                f"{name}: labelled {truth.frames} frames, decoded {int(mine.sum())}; {error or 'no error'}"
            )
    cameras = np.array([one["camera"] or "" for one in members])[member]
    for camera in dict.fromkeys(cameras.tolist()):
        mine = cameras == camera
        # images of several cameras share a unit, and each camera may have a calibration of its own
        first = names[int(member[mine][0])]
        name = first if len(names) == 1 else f"{first} and {int(mine.sum()) - 1} more"
        own = frames if mine.all() else frames[mine]
        yield LabelledFrames(name, own, labels[mine], time_s[mine], camera or None)


def _write(found: BundleStudy, options: EvaluateOptions, bundle: Bundle) -> None:
    out = storage.absolute(options.out or "")
    content = {
        "detector": bundle.detector_name,
        "bundle_digest": bundle.digest,
        "dataset": options.dataset,
        "objects": found.objects,
        "notes": found.notes,
        "rows": [row.to_dict() for row in found.rows],
    }
    title = f"{bundle.detector_name} on {options.dataset}"
    storage.write_bytes(storage.join(out, "robustness.json"), json.dumps(content, indent=1).encode())
    storage.write_bytes(storage.join(out, "robustness.md"), robustness_table(found.rows).encode())
    storage.write_bytes(storage.join(out, "robustness.png"), robustness_png(found.rows, title))
