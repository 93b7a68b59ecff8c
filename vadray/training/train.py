"""`vadray train`: from an archive of normal footage to a calibrated bundle."""

import difflib
import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ray

from vadray import storage
from vadray.archive.routing import Route
from vadray.bundle import Bundle, recalibrate, require_free, write_bundle
from vadray.config import TrainOptions
from vadray.detectors.recognition import RecognitionDetector
from vadray.detectors.registry import detector_class
from vadray.errors import RequestError
from vadray.sweep import planning
from vadray.sweep.units import frame_shape
from vadray.training import footage
from vadray.training.calibrate import fit_calibration, score_footage
from vadray.training.curves import loss_curves
from vadray.training.feed import Schedule
from vadray.training.normal import fit_normal
from vadray.training.run import forget, run_place, run_training
from vadray.training.start import against_start, start_from

Say = Callable[[str], None]


@dataclass(frozen=True)
class Trained:
    """What a training run left.

    Args:
        bundle: The calibrated bundle.
        figures: Numbers for the last line on stdout.
    """

    bundle: Bundle
    figures: dict[str, Any]


def train(options: TrainOptions, say: Say) -> Trained:
    """Trains, picks the epoch with the lowest validation loss, calibrates on held-out footage, writes the bundle.

    Ray must be connected. A run that was interrupted goes on from its last epoch when started again with the
    same options on the same footage.

    Raises:
        RequestError: The options or the archive are wrong; nothing was written.
    """
    if issubclass(detector_class(options.detector), RecognitionDetector):
        from vadray.training.labelled import train_recognition  # which gives what this module defines

        return train_recognition(options, say)
    begun = time.monotonic()
    require_free(options.out, options.overwrite)
    config = detector_config(options)
    detector = detector_class(options.detector)(**config)
    detector.build()
    start = start_from(options.init, detector) if options.init else None
    shape = frame_shape(detector, options.unit_frames, options.clip_fps)
    say(f"listing {options.archive}")
    units = list(
        planning.plan_archive(
            options, options, [Route(0, detector.kind)], [shape], ["training"], [detector.stride]
        )
    )
    skipped = [unit for unit in units if unit["status"] == "quarantined"]
    units = [unit for unit in units if unit["status"] == "planned"]
    if not units:
        raise RequestError(
            f"archive: expected {detector.kind}s that {options.detector} can learn from, found none in {options.archive}"
            + (f" ({len(skipped)} unreadable)" if skipped else "")
        )
    sides = footage.split(units, options.validation, options.seed)
    step = options.window_step or max(1, detector.window // 2)
    learned = footage.load(sides.train, shape, detector.window, step, options, say)
    fingerprint = footage.fingerprint(units)
    # another content of the bundle that it starts from makes another run
    place = run_place(options, fingerprint + (start.bundle.digest if start else ""))
    training: dict[str, Any] = {"seed": options.seed, "frames": learned.frames}
    training |= start.provenance() if start else {}
    pictures: dict[str, bytes] = {}
    history: list[dict[str, Any]] = []
    if detector.learns:
        held = footage.load(sides.held_out, shape, detector.window, step, options, say)
        schedule = _schedule(options, learned, held)
        say(
            f"{learned.frames:,} frames to learn from, {held.frames:,} held out by {sides.by}; "
            f"{schedule.steps} steps of {schedule.batch_size} windows an epoch"
        )
        history = run_training(detector, options, config, schedule, place, say)
        pictures["training.png"] = loss_curves(history)
        training |= {
            "frames_held_out": held.frames,
            "epochs": len(history),
            "best_epoch": min(history, key=lambda row: row["validation_loss"])["epoch"],
            "loss": history[-1]["loss"],
            "validation_loss": min(row["validation_loss"] for row in history),
            "batch_size": schedule.batch_size,
            "learning_rate": options.learning_rate,
            "schedule": options.schedule,
            "workers": options.workers,
        }
    say("measuring what is usual in the footage")
    fit_normal(detector, config, learned, threads=max(1, round(ray.cluster_resources().get("CPU", 1))))
    training["train_s"] = round(time.monotonic() - begun, 1)
    data = {
        "archive": storage.absolute(options.archive),
        "fingerprint": fingerprint,
        "held_out_by": sides.by,
    }
    provenance = {"data": data, "training": training, "history": history}
    candidate = write_bundle(
        storage.join(place, "candidate"), detector, None, provenance, pictures, overwrite=True
    )
    say("calibrating on the held-out footage")
    scored = score_footage(candidate, sides.held_out, shape, options)
    calibration = fit_calibration(candidate.kind, scored, options)
    compared = against_start(start, calibration, scored, sides.held_out, options) if start else {}
    if compared:
        say(
            f"of the held-out footage {compared['flagged_after']:.2%} is flagged at threshold "
            f"{calibration.default.threshold:.6g}; the bundle it started from flags "
            f"{compared['flagged_before']:.2%} at {compared['threshold_before']:.6g}"
        )
    bundle = recalibrate(candidate, calibration, options.out, {}, options.overwrite)
    forget(place)
    return Trained(
        bundle,
        {
            **training,
            "threshold": calibration.default.threshold,
            "extrapolated": calibration.default.extrapolated,
            **compared,
            "wall_s": round(time.monotonic() - begun, 1),
        },
    )


def detector_config(options: TrainOptions) -> dict[str, Any]:
    """The detector's arguments from the options; what it has no argument for is refused."""
    detector = detector_class(options.detector)
    height, width = options.size or detector.default_size
    config: dict[str, Any] = {"height": height, "width": width, "channels": options.channels}
    if detector.kind == "video":
        config |= {"window": options.window or detector.default_window, "stride": options.stride}
    elif (options.window or 1) != 1 or options.stride != 1:
        raise RequestError(
            f"window and stride: {options.detector} scores single images; received window={options.window}, stride={options.stride}"
        )
    if detector.kind == "image" and options.schedule == "temporal":
        raise RequestError(
            f"schedule: {options.detector} learns from single images, in which nothing moves; expected one of "
            "constant, cosine, plateau, received temporal"
        )
    named = {name: getattr(options, name) for name in ("temporal", "units", "target")}
    choices = list(inspect.signature(detector.__init__).parameters)[1:]
    for name, value in {**named, **options.settings}.items():
        if value is None:
            continue
        if name not in choices or name in config or name == "kwargs":
            near = difflib.get_close_matches(name, choices, n=1)
            raise RequestError(
                f"{name}: {options.detector} has no such choice; received {name}={value!r}"
                + (f"; did you mean {near[0]}?" if near else "")
            )
        config[name] = value
    return config


def _schedule(options: TrainOptions, learned: Any, held: Any) -> Schedule:
    if options.batch_size % options.workers:
        raise RequestError(
            f"batch_size: expected a multiple of workers={options.workers}, received {options.batch_size}"
        )
    if len(learned) < options.workers or len(held) == 0:
        raise RequestError(
            f"archive: expected at least {options.workers} windows to learn from and one held out, "
            f"received {len(learned)} and {len(held)}"
        )
    # every rank must take the same number of steps or the all-reduce hangs: what does not fill a step is left
    # to the next epoch's order
    batch_size = min(options.batch_size, len(learned) // options.workers * options.workers)
    steps = len(learned) // batch_size
    validation_steps = -(-len(held) // batch_size)
    if options.steps_per_epoch:
        steps = min(steps, options.steps_per_epoch)
        validation_steps = min(validation_steps, max(1, options.steps_per_epoch // 4))
    return Schedule(learned, held, batch_size, steps, validation_steps, options.epochs, options.seed)
