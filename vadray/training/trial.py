"""What each trial of Ray Tune runs, and what it keeps: the loop of `train` on one worker."""

import contextlib
import io
import json
import logging
import os
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import tune

from vadray import storage
from vadray.training.feed import RankFeed, Schedule
from vadray.training.loop import STATE, WEIGHTS, Save, learn

LAST = "last.zip"


@dataclass(frozen=True)
class TrialRequest:
    """A trial to run.

    Args:
        recipe: How to learn.
        schedule: What each step sees.
        place: Folder or prefix where it keeps its last checkpoint, as `last.zip`, and its best epoch's weights.
    """

    recipe: dict[str, Any]
    schedule: Schedule
    place: str


def best_weights(place: str, epoch: int) -> str:
    """Where the weights of a trial's best epoch are."""
    return storage.join(place, f"epoch-{epoch:05}.weights.h5")


def run_trial(config: dict[str, Any], requests: dict[int, TrialRequest]) -> None:
    """Trains one trial, from its last checkpoint where there is one, and reports each epoch.

    Checkpoints are the files of `learn` in a zip, not those of Ray Tune, whose way to go on reads pickles from where
    they are kept. A trial that diverges reports that, since to try it again would not help.

    Args:
        config: `number` of the trial.
        requests: By number.
    """
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    request = requests[config["number"]]
    place = request.place
    history: list[dict[str, Any]] = []

    def report(metrics: dict[str, Any], state: dict[str, Any], save: Save) -> None:
        with tempfile.TemporaryDirectory(prefix="vadray-checkpoint-") as folder:
            save(folder)
            # weights of the best epoch first and the state last: a death between the two repeats one epoch
            if state["waited"] == 0:
                storage.write_bytes(best_weights(place, state["epoch"]), Path(folder, WEIGHTS).read_bytes())
            storage.write_bytes(storage.join(place, LAST), _packed(folder))
        history[:] = state["history"]
        best = min(history, key=lambda row: row["validation_loss"])["epoch"]
        for name in list(storage.list_names(place)):
            if name.startswith("epoch-") and storage.join(place, name) != best_weights(place, best):
                storage.delete(storage.join(place, name))
        tune.report({**metrics, "history": list(history)})

    with _resumed(place) as folder:
        if folder:
            state = json.loads(Path(folder, STATE).read_text())
            history[:] = state["history"]
            tune.report({**history[-1], "history": list(history)})  # Ray Tune must know how far it is
            if state["epoch"] >= request.schedule.epochs or state["waited"] >= request.recipe["patience"]:
                return  # before TensorFlow is loaded for nothing
        try:
            learn(
                request.recipe,
                RankFeed(request.schedule, 0, 1),
                report,
                contextlib.nullcontext(folder),
                lambda text: None,
            )
        except FloatingPointError:
            # not a number: ASHA leaves it out of what it compares with
            diverged = {"epoch": len(history) + 1, "validation_loss": float("nan"), "diverged": True}
            tune.report({**diverged, "history": list(history)})


def _packed(folder: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in sorted(os.listdir(folder)):
            archive.write(os.path.join(folder, name), name)
    return packed.getvalue()


@contextlib.contextmanager
def _resumed(place: str) -> Iterator[str | None]:
    if not storage.exists(storage.join(place, LAST)):
        yield None
        return
    packed = storage.read_bytes(storage.join(place, LAST))
    with tempfile.TemporaryDirectory(prefix="vadray-checkpoint-") as folder:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            archive.extractall(folder)
        yield folder
