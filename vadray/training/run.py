"""One run of Ray Train: workers, checkpoints, restarts; and where its checkpoints are kept."""

import contextlib
import hashlib
import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import vadray.keras_alone  # noqa: F401  # isort: skip  before Ray Train, which imports Keras

import ray
import ray.train
from ray.train import Checkpoint, CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.tensorflow import TensorflowTrainer

from vadray import storage
from vadray.config import TrainOptions
from vadray.detectors.base import Detector
from vadray.errors import RequestError, VadrayError
from vadray.training.feed import InterleavedFeed, RankFeed, Schedule
from vadray.training.loop import STATE, WEIGHTS, Save, learn, recipe

Say = Callable[[str], None]
FEED_CPUS = 1.0  # Ray Data's own source tasks ask for a whole CPU: with less left, training waits for ever


@dataclass(frozen=True)
class Run:
    """A training that came to its end.

    Args:
        history: Loss, validation loss and learning rate of each epoch.
        epoch_s: Seconds of the last epoch; None where none was left to do.
        feed_s: Of these, what rank 0 spent waiting for frames.
    """

    history: list[dict[str, Any]]
    epoch_s: float | None
    feed_s: float | None


def run_training(
    detector: Detector,
    options: TrainOptions,
    config: dict[str, Any],
    schedule: Schedule,
    place: str,
    say: Say,
) -> Run:
    """Trains and leaves in `detector` the weights of the epoch with the lowest validation loss.

    Args:
        detector: Built, with the weights to begin with where `options.init` says so; changed in place.
        options: Workers, learning rate and so on.
        config: The detector's arguments.
        schedule: What each step sees.
        place: Where checkpoints are; a run that is there goes on.
        say: Tells a person.

    Raises:
        RequestError: The cluster cannot hold the workers.
        VadrayError: Training failed more often than `max_failures` allows.
    """
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
    parent, name = os.path.split(place)
    if storage.is_s3(place):
        filesystem, parent = storage.filesystem(parent)
        from pyarrow.fs import FSSpecHandler, PyFileSystem

        where = {"storage_path": parent, "storage_filesystem": PyFileSystem(FSSpecHandler(filesystem))}
    else:
        where = {"storage_path": parent}
    trainer = TensorflowTrainer(
        train_worker,
        # initial weights once in the object store, so that all workers, on whichever node, begin alike
        train_loop_config=recipe(
            options,
            config,
            initial_weights=ray.put(detector.get_weights()) if options.init else None,
            threads=max(1, round(cpus / options.workers)) if not gpus else 0,
        ),
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
    # an epoch does not end before Ray Train's controller has looked, by default every 2 s: longer than a short epoch
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.2")
    result = trainer.fit()
    if result.error:
        raise VadrayError(f"training failed after {options.max_failures} restarts: {result.error}")
    best, last = result.get_best_checkpoint("validation_loss", "min"), result.checkpoint
    if best is None or last is None:
        raise VadrayError(f"training left no checkpoint in {place}")
    with best.as_directory() as folder:
        detector.load_weights(os.path.join(folder, WEIGHTS))
    with last.as_directory() as folder:
        history = json.loads(Path(folder, STATE).read_text())["history"]
    last_report = result.metrics or {}
    return Run(history, last_report.get("epoch_s"), last_report.get("feed_s"))


def train_worker(config: dict[str, Any]) -> None:
    """What each worker of Ray Train runs.

    Args:
        config: A `recipe`.
    """
    for name in (
        "ray.train",
        "ray.train.v2._internal.execution.context",
    ):  # they tell of every checkpoint, each
        logging.getLogger(name).setLevel(logging.WARNING)
    rank = ray.train.get_context().get_world_rank()
    feed: RankFeed = ray.train.get_dataset_shard("train")  # type: ignore[assignment]

    def report(metrics: dict[str, Any], state: dict[str, Any], save: Save) -> None:
        """Every rank reports, rank 0 with the checkpoint: weights are the same everywhere."""
        if rank != 0:
            ray.train.report(metrics)
            return
        with tempfile.TemporaryDirectory(prefix="vadray-checkpoint-") as folder:
            save(folder)
            ray.train.report(metrics, checkpoint=Checkpoint.from_directory(folder))

    def say(text: str) -> None:
        """Ray Train catches `print` and shows each line twice."""
        if rank == 0:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    checkpoint = ray.train.get_checkpoint()
    learn(config, feed, report, checkpoint.as_directory() if checkpoint else contextlib.nullcontext(), say)


# the options that make a run another run
TRAINED = frozenset(
    {
        "detector",
        "size",
        "channels",
        "window",
        "stride",
        "temporal",
        "units",
        "target",
        "settings",
        "epochs",
        "batch_size",
        "learning_rate",
        "schedule",
        "seed",
        "validation",
        "window_step",
        "steps_per_epoch",
    }
)


def run_place(
    options: TrainOptions, fingerprint: str, kind: str = "training", also: frozenset[str] = frozenset()
) -> str:
    """Where a run's checkpoints are kept until the bundle is written: beside it, named by what is trained.

    Args:
        options: What is trained.
        fingerprint: Names the footage.
        kind: "training" or "tuning".
        also: Further options that make it another run.
    """
    identity = json.dumps([options.model_dump(include=set(TRAINED | also)), fingerprint], sort_keys=True)
    out = storage.absolute(options.out)
    folder, name = os.path.split(out)
    return storage.join(folder, f".{name}.{kind}-{hashlib.sha256(identity.encode()).hexdigest()[:10]}")
