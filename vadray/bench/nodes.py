"""Real Ray nodes of this machine, one CPU each: what a simulation is held against."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import ray
from ray.cluster_utils import Cluster
from ray.data import ActorPoolStrategy

from vadray.sweep.cluster import ACTOR_CPUS, quiet_data

TASKS = 1000  # whose handing out is measured


@contextmanager
def running(count: int) -> Iterator[None]:
    """A connection to a Ray of `count` nodes of one CPU, and a head without any."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(count):
            cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.WARNING)
        quiet_data()
        yield
    finally:
        ray.shutdown()
        cluster.shutdown()


def task_seconds() -> float:
    """What a task of an actor that does nothing takes on the Ray that is connected; most of it is the driver's."""
    blocks = [pa.table({"number": [number]}) for number in range(TASKS)]
    tasks = ray.data.from_blocks(blocks).map_batches(
        _Nothing,
        compute=ActorPoolStrategy(size=1),
        num_cpus=ACTOR_CPUS,
        batch_size=None,
        batch_format="pyarrow",
    )
    times = []
    for _ in tasks.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        times.append(time.monotonic())
    return (times[-1] - times[0]) / (len(times) - 1)


class _Nothing:
    def __call__(self, block: pa.Table) -> pa.Table:
        return block
