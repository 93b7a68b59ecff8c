"""`vadray calibrate`: thresholds for a bundle from normal footage that it was not trained on."""

from collections.abc import Callable
from typing import Any

from vadray import storage
from vadray.archive.routing import Route
from vadray.bundle import Bundle, open_bundle, recalibrate
from vadray.calibration.calibration import Calibration, VideoScores
from vadray.calibration.events import EventRules
from vadray.config import CalibrateOptions, ClusterOptions, TrainOptions
from vadray.errors import RequestError
from vadray.evaluation.learned import LEARNED, LearnedObjects
from vadray.report.labels import read_labels
from vadray.sweep import planning
from vadray.sweep.collect import collect_scores
from vadray.sweep.units import FrameShape, frame_shape
from vadray.training import footage
from vadray.training.judged import Scored, found_again, without_right


def calibrate(
    options: CalibrateOptions, say: Callable[[str], None]
) -> tuple[Bundle, Calibration, dict[str, int]]:
    """Scores an archive of normal footage and writes the bundle with new thresholds. Ray must be connected.

    Returns:
        The bundle, its calibration, and of `found_again` what of the judged events it flags; empty without `labels`.

    Raises:
        RequestError: The bundle or the archive is wrong; nothing was written.
    """
    bundle = open_bundle(options.bundle)
    shape = frame_shape(bundle, options.unit_frames, options.clip_fps)
    say(f"listing {options.archive}")
    rows = planning.plan_archive(
        options, options, [Route(0, bundle.kind)], [shape], [bundle.scoring_digest], [bundle.stride]
    )
    units = [unit for unit in rows if unit["status"] == "planned"]
    if not units:
        raise RequestError(
            f"archive: expected {bundle.kind}s to calibrate on, found none in {options.archive}"
        )
    judged = read_labels(storage.folder(options.labels, "labels")) if options.labels else []
    say(f"scoring {len(units)} units")
    scored = score_objects(bundle, units, shape, options)
    usual = without_right(scored, judged)
    left_out = sum(len(video.score) for _, video in scored) - sum(len(video.score) for video in usual)
    if left_out:
        say(f"left out: {left_out:,} frames of events that were judged right")
    calibration = fit_calibration(bundle.kind, usual, options)
    figures = found_again(scored, judged, calibration) if options.labels else {}
    calibrated_on: dict[str, Any] = {"archive": options.archive, "fingerprint": footage.fingerprint(units)}
    if judged:
        calibrated_on["left_out"] = sorted(label.event_id for label in judged if label.verdict == "right")
    provenance = {"calibrated_on": calibrated_on}
    learned = LearnedObjects.of(bundle)
    files = {}
    if learned.parts:  # what it is judged by must not decide what it flags
        archive = storage.absolute(options.archive)
        files[LEARNED] = learned.recalibrated(units, archive).to_json().encode()
    return recalibrate(bundle, calibration, options.out, provenance, more=files), calibration, figures


def score_footage(
    bundle: Bundle, units: list[dict[str, Any]], shape: FrameShape, options: ClusterOptions
) -> list[VideoScores]:
    """Scores units of normal footage, each on its own: those held out need not be neighbours, and a gap is no event.

    Args:
        bundle: The bundle that scores them.
        units: Planned rows.
        shape: Frames it wants.
        options: Sizes of the pools.
    """
    return [video for _, video in score_objects(bundle, units, shape, options)]


def score_objects(
    bundle: Bundle, units: list[dict[str, Any]], shape: FrameShape, options: ClusterOptions
) -> list[Scored]:
    """`score_footage`, each with the URI of its object."""
    uris = {unit["unit_id"]: unit["members"][0]["object_uri"] for unit in units if unit["kind"] != "image"}
    return [
        (uris.get(part.uri, part.uri), part.video())
        for part in collect_scores(units, bundle, shape, options, apart=True)
    ]


def fit_calibration(
    kind: str, scored: list[VideoScores], options: TrainOptions | CalibrateOptions
) -> Calibration:
    """Fits a calibration as the options say.

    Args:
        kind: "image" or "video".
        scored: Scores of normal footage.
        options: How to calibrate.
    """
    return Calibration.fit(
        scored,
        kind=kind,
        method=None if options.threshold == "auto" else options.threshold,
        false_alarms_per_hour=options.false_alarms_per_hour,
        quantile=options.quantile,
        k=options.sigma,
        value=options.fixed,
        rules=EventRules(
            smooth_s=options.smooth_s, min_event_s=options.min_event_s, merge_gap_s=options.merge_gap_s
        ),
        smoothing=options.smoothing,
        per_camera=options.per_camera,
        per_hour=options.per_hour,
    )
