"""One search of Ray Tune: trials side by side, cut by ASHA; what is finished stays finished."""

import logging
import math
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler

from vadray import storage
from vadray.config import TuneOptions
from vadray.errors import RequestError, VadrayError
from vadray.sweep.cluster import gpus_to_use
from vadray.training.run import FEED_CPUS
from vadray.training.space import Changes
from vadray.training.trial import TrialRequest, run_trial
from vadray.training.trials import DIVERGED, FAILED, START, TrialRecord, ending

Say = Callable[[str], None]
TRIAL_CPUS = 2.0  # more threads help a small model less than another trial does
RECORD = "trial.json"


@dataclass(frozen=True)
class Room:
    """How many trials at once, and what each has.

    Args:
        concurrent: Trials at once.
        resources: Of a trial, as Ray names them.
        threads: TensorFlow's CPU threads in a trial, 0 for its own choice.
    """

    concurrent: int
    resources: dict[str, float]
    threads: int


def room(options: TuneOptions, trials: int) -> Room:
    """What the cluster holds. Ray must be connected.

    Raises:
        RequestError: It does not hold what is asked for.
    """
    cpus, gpus = ray.cluster_resources().get("CPU", 1.0), gpus_to_use(options)
    free = cpus - FEED_CPUS
    concurrent = options.concurrent or min(
        trials, gpus or max(1, int(free / (options.worker_cpus or TRIAL_CPUS)))
    )
    each = options.worker_cpus or max(0.1, math.floor(free / concurrent * 100) / 100)
    if each * concurrent > free or (gpus and concurrent > gpus):
        raise RequestError(
            f"concurrent and worker_cpus: {concurrent} trials of {each:g} CPUs do not fit beside the {FEED_CPUS:g} "
            f"for their feed in the cluster's {cpus:g} CPUs" + (f" and {gpus} GPUs" if gpus else "")
        )
    return Room(
        concurrent,
        {"CPU": each, **({"GPU": 1.0} if gpus else {})},
        0 if gpus else max(1, round(cpus / concurrent)),
    )


def search(
    requests: dict[int, TrialRequest],
    changes: list[Changes],
    options: TuneOptions,
    space: Room,
    say: Say,
) -> list[TrialRecord]:
    """Runs the trials that are not finished yet.

    Args:
        requests: By number, `START` first.
        changes: Of each trial.
        options: Epochs, grace period and so on.
        space: How many at once.
        say: Told of each trial that ends.

    Returns:
        A record of each trial, in order.

    Raises:
        VadrayError: The starting point failed more often than `max_failures` allows.
    """
    scheduler = StartToTheEnd(
        metric="validation_loss",
        mode="min",
        time_attr="epoch",
        max_t=options.epochs,
        grace_period=options.grace_epochs or max(1, options.epochs // 10),
        reduction_factor=options.reduction,
    )
    records: dict[int, TrialRecord] = {}
    for number, request in requests.items():
        kept = _kept(request.place)
        if kept:
            records[number] = kept
            scheduler.recall(kept)
            say(f"{kept.in_words()}, before")
    left = [number for number in requests if number not in records]
    keeper = Keeper(requests, changes, options, records, say)
    if left:
        _run(left, requests, scheduler, keeper, options, space)
    if START not in records or records[START].validation_loss is None:
        raise VadrayError(
            f"tuning: the starting point {records[START].ended if START in records else FAILED}"
        )
    return [records[number] for number in sorted(records)]


def _run(
    left: list[int],
    requests: dict[int, TrialRequest],
    scheduler: "StartToTheEnd",
    keeper: "Keeper",
    options: TuneOptions,
    space: Room,
) -> None:
    # results are told line by line and kept by `keeper`; and an interrupt ends the command as it ends any other
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # its boxes are printed even with verbose=0
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    trainable = tune.with_resources(tune.with_parameters(run_trial, requests=requests), space.resources)
    # Ray Tune's own state is a pickle, which is not read again: here it lasts as long as the search
    with tempfile.TemporaryDirectory(prefix="vadray-tune-") as folder:
        tune.Tuner(
            trainable,
            param_space={"number": tune.grid_search(left)},
            tune_config=tune.TuneConfig(scheduler=scheduler, max_concurrent_trials=space.concurrent),
            run_config=tune.RunConfig(
                name="search",
                storage_path=folder,
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=options.max_failures),
                callbacks=[keeper],
            ),
        ).fit()


class StartToTheEnd(ASHAScheduler):
    """Asynchronous successive halving that never cuts the starting point, against which the best is shown.

    A trial goes on past a rung if it is in the best `1 / reduction_factor` of those that came there before.

    Reference: Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020.
    """

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        decision = super().on_trial_result(tune_controller, trial, result)
        return self.CONTINUE if trial.config["number"] == START else decision

    def recall(self, record: TrialRecord) -> None:
        """Compares what comes with a trial of an earlier attempt."""
        trial: Any = SimpleNamespace(trial_id=f"before-{record.number}", config={"number": record.number})
        controller: Any = None  # ASHA does not look at it
        self.on_trial_add(controller, trial)
        for row in record.history:
            self.on_trial_result(controller, trial, row)


class Keeper(tune.Callback):
    """Keeps a record of each trial as it ends, so that no later attempt repeats it; one that failed is tried again."""

    def __init__(
        self,
        requests: dict[int, TrialRequest],
        changes: list[Changes],
        options: TuneOptions,
        records: dict[int, TrialRecord],
        say: Say,
    ):
        self._requests, self._changes, self._options = requests, changes, options
        self._records, self._say = records, say

    def __getstate__(self) -> dict[str, Any]:
        """Ray Tune writes its callbacks down; there is nothing here that could be read again."""
        return {}

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        result = trial.last_result
        if result.get("diverged"):
            ended = DIVERGED
        else:
            ended = ending(result["history"], self._options.epochs, self._options.patience)
        record = self._record(trial, ended)
        # kept before it is told
        storage.write_bytes(storage.join(self._requests[record.number].place, RECORD), record.to_json())
        self._say(record.in_words())

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._say(self._record(trial, FAILED).in_words())

    def _record(self, trial: Any, ended: str) -> TrialRecord:
        number = trial.config["number"]
        history = (trial.last_result or {}).get("history", [])
        self._records[number] = TrialRecord(number, self._changes[number], history, ended)
        return self._records[number]


def _kept(place: str) -> TrialRecord | None:
    try:
        return TrialRecord.from_json(storage.read_bytes(storage.join(place, RECORD)))
    except FileNotFoundError:
        return None
