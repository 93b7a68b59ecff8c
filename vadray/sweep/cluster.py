"""The Ray that a command runs on: the cluster that RAY_ADDRESS names, or a local one of its own."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import ray
from ray.exceptions import RayTaskError

from vadray.config import ClusterOptions
from vadray.errors import RequestError

ACTOR_CPUS = 0.9  # a fraction, so that a few small tasks always find room beside the actors


@dataclass(frozen=True)
class Pools:
    """How many actors of each kind.

    Args:
        decode: Decode actors; with `fused`, actors that decode and score.
        score: GPU score actors, 0 if `fused`.
        fused: Decode and score in one actor.
        threads: TensorFlow's CPU threads in each scorer, 0 for its own choice.
        gpu: Scorers have a GPU each.
    """

    decode: int
    score: int
    fused: bool
    threads: int
    gpu: bool


@contextmanager
def connected() -> Iterator[None]:
    """Connects to Ray; a local Ray that was started here is stopped at the end."""
    already = ray.is_initialized()
    if not already:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is loaded, here and in workers
        if "RAY_ADDRESS" in os.environ:
            ray.init(logging_level=logging.WARNING)
        else:
            # "local", or a stale temporary directory would join a cluster that is no more; two CPUs at least, since
            # a training worker and its feed each need one
            ray.init("local", num_cpus=max(2, os.cpu_count() or 2), logging_level=logging.WARNING)
    quiet_data()
    try:
        yield
    finally:
        if not already:
            ray.shutdown()


def quiet_data() -> None:
    """Keeps Ray Data of this process from the log but for warnings: the progress that it shows is not ours."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    # it would say every 30 s that decoded frames take memory
    context.issue_detectors_config.detectors = []
    logging.getLogger("ray.data").setLevel(logging.WARNING)


def reason_of(error: RayTaskError) -> str:
    """What failed in a task or actor, in a line: the error's own text is the whole way through Ray."""
    # to which Ray Data adds advice
    said = str(error.cause).partition("\nFailed to apply UDF")[0]
    return f"{type(error.cause).__name__}: {said}"


def gpus_to_use(options: ClusterOptions) -> int:
    """GPUs that are asked for; all of the cluster's unless `gpus` says otherwise.

    Raises:
        RequestError: More are asked for than the cluster has.
    """
    there = int(ray.cluster_resources().get("GPU", 0))
    if options.gpus is not None and options.gpus > there:
        raise RequestError(f"gpus: expected at most the cluster's {there}, received {options.gpus}")
    return there if options.gpus is None else options.gpus


def pools(options: ClusterOptions) -> Pools:
    """Sizes the actor pools by what the cluster has.

    Raises:
        RequestError: More is asked for than the cluster has.
    """
    resources = ray.cluster_resources()
    cpus, gpus = resources.get("CPU", 0.0), gpus_to_use(options)
    fused = gpus == 0 if options.fuse is None else options.fuse
    scorers = 0 if fused else max(gpus, 1)
    score_cpus = 0.0 if fused else scorers * (0.1 if gpus else ACTOR_CPUS)
    room = int((cpus - score_cpus) / ACTOR_CPUS)
    if fused and gpus:
        room = min(room, gpus)
    actors = options.actors or max(room, 0)
    if actors < 1 or actors > room:
        raise RequestError(
            f"actors: expected from 1 to {room}, what {cpus:g} CPUs hold at {ACTOR_CPUS} CPU an actor"
            f"{f' beside {scorers} score actors' if scorers else ''}; received {options.actors or actors}"
        )
    threads = 0 if gpus else max(1, int(cpus / (actors if fused else scorers + actors)))
    return Pools(decode=actors, score=scorers, fused=fused, threads=threads, gpu=gpus > 0)
