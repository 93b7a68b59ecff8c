"""`vadray train LABELLED_SET --detector recognition`: from labelled footage to a calibrated bundle.

The base detector looks at every labelled object once, on all of the cluster; the head, some thousand weights, is
trained in one Ray task. A run that was interrupted begins anew: nothing is kept until the bundle is written.
"""

import dataclasses
import difflib
import inspect
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import ray

from vadray import storage
from vadray.archive.routing import Route
from vadray.bundle import Bundle, open_bundle, recalibrate, require_free, write_bundle
from vadray.calibration.calibration import VideoScores
from vadray.calibration.events import runs
from vadray.config import ArchiveOptions, TrainOptions
from vadray.detectors.recognition import RecognitionDetector
from vadray.errors import RequestError
from vadray.evaluation.datasets import LabelledSet, ObjectLabels, Split, read_labels
from vadray.evaluation.learned import LEARNED, LearnedObjects, plan_labelled
from vadray.sweep import planning
from vadray.sweep.collect import collect_scores
from vadray.sweep.scorer import configure_device
from vadray.sweep.units import FrameShape, frame_shape
from vadray.training import footage
from vadray.training.calibrate import fit_calibration, score_footage
from vadray.training.curves import loss_curves
from vadray.training.error_maps import labelled_videos, look
from vadray.training.finish import Trained
from vadray.training.recognition import RecognitionSettings, balanced_split, fit_recogniser

Say = Callable[[str], None]
STEPS = 25  # of an epoch
SEQUENCE_FRAMES = 32
NOT_ITS_OWN = ("window", "stride", "temporal", "target", "window_step", "workers")


def train_recognition(options: TrainOptions, say: Say) -> Trained:
    """Trains a head on labelled footage, calibrates it on normal footage it was not trained on, writes the bundle.

    The labelled objects are split into training, validation and test, each with its share of those with an anomaly and
    of those without; whole objects, so that no video is in two parts. The test part is not learned from, and
    `vadray evaluate` judges the bundle by it alone. The threshold comes from the set's normal half, or, where there is
    none or `init` learned from it, from the normal frames of the validation part. Ray must be connected.

    Raises:
        RequestError: The options or the set are wrong, or a part lacks anomalous or normal frames; nothing was written.
        VadrayError: Training diverged.
    """
    begun = time.monotonic()
    require_free(options.out, options.overwrite)
    if options.validation + options.test >= 1:
        raise RequestError(
            f"validation and test: expected less than 1 in sum, received {options.validation} and {options.test}"
        )
    detector, start = recognition_detector(options)
    labelled = _read(options.archive)
    if labelled.video_level:
        say("only whole videos are labelled: every frame of an anomalous one is learned as an anomaly")
    shape = frame_shape(detector.base, options.unit_frames, options.clip_fps)
    units = plan_labelled(labelled, options, options, detector.kind, shape, "training", detector.base.stride)
    root = storage.absolute(labelled.archive)
    split = split_units(units, labelled, options, detector.kind)
    say(
        f"{len(split.train)} labelled {detector.kind}s to learn from, {len(split.validation)} for validation, "
        f"{len(split.test)} left for evaluation; {detector.base.name_of_detector} looks at them"
    )
    seen = look(detector.base, units, shape, options, say)
    is_video = detector.kind == "video"
    settings = RecognitionSettings(
        epochs=options.epochs,
        steps=options.steps_per_epoch or STEPS,
        batch_size=options.batch_size,
        length=SEQUENCE_FRAMES if is_video else 1,
        learning_rate=options.learning_rate,
        schedule=options.schedule,
        patience=options.patience,
        coherence=detector.coherence,
        head=detector.head_config,
        seed=options.seed,
    )
    gpus = int(ray.cluster_resources().get("GPU", 0)) if options.gpus is None else options.gpus
    cpus = options.worker_cpus or 1.0
    # pixel masks are not needed, and are read through files that a worker need not have
    labels = {name: dataclasses.replace(own, pixels=None) for name, own in labelled.labels.items()}
    task = _fitted.options(num_cpus=cpus, num_gpus=min(gpus, 1), max_retries=options.max_failures)
    try:
        weights, figures, history = ray.get(
            task.remote(seen, units, labels, root, settings, split, 0 if gpus else max(1, round(cpus)))
        )
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, RequestError):  # without the worker's traceback
            raise error.cause from None
        raise
    detector.head.set_weights(weights)
    parts = {
        name: _of(units, names, root)
        for name, names in (("train", split.train), ("validation", split.validation))
    }
    training: dict[str, Any] = {
        "seed": options.seed,
        "batch_size": options.batch_size,
        "learning_rate": options.learning_rate,
        "schedule": options.schedule,
        "epochs": len(history),
        "best_epoch": min(history, key=lambda row: row["validation_loss"])["epoch"],
        "loss": history[-1]["loss"],
        "validation_loss": min(row["validation_loss"] for row in history),
        **{f"{name}_objects": len(part) for name, part in zip(Split._fields, split, strict=True)},
        **figures,
        **({"init": start.uri, "init_digest": start.digest} if start else {}),
        "train_s": round(time.monotonic() - begun, 1),
    }
    data = {
        "archive": storage.absolute(options.archive),
        "labels": labelled.source,
        "fingerprint": footage.fingerprint(units),
        "held_out_by": detector.kind,
    }
    candidate = write_bundle(
        f"{storage.absolute(options.out)}.candidate",
        detector,
        None,
        {"data": data, "training": training, "history": history},
        {"training.png": loss_curves(history)},
        overwrite=True,
    )
    try:
        normal = _normal_half(labelled, candidate, options, start, say)
        if normal:
            say("calibrating on the set's normal half")
            scored = score_footage(candidate, normal, shape_of(candidate, options), options)
        else:
            say("calibrating on the normal frames of the validation part")
            scored = _normal_stretches(candidate, parts["validation"], labelled, root, options)
        calibration = fit_calibration(candidate.kind, scored, options)
        learned = LearnedObjects.from_units({**parts, "calibration": normal}, root)
        provenance = {"data": {**data, "calibrated_on": "normal half" if normal else "validation part"}}
        bundle = recalibrate(
            candidate,
            calibration,
            options.out,
            provenance,
            options.overwrite,
            {LEARNED: learned.to_json().encode()},
        )
    finally:
        storage.delete_folder(candidate.uri)
    if calibration.doubt:
        say(calibration.doubt)
    return Trained(
        bundle,
        {
            **training,
            "calibrated_on": bundle.info["data"]["calibrated_on"],
            "threshold": calibration.default.threshold,
            "extrapolated": calibration.default.extrapolated,
            "wall_s": round(time.monotonic() - begun, 1),
        },
    )


def recognition_detector(options: TrainOptions) -> tuple[RecognitionDetector, Bundle | None]:
    """The detector that the options ask for, untrained, and the bundle that its base comes from.

    Raises:
        RequestError: A choice that it has not, or a base that does not fit.
    """
    for name in NOT_ITS_OWN:
        if getattr(options, name) != TrainOptions.model_fields[name].default:
            raise RequestError(
                f"{name}: recognition has no such choice (it moves as its base does, and its head is trained in one "
                f"task); received {name}={getattr(options, name)!r}"
            )
    if options.schedule == "temporal":
        raise RequestError("schedule: recognition expects constant, cosine or plateau, received temporal")
    choices = [*inspect.signature(RecognitionDetector.__init__).parameters][4:-1]
    for name in options.settings:
        if name not in choices:
            near = difflib.get_close_matches(name, choices, n=1)
            raise RequestError(
                f"settings: recognition has {', '.join(choices)}; received {name}"
                + (f"; did you mean {near[0]}?" if near else "")
            )
    arguments = {**options.settings, **({"units": options.units} if options.units else {})}
    if not options.init:
        height, width = options.size or RecognitionDetector.default_size
        return _built(RecognitionDetector(height, width, options.channels, **arguments)), None
    if "base" in arguments:
        raise RequestError(f"settings: expected no base beside init={options.init}, which is the base")
    start = open_bundle(options.init)
    size = options.size or (start.height, start.width)
    channels = options.channels if "channels" in options.model_fields_set else start.channels
    base = start.load_detector()
    return _built(RecognitionDetector(*size, channels, base=base, **arguments)), start


def split_units(
    units: list[dict[str, Any]], labelled: LabelledSet, options: TrainOptions, kind: str
) -> Split:
    """Paths of the objects of each part.

    Raises:
        RequestError: There are too few objects for three parts, or none of them has an anomaly.
    """
    root = storage.absolute(labelled.archive)
    names = {storage.relative(one["object_uri"], root) for unit in units for one in unit["members"]}
    anomalous = {name: bool(labelled.labels[name].ranges) for name in sorted(names)}
    if len(names) < 2 or not any(anomalous.values()):
        raise RequestError(
            f"archive: expected labelled {kind}s in {labelled.archive}, at least one to learn from and one for "
            f"validation, with anomalies; received {len(names)}, of which {sum(anomalous.values())} have one"
        )
    shares = (1 - options.validation - options.test, options.validation, options.test)
    return balanced_split(anomalous, shares, options.seed)


def shape_of(bundle: Bundle, options: TrainOptions) -> FrameShape:
    return frame_shape(bundle, options.unit_frames, options.clip_fps)


@ray.remote
def _fitted(
    seen: list[ray.ObjectRef],
    units: list[dict[str, Any]],
    labels: dict[str, ObjectLabels],
    root: str,
    settings: RecognitionSettings,
    split: Split,
    threads: int,
) -> tuple[list[np.ndarray], dict[str, float | None], list[dict[str, float]]]:
    """Weights of the head, its figures, and the losses of each epoch."""
    configure_device(threads)
    rows = (row for part in seen for row in ray.get(part))
    found = fit_recogniser(labelled_videos(rows, units, labels, root), settings, split)
    return found.recogniser.get_weights(), found.figures, found.history


def _built(detector: RecognitionDetector) -> RecognitionDetector:
    detector.build()
    return detector


def _read(archive: str) -> LabelledSet:
    try:
        return read_labels(archive)
    except RequestError as error:
        raise RequestError(
            f"archive: recognition learns from labels, and no others will do. {error}"
        ) from None


def _of(units: list[dict[str, Any]], names: list[str], root: str) -> list[dict[str, Any]]:
    """Plan rows with the members that are called so."""
    wanted = set(names)
    chosen = []
    for unit in units:
        members = [one for one in unit["members"] if storage.relative(one["object_uri"], root) in wanted]
        if members:
            chosen.append({**unit, "members": members})
    return chosen


def _normal_half(
    labelled: LabelledSet, candidate: Bundle, options: TrainOptions, start: Bundle | None, say: Say
) -> list[dict[str, Any]]:
    """Plan rows of the set's normal half; none where it has none, or where the base has learned from it."""
    if labelled.train is None:
        return []
    archive = ArchiveOptions(archive=labelled.train, pattern=options.pattern, clips=labelled.clips)
    rows = planning.plan_archive(
        archive,
        options,
        [Route(0, candidate.kind)],
        [shape_of(candidate, options)],
        [candidate.scoring_digest],
        [candidate.stride],
    )
    units = [unit for unit in rows if unit["status"] == "planned"]
    known = start.info.get("data", {}) if start else {}
    if (
        units
        and known
        and (
            known.get("archive") == storage.absolute(labelled.train)
            or known.get("fingerprint") == footage.fingerprint(units)
        )
    ):
        say(
            f"{options.init} has learned from the set's normal half: it cannot tell what normal footage scores"
        )
        return []
    return units


def _normal_stretches(
    bundle: Bundle, units: list[dict[str, Any]], labelled: LabelledSet, root: str, options: TrainOptions
) -> list[VideoScores]:
    """Scores of what is labelled normal in these units, each run of frames on its own."""
    stretches = []
    for found in collect_scores(units, bundle, shape_of(bundle, options), options):
        normal = ~labelled.labels[storage.relative(found.uri, root)].flags(len(found.score))
        for first, last in runs(normal):
            own = slice(first, last + 1)
            stretches.append(
                VideoScores(
                    found.camera or None, found.time_s[own], found.score[own], captured_at=found.captured_at
                )
            )
    return stretches
