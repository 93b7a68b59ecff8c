"""What each training worker runs: a straight line from the strategy to the last epoch."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import ray.train
from ray.train import Checkpoint

from vadray.training.feed import RankFeed

WEIGHTS, OPTIMIZER, STATE = "detector.weights.h5", "optimizer.npz", "state.json"


def train_loop(config: dict[str, Any]) -> None:
    """Trains data-parallel; each epoch ends in a report with a checkpoint.

    Args:
        config: `detector` (name), `detector_config`, `learning_rate`, `seed`, `patience`, `threads`; the rest
            comes from the feed's schedule.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # `import keras`, never `tf.keras`: Ray sets TF_USE_LEGACY_KERAS in its workers
    import keras
    import tensorflow as tf

    from vadray.detectors.registry import detector_class

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
        optimizer = keras.optimizers.Adam(config["learning_rate"])
        optimizer.build(detector.trainable_variables)

    def mean_loss(windows: Any, weights: Any) -> Any:
        # a share of the whole step's mean, since gradients and losses of the ranks are added up
        losses = detector.sample_loss(tf.cast(windows, tf.float32) / 255.0)
        return tf.reduce_sum(losses * weights) / tf.cast(schedule.batch_size, tf.float32)

    def learn(windows: Any, weights: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = mean_loss(windows, weights)
        variables = detector.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    # model.fit of Keras 3 fails under this strategy (keras#20585): a step of our own does not
    @tf.function
    def train_step(windows: Any, weights: Any) -> Any:
        loss = strategy.run(learn, args=(windows, weights))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, loss, axis=None)

    @tf.function
    def validation_step(windows: Any, weights: Any) -> Any:
        sums = strategy.run(lambda w, s: (mean_loss(w, s), tf.reduce_sum(s)), args=(windows, weights))
        return [strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None) for value in sums]

    state: dict[str, Any] = {"epoch": 0, "best": None, "waited": 0, "history": []}
    checkpoint = ray.train.get_checkpoint()
    if checkpoint:
        with checkpoint.as_directory() as folder:
            state = json.loads(Path(folder, STATE).read_text())
            detector.load_weights(os.path.join(folder, WEIGHTS))
            with np.load(os.path.join(folder, OPTIMIZER), allow_pickle=False) as values:
                for number, variable in enumerate(optimizer.variables):
                    variable.assign(values[str(number)])
        if rank == 0:
            print(f"goes on after epoch {state['epoch']}")

    batches = feed.batches(state["epoch"])
    while state["epoch"] < schedule.epochs and state["waited"] < config["patience"]:
        loss = float(np.mean([float(train_step(*next(batches))) for _ in range(schedule.steps)]))
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
        metrics = {"epoch": state["epoch"], "loss": loss, "validation_loss": validation_loss}
        state["history"].append(metrics)
        if rank == 0:
            print(
                f"epoch {state['epoch']}/{schedule.epochs}  loss {loss:.6f}  validation {validation_loss:.6f}"
                f"{'' if improved else '  (no better)'}",
                flush=True,
            )
        _report(metrics, state, detector, optimizer, rank)


def _report(metrics: dict[str, Any], state: dict[str, Any], detector: Any, optimizer: Any, rank: int) -> None:
    """Every rank reports, rank 0 with the checkpoint: weights are the same everywhere."""
    if rank != 0:
        ray.train.report(metrics)
        return
    with tempfile.TemporaryDirectory(prefix="vadray-checkpoint-") as folder:
        detector.save_weights(os.path.join(folder, WEIGHTS))
        values = {str(number): variable.numpy() for number, variable in enumerate(optimizer.variables)}
        np.savez(os.path.join(folder, OPTIMIZER), **values)
        Path(folder, STATE).write_text(json.dumps(state))
        ray.train.report(metrics, checkpoint=Checkpoint.from_directory(folder))
