"""`vadray train`: from an archive of normal footage to a calibrated bundle."""

import time
from collections.abc import Callable
from typing import Any

from vadray.bundle import require_free
from vadray.config import TrainOptions
from vadray.detectors.registry import detector_class
from vadray.training.curves import loss_curves
from vadray.training.feed import Schedule
from vadray.training.finish import Learned, Trained, finish
from vadray.training.labelled import train_recognition
from vadray.training.prepare import Prepared, detector_config, prepare, schedule
from vadray.training.run import run_place, run_training
from vadray.training.start import start_from

Say = Callable[[str], None]


def train(options: TrainOptions, say: Say) -> Trained:
    """Trains, picks the epoch with the lowest validation loss, calibrates on held-out footage, writes the bundle.

    Ray must be connected. A run that was interrupted goes on from its last epoch when started again with the
    same options on the same footage.

    Raises:
        RequestError: The options or the archive are wrong; nothing was written.
    """
    if detector_class(options.detector).needs_labels:
        return train_recognition(options, say)
    begun = time.monotonic()
    require_free(options.out, options.overwrite)
    config = detector_config(options)
    detector = detector_class(options.detector)(**config)
    detector.build()
    start = start_from(options.init, detector) if options.init else None
    prepared = prepare(options, detector, say)
    # another content of the bundle that it starts from makes another run
    place = run_place(options, prepared.fingerprint + (start.bundle.digest if start else ""))
    training: dict[str, Any] = {
        "seed": options.seed,
        "frames": prepared.learned.frames if prepared.learned else 0,
    }
    training |= start.provenance() if start else {}
    pictures: dict[str, bytes] = {}
    history: list[dict[str, Any]] = []
    if prepared.learned is not None and prepared.held is not None:
        steps = schedule(options, prepared.learned, prepared.held)
        say(footage_in_words(prepared, steps))
        history = run_training(detector, options, config, steps, place, say).history
        pictures["training.png"] = loss_curves(history)
        training |= {
            **learning_figures(options, prepared, steps, history),
            "workers": options.workers,
        }
    learned = Learned(detector, config, training, history, pictures, start)
    return finish(learned, prepared, options, place, begun, say)


def footage_in_words(prepared: Prepared, steps: Schedule) -> str:
    learned, held_out = (side.frames if side else 0 for side in (prepared.learned, prepared.held))
    return (
        f"{learned:,} frames to learn from, {held_out:,} held out by {prepared.sides.by}; "
        f"{steps.steps} steps of {steps.batch_size} windows an epoch"
    )


def learning_figures(
    options: TrainOptions, prepared: Prepared, steps: Schedule, history: list[dict[str, Any]]
) -> dict[str, Any]:
    """Provenance of a training by gradients: how long, how far, at what rate."""
    best = min(history, key=lambda row: row["validation_loss"])
    return {
        "frames_held_out": prepared.held.frames if prepared.held else 0,
        "epochs": len(history),
        "best_epoch": best["epoch"],
        "loss": history[-1]["loss"],
        "validation_loss": best["validation_loss"],
        "batch_size": steps.batch_size,
        "learning_rate": options.learning_rate,
        "schedule": options.schedule,
    }
