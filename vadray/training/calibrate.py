"""`vadray calibrate`: thresholds for a bundle from normal footage that it was not trained on."""

from collections.abc import Callable
from typing import Any

from vadray.archive.routing import Route
from vadray.bundle import Bundle, open_bundle, recalibrate
from vadray.calibration.calibration import Calibration, VideoScores
from vadray.calibration.events import EventRules
from vadray.config import CalibrateOptions, TrainOptions
from vadray.errors import RequestError
from vadray.sweep import planning
from vadray.sweep.collect import collect_scores
from vadray.sweep.units import FrameShape, frame_shape
from vadray.training import footage


def calibrate(options: CalibrateOptions, say: Callable[[str], None]) -> tuple[Bundle, Calibration]:
    """Scores an archive of normal footage and writes the bundle with new thresholds. Ray must be connected.

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
    say(f"scoring {len(units)} units")
    calibration = fit_calibration(bundle, units, shape, options)
    provenance = {"calibrated_on": {"archive": options.archive, "fingerprint": footage.fingerprint(units)}}
    return recalibrate(bundle, calibration, options.out, provenance), calibration


def fit_calibration(
    bundle: Bundle, units: list[dict[str, Any]], shape: FrameShape, options: TrainOptions | CalibrateOptions
) -> Calibration:
    """Scores units of normal footage and fits a calibration.

    Args:
        bundle: The bundle to calibrate.
        units: Planned rows.
        shape: Frames it wants.
        options: How to calibrate, and the sizes of the pools.
    """
    # units apart: those held out need not be neighbours, and a gap between them is no event
    scored = [
        VideoScores(part.camera or None, part.time_s, part.score)
        for part in collect_scores(units, bundle, shape, options, apart=True)
    ]
    return Calibration.fit(
        scored,
        kind=bundle.kind,
        method=None if options.threshold == "auto" else options.threshold,
        false_alarms_per_hour=options.false_alarms_per_hour,
        quantile=options.quantile,
        k=options.sigma,
        value=options.fixed,
        rules=EventRules(
            smooth_s=options.smooth_s, min_event_s=options.min_event_s, merge_gap_s=options.merge_gap_s
        ),
        per_camera=options.per_camera,
    )
