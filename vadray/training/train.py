"""`vadray train`: from an archive of normal footage to a calibrated bundle."""

import hashlib
import io
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.tensorflow import TensorflowTrainer

from vadray import storage
from vadray.archive.routing import Route
from vadray.bundle import Bundle, recalibrate, require_free, write_bundle
from vadray.config import TrainOptions, frames_in_mib
from vadray.detectors.base import Detector
from vadray.detectors.registry import detector_class
from vadray.errors import RequestError, VadrayError
from vadray.sweep import planning
from vadray.sweep.units import FrameShape
from vadray.training import footage
from vadray.training.calibrate import fit_calibration
from vadray.training.feed import InterleavedFeed, Schedule
from vadray.training.loop import STATE, WEIGHTS, train_loop

Say = Callable[[str], None]
FEED_CPUS = 1.0  # Ray Data's own source tasks ask for a whole CPU: with less left, training waits for ever


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
    begun = time.monotonic()
    require_free(options.out, options.overwrite)
    config = detector_config(options)
    detector = detector_class(options.detector)(**config)
    shape = FrameShape(
        detector.height,
        detector.width,
        detector.channels,
        max(detector.context, 1),
        options.unit_frames or frames_in_mib(detector.height, detector.width, detector.channels),
        options.clip_fps,
    )
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
    learned, frames = footage.load(sides.train, shape, detector.window, step, options, say)
    held, held_frames = footage.load(sides.held_out, shape, detector.window, step, options, say)
    schedule = _schedule(options, learned, held)
    say(
        f"{frames:,} frames to learn from, {held_frames:,} held out by {sides.by}; "
        f"{schedule.steps} steps of {schedule.batch_size} windows an epoch"
    )
    data: dict[str, Any] = {
        "archive": storage.absolute(options.archive),
        "fingerprint": footage.fingerprint(units),
        "frames": frames,
        "frames_held_out": held_frames,
        "held_out_by": sides.by,
    }
    fitted, history = _fit(options, config, schedule, data["fingerprint"], say)
    training = {
        "epochs": len(history),
        "best_epoch": min(history, key=lambda row: row["validation_loss"])["epoch"],
        "loss": history[-1]["loss"],
        "validation_loss": min(row["validation_loss"] for row in history),
        "batch_size": schedule.batch_size,
        "learning_rate": options.learning_rate,
        "seed": options.seed,
        "workers": options.workers,
        "train_s": round(time.monotonic() - begun, 1),
    }
    provenance = {"data": data, "training": training, "history": history}
    place = run_place(options, schedule, data["fingerprint"])
    candidate = write_bundle(
        storage.join(place, "candidate"),
        fitted,
        None,
        provenance,
        {"training.png": loss_curves(history)},
        True,
    )
    say("calibrating on the held-out footage")
    calibration = fit_calibration(candidate, sides.held_out, shape, options)
    bundle = recalibrate(candidate, calibration, options.out, {}, options.overwrite)
    _forget(place)
    return Trained(
        bundle,
        {
            **training,
            "frames": frames,
            "frames_held_out": held_frames,
            "threshold": calibration.default.threshold,
            "extrapolated": calibration.default.extrapolated,
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
    for name in ("temporal", "units"):
        value = getattr(options, name)
        if value is not None:
            if name not in detector.__init__.__code__.co_varnames:
                raise RequestError(f"{name}: {options.detector} has no such choice; received {name}={value}")
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


def _fit(
    options: TrainOptions, config: dict[str, Any], schedule: Schedule, fingerprint: str, say: Say
) -> tuple[Detector, list[dict[str, Any]]]:
    resources = ray.cluster_resources()
    cpus = resources.get("CPU", 1.0)
    gpus = int(resources.get("GPU", 0)) if options.gpus is None else options.gpus
    worker_cpus = options.worker_cpus or max(0.1, round((cpus - FEED_CPUS) / options.workers, 2))
    if worker_cpus * options.workers > cpus - FEED_CPUS:
        raise RequestError(
            f"workers and worker_cpus: {options.workers} workers of {worker_cpus} CPUs leave less than "
            f"{FEED_CPUS:g} of the cluster's {cpus:g} CPUs for their feed; expected at most "
            f"{max(cpus - FEED_CPUS, 0) / options.workers:.2f} CPUs each"
        )
    per_worker: dict[str, float] = {"CPU": worker_cpus}
    if gpus:
        per_worker["GPU"] = 1
    place = run_place(options, schedule, fingerprint)
    parent, name = os.path.split(place)
    if storage.is_s3(place):
        filesystem, parent = storage.filesystem(parent)
        from pyarrow.fs import FSSpecHandler, PyFileSystem

        where = {"storage_path": parent, "storage_filesystem": PyFileSystem(FSSpecHandler(filesystem))}
    else:
        where = {"storage_path": parent}
    trainer = TensorflowTrainer(
        train_loop,
        train_loop_config={
            "detector": options.detector,
            "detector_config": config,
            "learning_rate": options.learning_rate,
            "seed": options.seed,
            "patience": options.patience,
            "threads": max(1, round(cpus / options.workers)) if not gpus else 0,
        },
        scaling_config=ScalingConfig(
            num_workers=options.workers, use_gpu=bool(gpus), resources_per_worker=per_worker
        ),
        run_config=RunConfig(
            name=name,
            failure_config=FailureConfig(max_failures=options.max_failures),
            checkpoint_config=CheckpointConfig(
                num_to_keep=2, checkpoint_score_attribute="validation_loss", checkpoint_score_order="min"
            ),
            **where,
        ),
        datasets={"train": ray.data.from_items([0])},  # a place for the feed, which brings its own
        dataset_config=InterleavedFeed(schedule),
    )
    say(
        f"training {options.detector} on {options.workers} worker(s) of {worker_cpus:g} CPUs"
        + (" and a GPU" if gpus else "")
    )
    result = trainer.fit()
    if result.error:
        raise VadrayError(f"training failed after {options.max_failures} restarts: {result.error}")
    best, last = result.get_best_checkpoint("validation_loss", "min"), result.checkpoint
    if best is None or last is None:
        raise VadrayError(f"training left no checkpoint in {place}")
    detector = detector_class(options.detector)(**config)
    detector.build()
    with best.as_directory() as folder:
        detector.load_weights(os.path.join(folder, WEIGHTS))
    with last.as_directory() as folder:
        history = json.loads(Path(folder, STATE).read_text())["history"]
    return detector, history


def run_place(options: TrainOptions, schedule: Schedule, fingerprint: str) -> str:
    """Where checkpoints of this run are kept until the bundle is written: beside it, named by what is trained."""
    fields = {
        "detector",
        "size",
        "channels",
        "window",
        "stride",
        "temporal",
        "units",
        "batch_size",
        "learning_rate",
        "seed",
        "validation",
        "window_step",
        "steps_per_epoch",
    }
    identity = json.dumps([options.model_dump(include=fields), schedule.epochs, fingerprint], sort_keys=True)
    out = storage.absolute(options.out)
    folder, name = os.path.split(out)
    return storage.join(folder, f".{name}.training-{hashlib.sha256(identity.encode()).hexdigest()[:10]}")


def _forget(place: str) -> None:
    if storage.is_s3(place):
        for entry in list(storage.list_objects(place)):
            storage.delete(entry.uri)
    else:
        shutil.rmtree(place)


def loss_curves(history: list[dict[str, Any]]) -> bytes:
    """A PNG of training and validation loss by epoch."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    epochs = [row["epoch"] for row in history]
    axes.plot(epochs, [row["loss"] for row in history], label="training")
    axes.plot(epochs, [row["validation_loss"] for row in history], label="validation (held out)")
    axes.set(xlabel="epoch", ylabel="loss", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend()
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    return picture.getvalue()
