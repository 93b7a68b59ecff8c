"""What each training worker runs: a straight line from the strategy to the last epoch."""

import json
import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import ray.train
from ray.train import Checkpoint

from vadray.training.feed import RankFeed
from vadray.training.schedules import Moment, learning_rate

WEIGHTS, OPTIMIZER, STATE = "detector.weights.h5", "optimizer.npz", "state.json"


def train_loop(config: dict[str, Any]) -> None:
    """Trains data-parallel; each epoch ends in a report with a checkpoint.

    Args:
        config: `detector` (name), `detector_config`, `initial_weights` (a reference to those to begin with, or None),
            `learning_rate`, `schedule` (of the learning rate), `seed`, `patience`, `threads`; the rest comes from the
            feed's schedule.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # `import keras`, never `tf.keras`: Ray sets TF_USE_LEGACY_KERAS in its workers
    import keras
    import tensorflow as tf

    from vadray.detectors.registry import detector_class

    logging.getLogger("ray.train").setLevel(logging.WARNING)  # it tells of every checkpoint, twice
    context = ray.train.get_context()
    rank = context.get_world_rank()
    feed: RankFeed = ray.train.get_dataset_shard("train")  # type: ignore[assignment]
    schedule = feed.schedule
    tf.config.threading.set_intra_op_parallelism_threads(config["threads"])
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    keras.utils.set_random_seed(config["seed"])
    with strategy.scope():
        detector = detector_class(config["detector"])(**config["detector_config"])
        detector.build()
        if config["initial_weights"] is not None:
            detector.set_weights(ray.get(config["initial_weights"]))
        optimizer = keras.optimizers.Adam(config["learning_rate"])
        optimizer.build(detector.learned_variables)
        adversary_optimizer = keras.optimizers.Adam(config["learning_rate"])
        adversary_optimizer.build(detector.adversary_variables)

    def mean_loss(sample_loss: Any, windows: Any, weights: Any) -> Any:
        # a share of the whole step's mean, since gradients and losses of the ranks are added up
        losses = sample_loss(detector.prepare(windows))
        return tf.reduce_sum(losses * weights) / tf.cast(schedule.batch_size, tf.float32)

    def descend(sample_loss: Any, variables: list[Any], by: Any, windows: Any, weights: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = mean_loss(sample_loss, windows, weights)
        by.apply(tape.gradient(loss, variables), variables)
        return loss

    def learn(windows: Any, weights: Any) -> Any:
        loss = descend(detector.sample_loss, detector.learned_variables, optimizer, windows, weights)
        if detector.adversary_variables:
            descend(
                detector.adversary_loss,
                detector.adversary_variables,
                adversary_optimizer,
                windows,
                weights,
            )
        return loss

    # model.fit of Keras 3 fails under this strategy (keras#20585): a step of our own does not
    @tf.function
    def train_step(windows: Any, weights: Any) -> Any:
        loss = strategy.run(learn, args=(windows, weights))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, loss, axis=None)

    @tf.function
    def validation_step(windows: Any, weights: Any) -> Any:
        sums = strategy.run(
            lambda w, s: (mean_loss(detector.sample_loss, w, s), tf.reduce_sum(s)), args=(windows, weights)
        )
        return [strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None) for value in sums]

    state: dict[str, Any] = {"epoch": 0, "best": None, "waited": 0, "history": []}
    checkpoint = ray.train.get_checkpoint()
    if checkpoint:
        with checkpoint.as_directory() as folder:
            state = json.loads(Path(folder, STATE).read_text())
            detector.load_weights(os.path.join(folder, WEIGHTS))
            with np.load(os.path.join(folder, OPTIMIZER), allow_pickle=False) as values:
                for number, variable in enumerate([*optimizer.variables, *adversary_optimizer.variables]):
                    variable.assign(values[str(number)])
        if rank == 0:
            _say(f"goes on after epoch {state['epoch']}")

    def learn_at(rate: float) -> None:
        for one in (optimizer, adversary_optimizer):
            one.learning_rate = rate

    batches = feed.batches(state["epoch"])
    while state["epoch"] < schedule.epochs and state["waited"] < config["patience"]:
        losses: list[float] = []
        rates: list[float] = []
        for step, motion in enumerate(schedule.epoch_motion(state["epoch"]).tolist()):
            moment = Moment(state["epoch"], step, schedule.epochs, schedule.steps, state["history"], motion)
            rate = learning_rate(config["schedule"], config["learning_rate"], moment)
            if not rates or rate != rates[-1]:
                learn_at(rate)
            rates.append(rate)
            losses.append(float(train_step(*next(batches))))
        loss = float(np.mean(losses))
        measured = np.array(
            [[float(v) for v in validation_step(*next(batches))] for _ in range(schedule.validation_steps)]
        )
        validation_loss = float(measured[:, 0].sum() * schedule.batch_size / measured[:, 1].sum())
        if not np.isfinite(loss):
            raise FloatingPointError(
                f"training diverged in epoch {state['epoch'] + 1}: loss {loss}; try a smaller learning_rate"
            )
        improved = state["best"] is None or validation_loss < state["best"]
        state["best"] = validation_loss if improved else state["best"]
        state["waited"] = 0 if improved else state["waited"] + 1
        state["epoch"] += 1
        metrics = {
            "epoch": state["epoch"],
            "loss": loss,
            "validation_loss": validation_loss,
            "learning_rate": float(np.mean(rates)),
        }
        state["history"].append(metrics)
        if rank == 0:
            _say(
                f"epoch {state['epoch']}/{schedule.epochs}  loss {loss:.6f}  validation {validation_loss:.6f}"
                f"{'' if improved else '  (no better)'}"
            )
        _report(metrics, state, detector, [*optimizer.variables, *adversary_optimizer.variables], rank)


def _say(text: str) -> None:
    """Ray Train catches `print` and shows each line twice."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _report(
    metrics: dict[str, Any], state: dict[str, Any], detector: Any, optimizing: list[Any], rank: int
) -> None:
    """Every rank reports, rank 0 with the checkpoint: weights are the same everywhere."""
    if rank != 0:
        ray.train.report(metrics)
        return
    with tempfile.TemporaryDirectory(prefix="vadray-checkpoint-") as folder:
        detector.save_weights(os.path.join(folder, WEIGHTS))
        values = {str(number): variable.numpy() for number, variable in enumerate(optimizing)}
        np.savez(os.path.join(folder, OPTIMIZER), **values)
        Path(folder, STATE).write_text(json.dumps(state))
        ray.train.report(metrics, checkpoint=Checkpoint.from_directory(folder))
