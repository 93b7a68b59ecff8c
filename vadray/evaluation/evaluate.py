"""`vadray evaluate`: a bundle against a labelled set."""

import dataclasses
from typing import Any

import numpy as np

from vadray import storage
from vadray.bundle import open_bundle
from vadray.calibration.calibration import VideoScores
from vadray.config import ArchiveOptions, EvaluateOptions
from vadray.errors import RequestError
from vadray.evaluation.alarms import false_alarms_per_hour, normal_hours
from vadray.evaluation.datasets import read_labels
from vadray.evaluation.learned import NOTHING, LearnedObjects, plan_labelled
from vadray.evaluation.metrics import Figures, FrameSet, evaluate_frames
from vadray.evaluation.plots import roc_png, scores_png
from vadray.evaluation.table import figures_json, figures_table
from vadray.sweep.collect import collect_scores
from vadray.sweep.units import frame_shape


def evaluate(options: EvaluateOptions, others: LearnedObjects = NOTHING) -> tuple[Figures, dict[str, Any]]:
    """Scores a labelled set and compares. Ray must be connected.

    Args:
        options: What to evaluate. What the bundle has learned from is left out, unless `learned` says otherwise.
        others: Objects to leave out besides.

    Returns:
        The figures, and what else is known: objects that were labelled but could not be scored whole (`not_whole`),
        and those that were left out (`left_out`).

    Raises:
        RequestError: The bundle or the data set is wrong.
    """
    bundle = open_bundle(options.bundle)
    labelled = read_labels(options.dataset)
    shape = frame_shape(bundle, options.unit_frames, options.clip_fps)
    archive = ArchiveOptions(archive=labelled.archive, pattern=options.pattern)
    root = storage.absolute(labelled.archive)
    units = plan_labelled(
        labelled, options, archive, bundle.kind, shape, bundle.scoring_digest, bundle.stride
    )
    learned = others if options.learned else others.union([LearnedObjects.of(bundle)])
    units, left_out = learned.leave_out(units, root)
    if left_out and not units:
        raise RequestError(
            f"dataset {options.dataset}: expected {bundle.kind}s that the bundle {options.bundle} has not learned from, "
            f"received {len(left_out)} that it has; learned=true judges it by them all the same"
        )
    sets: list[FrameSet] = []
    times: list[np.ndarray] = []
    short: list[str] = []
    for found in collect_scores(units, bundle, shape, options):
        labels = labelled.labels[storage.relative(found.uri, root)]
        count = len(found.score)
        if found.error or (labels.frames is not None and labels.frames != count):
            short.append(f"{found.uri}: labelled {labels.frames} frames, scored {count}; {found.error or ''}")
        if count == 0:
            continue
        calibrated = bundle.calibration.apply(VideoScores(found.camera or None, found.time_s, found.score))
        sets.append(
            FrameSet(
                object=storage.relative(found.uri, root),
                labels=labels.flags(count),
                score=calibrated.standardised,
                raw=found.score,
                flags=calibrated.flags,
                mse=found.mse,
            )
        )
        times.append(found.time_s)
    if not sets:
        raise RequestError(
            f"dataset {options.dataset}: expected labelled {bundle.kind}s that the bundle {options.bundle} can score, found none"
        )
    figures = evaluate_frames(sets, "image" if bundle.kind == "image" else "video")
    if bundle.kind == "video":
        hours = sum(normal_hours(one.labels, time_s) for one, time_s in zip(sets, times, strict=True))
        alarms = false_alarms_per_hour(((one.labels, one.flags) for one in sets), hours)
        figures = dataclasses.replace(figures, false_alarms_per_hour=alarms)
    if options.out:
        _write(options, bundle.detector_name, figures, sets, times)
    return figures, {"detector": bundle.detector_name, "not_whole": short, "left_out": left_out}


def _write(
    options: EvaluateOptions, name: str, figures: Figures, sets: list[FrameSet], times: list[np.ndarray]
) -> None:
    out = storage.absolute(options.out or "")
    storage.write_bytes(storage.join(out, "evaluation.json"), figures_json(figures).encode())
    storage.write_bytes(storage.join(out, "evaluation.md"), figures_table({name: figures}).encode())
    labels = np.concatenate([one.labels for one in sets])
    if labels.any() and not labels.all():
        curve = roc_png({name: (labels, np.concatenate([one.score for one in sets]))}, title=options.dataset)
        storage.write_bytes(storage.join(out, "roc.png"), curve)
    for one, time_s in zip(sets, times, strict=True):
        if len(one.score) > 1:
            picture = scores_png(
                one.score, title=one.object, time_s=time_s, labels=one.labels, flags=one.flags
            )
            storage.write_bytes(storage.join(out, "scores", f"{one.object.replace('/', '_')}.png"), picture)
