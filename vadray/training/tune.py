"""`vadray tune`: a search over architecture and training parameters, from normal footage to the best bundle."""

import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from vadray import storage
from vadray.bundle import require_free
from vadray.config import TuneOptions
from vadray.detectors.base import Detector
from vadray.errors import RequestError
from vadray.training.curves import loss_curves, tuning_curves
from vadray.training.finish import Learned, Trained, finish
from vadray.training.loop import WEIGHTS, recipe
from vadray.training.prepare import prepare, schedule
from vadray.training.run import run_place
from vadray.training.search import room, search
from vadray.training.space import (
    Changes,
    draw_trials,
    in_words,
    starting_values,
    trial_detector,
    trial_options,
)
from vadray.training.start import Start, start_from
from vadray.training.train import footage_in_words, learning_figures
from vadray.training.trial import TrialRequest, best_weights
from vadray.training.trials import START, best_trial, table_rows

Say = Callable[[str], None]
SEARCHED = frozenset({"space", "trials", "grace_epochs", "reduction", "patience"})
SHOWN = 10


@dataclass(frozen=True)
class Tuned:
    """What a search left.

    Args:
        trained: The bundle of the best trial.
        rows: A table of the start and the best trials; see `trials.COLUMNS`.
    """

    trained: Trained
    rows: list[list[str]]


def tune(options: TuneOptions, say: Say) -> Tuned:
    """Trains the options as they are and with changes drawn from `space`, and makes a bundle of the best trial.

    Trials are compared by the validation loss of their best epoch. Ray must be connected. A search that was
    interrupted goes on when started again with the same options on the same footage: trials that ended are not
    repeated, others go on from their last epoch.

    The best of many is best in part by chance on the footage that it was chosen by, so its validation loss tells
    less than that of a single training, the more so the more trials there are.

    Raises:
        RequestError: The options or the archive are wrong; nothing was written.
    """
    begun = time.monotonic()
    require_free(options.out, options.overwrite)
    changes = draw_trials(options)
    made = [_made(options, changed) for changed in changes]
    prepared = prepare(options, made[START].detector, say)
    assert (
        prepared.learned is not None and prepared.held is not None
    )  # `draw_trials` refuses what does not learn
    start = made[START].start
    fingerprint = prepared.fingerprint + (start.bundle.digest if start else "")
    place = run_place(options, fingerprint, "tuning", SEARCHED)
    space = room(options, len(changes))
    requests: dict[int, TrialRequest] = {}
    for number, (changed, trial) in enumerate(zip(changes, made, strict=True)):
        steps = schedule(trial_options(options, changed), prepared.learned, prepared.held)
        weights = ray.put(trial.detector.get_weights()) if trial.start else None
        how = recipe(trial_options(options, changed), trial.config, weights, space.threads)
        requests[number] = TrialRequest(how, steps, storage.join(place, f"trial-{number:03}"))
    say(footage_in_words(prepared, requests[START].schedule))
    say(
        f"{len(changes)} trials of {options.detector}"
        + (f", all that the space holds of {options.trials}" if len(changes) < options.trials else "")
        + f"; {space.concurrent} at once, with {space.resources['CPU']:g} CPUs"
        + (" and a GPU" if "GPU" in space.resources else "")
    )
    records = search(requests, changes, options, space, say)

    best, first = best_trial(records), records[START]
    say(
        f"the best is trial {best.number} ({in_words(best.changes)})"
        if best is not first
        else "no trial is better than the starting point"
    )
    chosen, request = made[best.number], requests[best.number]
    _load(chosen.detector, best_weights(request.place, best.best["epoch"]))
    search_figures: dict[str, Any] = {
        "trials": len(records),
        "best_trial": best.number,
        "changes": best.changes,
        "start_validation_loss": first.validation_loss,
        "start_validation_loss_after_as_many_epochs": first.loss_after(best.epochs),
    }
    training: dict[str, Any] = {
        "seed": options.seed,
        "frames": prepared.learned.frames,
        **(chosen.start.provenance() if chosen.start else {}),
        **learning_figures(trial_options(options, best.changes), prepared, request.schedule, best.history),
        **search_figures,
        "space": options.space,
    }
    table = {"start": starting_values(options), "trials": [json.loads(r.to_json()) for r in records]}
    files = {
        "training.png": loss_curves(best.history),
        "tuning.png": tuning_curves(records, best.number),
        "tuning.json": json.dumps(table, indent=1).encode(),
    }
    learned = Learned(chosen.detector, chosen.config, training, best.history, files, chosen.start)
    trained = finish(learned, prepared, options, place, begun, say)
    return Tuned(trained, table_rows(records, starting_values(options), SHOWN))


@dataclass(frozen=True)
class _Made:
    """A trial's detector; with weights where it starts from a bundle."""

    config: dict[str, Any]
    detector: Detector
    start: Start | None


def _made(options: TuneOptions, changes: Changes) -> _Made:
    config, detector = trial_detector(options, changes)
    if not options.init:
        return _Made(config, detector, None)
    detector.build()
    try:
        return _Made(config, detector, start_from(options.init, detector))
    except RequestError as error:
        raise RequestError(f"space: with {in_words(changes)}: {error}") from None


def _load(detector: Detector, uri: str) -> None:
    if not detector.built:
        detector.build()
    with tempfile.TemporaryDirectory(prefix="vadray-weights-") as folder:
        path = os.path.join(folder, WEIGHTS)
        Path(path).write_bytes(storage.read_bytes(uri))
        detector.load_weights(path)
