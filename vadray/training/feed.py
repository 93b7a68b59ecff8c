"""Feeds training from frames that were decoded once.

Decoded chunks stay where Ray put them, each frame once; a sample is an index (chunk, start). Every epoch has its
own seeded order of all samples, sample i of a step goes to rank i mod the number of ranks, and small Ray Data
tasks gather windows ahead of the step that needs them. So the order of samples does not depend on how many
workers there are: two workers with half the batch see what one sees with the whole.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import ray
from ray.train import DataConfig

from vadray.sweep.cluster import quiet_data
from vadray.sweep.stages import unpack

STEPS_PER_TASK = 4
GATHER_CPUS = 0.1  # workers hold nearly every CPU: a feed that asked for a whole one would starve


@dataclass(frozen=True)
class Samples:
    """Windows to train on.

    Args:
        chunks: References to tables of decoded chunks.
        places: int64 `[n, 3]`: table, row in it, first frame of the window.
        window: Frames of a window.
        frames: Frames decoded, lead-ins not counted.
        motion: float32 `[n]`: mean absolute difference of each window's frames from those before them, in grey levels.
    """

    chunks: list[ray.ObjectRef]
    places: np.ndarray
    window: int
    frames: int
    motion: np.ndarray

    def __len__(self) -> int:
        return len(self.places)

    @classmethod
    def joined(cls, parts: Sequence["Samples"]) -> "Samples":
        """Those of several loads, one after the other, of windows of the same length."""
        before = np.cumsum([0, *(len(part.chunks) for part in parts)])
        return cls(
            [chunk for part in parts for chunk in part.chunks],
            np.concatenate(
                [
                    part.places + np.array([first, 0, 0])
                    for part, first in zip(parts, before[:-1], strict=True)
                ]
            ),
            parts[0].window,
            sum(part.frames for part in parts),
            np.concatenate([part.motion for part in parts]),
        )


@dataclass(frozen=True)
class Schedule:
    """Which samples each step sees.

    Args:
        train: Samples to learn from.
        validation: Samples to measure on, never learned from.
        batch_size: Samples in a step over all ranks.
        steps: Training steps in an epoch.
        validation_steps: Steps that measure, after each epoch.
        epochs: Epochs.
        seed: Of the order.
        shuffle: Draw a new order each epoch; otherwise samples come in their own order.
    """

    train: Samples
    validation: Samples
    batch_size: int
    steps: int
    validation_steps: int
    epochs: int
    seed: int
    shuffle: bool = True

    def epoch_samples(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Samples of each training step and of each validation step, `[steps, batch_size]`; -1 is padding."""
        order = np.arange(len(self.train))
        if self.shuffle:
            order = np.random.default_rng([self.seed, epoch]).permutation(order)
        train = order[: self.steps * self.batch_size].reshape(self.steps, self.batch_size)
        wanted = self.validation_steps * self.batch_size
        held = np.arange(len(self.validation))
        if len(held) > wanted:  # spread over the whole set, the same in every epoch
            held = held[np.linspace(0, len(held) - 1, wanted).astype(int)]
        held = np.concatenate([held, np.full(wanted - len(held), -1)])
        return train, held.reshape(self.validation_steps, self.batch_size)

    def epoch_motion(self, epoch: int) -> np.ndarray:
        """Motion in the samples of each training step over that of all samples, float `[steps]`; 1 where nothing moves.

        Of the whole step, not of a rank's part of it: all ranks must learn at one rate.
        """
        usual = float(self.train.motion.mean(dtype=np.float64))
        if usual == 0:
            return np.ones(self.steps)
        return self.train.motion[self.epoch_samples(epoch)[0]].mean(axis=1, dtype=np.float64) / usual


class InterleavedFeed(DataConfig):
    """Gives rank r of n the samples r, r + n, r + 2n, … of every step.

    Args:
        schedule: Which samples each step sees.
    """

    def __init__(self, schedule: Schedule):
        super().__init__(datasets_to_split=[])
        self._schedule = schedule

    def configure(
        self, datasets: Any, world_size: int, worker_handles: Any, worker_node_ids: Any, **kwargs: Any
    ):
        return [{"train": RankFeed(self._schedule, rank, world_size)} for rank in range(world_size)]


@dataclass(frozen=True)
class RankFeed:
    """The batches of one rank."""

    schedule: Schedule
    rank: int
    world_size: int

    def batches(self, first_epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Batches from `first_epoch` on: training steps then validation steps of each epoch.

        Yields:
            `(windows, weights)`: uint8 `[batch / ranks, window, height, width, channels]`, float32
            `[batch / ranks]` where 0 marks padding.
        """
        steps: list[tuple[bool, np.ndarray]] = []
        for epoch in range(first_epoch, self.schedule.epochs):
            train, validation = self.schedule.epoch_samples(epoch)
            steps += [(False, row[self.rank :: self.world_size]) for row in train]
            steps += [(True, row[self.rank :: self.world_size]) for row in validation]
        tables = []
        for start in range(0, len(steps), STEPS_PER_TASK):
            part = steps[start : start + STEPS_PER_TASK]
            tables.append(
                pa.table(
                    {
                        "validation": [held for held, _ in part],
                        "samples": pa.array([row for _, row in part], pa.list_(pa.int64())),
                    }
                )
            )
        if not tables:
            return
        quiet_data()
        dataset = ray.data.from_arrow(tables).map_batches(
            _Gather(self.schedule), batch_size=None, batch_format="pyarrow", num_cpus=GATHER_CPUS
        )
        dataset.context.execution_options.preserve_order = True
        table: Any
        for table in dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=1):
            for row in range(table.num_rows):
                shape = table["shape"][row].as_py()
                windows = np.frombuffer(table["windows"][row].as_buffer(), np.uint8).reshape(shape)
                yield windows, table["weights"][row].values.to_numpy()


class _Gather:
    """Sample indices to windows, one row a step."""

    def __init__(self, schedule: Schedule):
        self._train, self._validation = schedule.train, schedule.validation

    def __call__(self, steps: pa.Table) -> pa.Table:
        windows, weights, shapes = [], [], []
        for held, samples in zip(steps["validation"].to_pylist(), steps["samples"].to_pylist(), strict=True):
            index = np.array(samples)
            batch = gather(self._validation if held else self._train, np.maximum(index, 0))
            windows.append(batch.tobytes())
            shapes.append(list(batch.shape))
            weights.append((index >= 0).astype(np.float32))
        return pa.table(
            {
                "windows": pa.array(windows, pa.large_binary()),
                "shape": pa.array(shapes, pa.list_(pa.int64())),
                "weights": pa.array(weights, pa.list_(pa.float32())),
            }
        )


def gather(samples: Samples, index: np.ndarray) -> np.ndarray:
    """Windows uint8 `[len(index), window, height, width, channels]`; a short video's last frame is repeated."""
    places = samples.places[index]
    tables = {number: ray.get(samples.chunks[number]) for number in np.unique(places[:, 0])}
    windows = []
    for number, row, start in places:
        frames = unpack(tables[number], int(row))[2].frames
        windows.append(frames[np.minimum(np.arange(start, start + samples.window), len(frames) - 1)])
    return np.stack(windows)
