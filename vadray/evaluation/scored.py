"""Objects of a labelled set as a bundle scores them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from vadray import storage
from vadray.archive.routing import Route
from vadray.bundle import Bundle
from vadray.calibration.calibration import Calibration
from vadray.config import ArchiveOptions, EvaluateOptions
from vadray.evaluation.datasets import LabelledSet, ObjectLabels
from vadray.evaluation.learned import NOTHING, LearnedObjects, plan_labelled
from vadray.evaluation.localisation import MaskedObject
from vadray.evaluation.metrics import FrameSet
from vadray.sweep import planning
from vadray.sweep.collect import ObjectScores, StoredMaps, collect_scores
from vadray.sweep.units import frame_shape

PlanRow = dict[str, Any]


@dataclass(frozen=True)
class ScoredObject:
    """One labelled object.

    Args:
        frames: Its labels, scores and flags.
        time_s: Seconds of each frame, `[n]`.
        masked: What its error maps are compared with, where they were asked for and it has masks.
        shortfall: Why it was not scored whole, or None.
    """

    frames: FrameSet
    time_s: np.ndarray
    masked: MaskedObject | None
    shortfall: str | None


def planned_units(archive: str, bundle: Bundle, options: EvaluateOptions) -> list[PlanRow]:
    """Units of an archive that the bundle can score, in the plan's order.

    Args:
        archive: URI of the folder.
        bundle: The bundle.
        options: How objects are found and cut.
    """
    shape = frame_shape(bundle, options.unit_frames, options.clip_fps)
    folder = ArchiveOptions(archive=archive, pattern=options.pattern)
    rows = planning.plan_archive(
        folder, options, [Route(0, bundle.kind)], [shape], [bundle.scoring_digest], [bundle.stride]
    )
    return [unit for unit in rows if unit["status"] == "planned"]


def judged_units(
    labelled: LabelledSet, bundle: Bundle, options: EvaluateOptions, others: LearnedObjects = NOTHING
) -> tuple[list[PlanRow], list[str]]:
    """Units of a labelled set that the bundle is judged by, and the paths of objects that are left out.

    What has no label is passed over. What the bundle has learned from is left out, unless `learned` says otherwise.

    Args:
        labelled: The set.
        bundle: The bundle.
        options: How objects are found and cut.
        others: Objects to leave out besides.
    """
    shape = frame_shape(bundle, options.unit_frames, options.clip_fps)
    archive = ArchiveOptions(archive=labelled.archive, pattern=options.pattern)
    units = plan_labelled(
        labelled, options, archive, bundle.kind, shape, bundle.scoring_digest, bundle.stride
    )
    learned = others if options.learned else others.union([LearnedObjects.of(bundle)])
    return learned.leave_out(units, storage.absolute(labelled.archive))


def score_labelled(
    units: list[PlanRow],
    labelled: LabelledSet,
    bundle: Bundle,
    options: EvaluateOptions,
    maps_folder: str | None = None,
) -> Iterator[ScoredObject]:
    """Scores units of a labelled set; what has no label is passed over. Ray must be connected.

    Args:
        units: From `judged_units`.
        labelled: The set.
        bundle: The bundle, whose calibration decides.
        options: Sizes of the pools, and how units are cut.
        maps_folder: Where error maps wait while they are needed, None for none.
    """
    root = storage.absolute(labelled.archive)
    shape = frame_shape(bundle, options.unit_frames, options.clip_fps)
    for found in collect_scores(units, bundle, shape, options, maps_folder=maps_folder):
        path = storage.relative(found.uri, root)
        labels = labelled.labels.get(path)
        if labels is not None:
            yield _scored(path, labels, found, bundle.calibration)


def _scored(path: str, labels: ObjectLabels, found: ObjectScores, calibration: Calibration) -> ScoredObject:
    count = len(found.score)
    shortfall = None
    if found.error or (labels.frames is not None and labels.frames != count):
        shortfall = f"{found.uri}: labelled {labels.frames} frames, scored {count}; {found.error or ''}"
    calibrated = calibration.apply(found.video())
    frames = FrameSet(
        object=path,
        labels=labels.flags(count),
        score=calibrated.standardised,
        raw=found.score,
        flags=calibrated.flags,
        mse=found.mse,
    )
    masked = None
    if found.maps is not None and labels.pixels is not None:
        pixels = labels.pixels
        masked = MaskedObject(comparable_maps(found.maps, found.camera, calibration), lambda: pixels(count))
    return ScoredObject(frames, found.time_s, masked, shortfall)


def comparable_maps(maps: StoredMaps, camera: str, calibration: Calibration) -> Callable[[], np.ndarray]:
    """Reads error maps so that they compare across objects.

    Where cameras are calibrated each on its own, in standard deviations above the mean of the camera's normal
    scores, as scores are; else as they are, since one scale for all changes no order.

    Args:
        maps: Of one object.
        camera: Its camera, "" if unknown.
        calibration: The bundle's.
    """
    if not calibration.cameras:
        return maps.read
    own = calibration.for_camera(camera or None)
    return lambda: own.standardise(maps.read())
