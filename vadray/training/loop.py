"""The loop of every training, on Ray Train and on Ray Tune: a straight line from the strategy to the last epoch."""

import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import ray

from vadray.config import TrainOptions
from vadray.training.feed import RankFeed
from vadray.training.schedules import Moment, learning_rate

WEIGHTS, OPTIMIZER, STATE = "detector.weights.h5", "optimizer.npz", "state.json"

Save = Callable[[str], None]
Report = Callable[[dict[str, Any], dict[str, Any], Save], None]


def recipe(
    options: TrainOptions, config: dict[str, Any], initial_weights: Any, threads: int
) -> dict[str, Any]:
    """What `learn` needs to know beside its feed.

    Args:
        options: Learning rate and so on.
        config: The detector's arguments.
        initial_weights: A reference to those to begin with, in the object store, or None.
        threads: TensorFlow's CPU threads, 0 for its own choice.
    """
    return {
        "detector": options.detector,
        "detector_config": config,
        "initial_weights": initial_weights,
        "learning_rate": options.learning_rate,
        "schedule": options.schedule,
        "seed": options.seed,
        "patience": options.patience,
        "threads": threads,
    }


def learn(
    config: dict[str, Any],
    feed: RankFeed,
    report: Report,
    resumed: AbstractContextManager[str | None],
    say: Callable[[str], None],
) -> None:
    """Trains data-parallel; each epoch ends in a report.

    Args:
        config: A `recipe`.
        feed: Batches of this rank; its schedule says how many.
        report: Called after each epoch with its row of the history and, beside it, `epoch_s` and `feed_s`, the seconds
            it took and those of them spent waiting for frames; the state (`epoch`, `best`, `waited`, `history`); and a
            function that writes a checkpoint into a folder.
        resumed: Opens the folder of a checkpoint to go on from; None where there is none.
        say: Tells a person.

    Raises:
        FloatingPointError: A loss is no longer finite.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    # Keras itself, never `tf.keras`: Ray sets TF_USE_LEGACY_KERAS in its workers
    from vadray.keras_alone import keras  # isort: skip  before others that import it

    from vadray.detectors.registry import detector_class

    # what it says of its own workings, each line twice, would hide what is said below
    tf.get_logger().setLevel(logging.WARNING)
    logging.getLogger("ray.train").setLevel(logging.WARNING)

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
    optimizing = [*optimizer.variables, *adversary_optimizer.variables]
    with resumed as folder:
        if folder:
            state = json.loads(Path(folder, STATE).read_text())
            detector.load_weights(os.path.join(folder, WEIGHTS))
            with np.load(os.path.join(folder, OPTIMIZER), allow_pickle=False) as values:
                for number, variable in enumerate(optimizing):
                    variable.assign(values[str(number)])
            say(f"goes on after epoch {state['epoch']}")

    def save(folder: str) -> None:
        detector.save_weights(os.path.join(folder, WEIGHTS))
        values = {str(number): variable.numpy() for number, variable in enumerate(optimizing)}
        np.savez(os.path.join(folder, OPTIMIZER), **values)
        Path(folder, STATE).write_text(json.dumps(state))

    def learn_at(rate: float) -> None:
        for one in (optimizer, adversary_optimizer):
            one.learning_rate = rate

    batches = _Timed(feed.batches(state["epoch"]))
    while state["epoch"] < schedule.epochs and state["waited"] < config["patience"]:
        begun, batches.waited_s = time.monotonic(), 0.0
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
        if not np.isfinite([loss, validation_loss]).all():
            raise FloatingPointError(
                f"training diverged in epoch {state['epoch'] + 1}: loss {loss}, validation {validation_loss}; "
                "try a smaller learning_rate"
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
        epoch_s = time.monotonic() - begun
        say(
            f"epoch {state['epoch']}/{schedule.epochs}  loss {loss:.6f}  validation {validation_loss:.6f}"
            f"{'' if improved else '  (no better)'}  {epoch_s:.1f} s, {batches.waited_s / epoch_s:.0%} of it waiting for frames"
        )
        report({**metrics, "epoch_s": epoch_s, "feed_s": batches.waited_s}, state, save)


class _Timed:
    """An iterator that counts the seconds in which it was waited for."""

    def __init__(self, batches: Iterator[tuple[np.ndarray, np.ndarray]]):
        self._batches, self.waited_s = batches, 0.0

    def __iter__(self) -> "_Timed":
        return self

    def __next__(self) -> tuple[np.ndarray, np.ndarray]:
        begun = time.monotonic()
        try:
            return next(self._batches)
        finally:
            self.waited_s += time.monotonic() - begun
