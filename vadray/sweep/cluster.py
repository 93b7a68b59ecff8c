"""The Ray that a command runs on: the cluster that RAY_ADDRESS names, or a local one of its own."""

import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import ray
from ray.exceptions import RayTaskError

from vadray.config import ClusterOptions
from vadray.errors import RequestError

ACTOR_CPUS = 0.9  # a fraction, so that a few small tasks always find room beside the actors
SCORER_CPUS = 0.1  # of a scorer that has a GPU

LOOPBACK, DASHBOARD = "127.0.0.1", "RAY_API_SERVER_ADDRESS"
# warnings of what is as it should be: tokens are wanted, and progress is told by vadray
QUIET = ("ray._private.authentication.authentication_token_setup", "ray.data._internal.progress")
HEAD_STARTS_S = 20.0  # a head that was started at the same moment answers by then


@dataclass(frozen=True)
class Pools:
    """How many actors of each kind.

    Args:
        decode: Decode actors to begin with; with `fused`, actors that decode and score.
        score: Score actors to begin with, 0 if `fused`.
        fused: Decode and score in one actor.
        threads: TensorFlow's CPU threads in each scorer, 0 for its own choice.
        gpu: Scorers have a GPU each, or share one.
        per_gpu: Scorers of a GPU.
        most_decode: What `decode` may grow to while the cluster brings machines; None where both stay.
        most_score: What `score` may grow to then.
    """

    decode: int
    score: int
    fused: bool
    threads: int
    gpu: bool
    per_gpu: int = 1
    most_decode: int | None = None
    most_score: int | None = None

    @property
    def grow(self) -> bool:
        """Whether the cluster is asked for more."""
        return self.most_decode is not None

    @property
    def gpus(self) -> int:
        """How many GPUs they take."""
        return -(-(self.decode if self.fused else self.score) // self.per_gpu) if self.gpu else 0

    @property
    def device(self) -> dict[str, Any]:
        """What Ray sets aside for a scorer."""
        if not self.gpu:
            return {"num_cpus": ACTOR_CPUS}
        return {"num_gpus": 1 / self.per_gpu, "num_cpus": SCORER_CPUS}

    def __str__(self) -> str:
        share = f"1/{self.per_gpu}" if self.per_gpu > 1 else "a"
        on = f"{share} GPU each" if self.gpu else f"{ACTOR_CPUS} CPU each"
        decode, score = _count(self.decode, self.most_decode), _count(self.score, self.most_score)
        if self.fused:
            return f"{decode} actors, {on}"
        return f"{decode} decode actors, {ACTOR_CPUS} CPU each, and {score} score actors, {on}"


def _count(now: int, most: int | None) -> str:
    return f"{now} to {most}" if most is not None and most > now else f"{now}"


@contextmanager
def connected(dashboard: bool = False) -> Iterator[None]:
    """Connects to Ray; a local Ray that was started here is stopped at the end.

    Args:
        dashboard: A local Ray has one, on loopback; Ray Train asks its server whether a training goes on.

    Raises:
        RequestError: Nothing answers at RAY_ADDRESS.
    """
    already, dashboard_before = ray.is_initialized(), os.environ.get(DASHBOARD)
    if not already:
        for name in QUIET:
            logging.getLogger(name).setLevel(logging.ERROR)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is loaded, here and in workers
        if address := os.environ.get("RAY_ADDRESS"):
            expect_answer(address)
            ray.init(logging_level=logging.WARNING)
        else:
            # "local", or a stale temporary directory would join a cluster that is no more; two CPUs at least, since
            # a training worker and its feed each need one
            cpus = max(2, os.cpu_count() or 2)
            port = _free_port() if dashboard else None
            if dashboard:
                # inherited by Ray's processes, which would look for a Ray by themselves and give up where there are two
                os.environ[DASHBOARD] = f"http://{LOOPBACK}:{port}"
            ray.init(
                "local",
                num_cpus=cpus,
                include_dashboard=dashboard,
                dashboard_port=port,
                logging_level=logging.WARNING,
            )
    quiet_data()
    try:
        yield
    finally:
        if not already:
            ray.shutdown()
            if dashboard_before is None:
                os.environ.pop(DASHBOARD, None)
            else:
                os.environ[DASHBOARD] = dashboard_before


def expect_answer(address: str) -> None:
    """Waits until something listens at a host and port; any other kind of address is left to Ray.

    Ray itself tries for minutes where nothing does, and then ends the process from C++.

    Raises:
        RequestError: Nothing answers within `HEAD_STARTS_S`.
    """
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not colon or not port.isdigit():  # "auto" or "local", and what Ray refuses by itself
        return
    deadline = time.monotonic() + HEAD_STARTS_S
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=HEAD_STARTS_S / 2).close()
            return
        except OSError as error:
            if time.monotonic() >= deadline:
                raise RequestError(
                    f"RAY_ADDRESS: expected a running Ray at {address}, but nothing answers there ({error}); "
                    "unset it to work on this machine alone"
                ) from error
        time.sleep(0.5)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind((LOOPBACK, 0))
        return one.getsockname()[1]


def quiet_data() -> None:
    """Keeps Ray Data of this process from the log but for warnings: the progress that it shows is not ours."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    # it would say every 30 s that decoded frames take memory
    context.issue_detectors_config.detectors = []
    logger = logging.getLogger("ray.data")
    logger.setLevel(logging.WARNING)
    for handler in logger.handlers:
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            # what it raises is said once, by us; the traceback is in Ray's own log file
            handler.addFilter(lambda record: record.levelno < logging.ERROR)


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
    """Sizes the actor pools by what the cluster has, or is to bring.

    Raises:
        RequestError: More is asked for than the cluster has.
    """
    if options.max_actors is not None or options.max_gpus is not None:
        return _growing(options)
    gpus = gpus_to_use(options)
    fused = gpus == 0 if options.fuse is None else options.fuse
    scorers = 0 if fused else max(gpus * options.scorers_per_gpu, 1)
    room = _room(gpus, scorers, fused, options.scorers_per_gpu)
    actors = options.actors or max(room, 0)
    if actors < 1 or actors > room:
        cpus = ray.cluster_resources().get("CPU", 0.0)
        raise RequestError(
            f"actors: expected from 1 to {room}, what {cpus:g} CPUs hold at {ACTOR_CPUS} CPU an actor"
            f"{f' beside {scorers} score actors' if scorers else ''}; received {options.actors or actors}; "
            "max_actors and max_gpus ask a cluster for more machines"
        )
    cpus = ray.cluster_resources().get("CPU", 0.0)
    threads = 0 if gpus else max(1, int(cpus / (actors if fused else scorers + actors)))
    return Pools(actors, scorers, fused, threads, gpus > 0, options.scorers_per_gpu)


def _growing(options: ClusterOptions) -> Pools:
    """Pools that begin with what is there, one actor at least, whose machine the cluster brings.

    Raises:
        RequestError: The most is less than the least.
    """
    there = int(ray.cluster_resources().get("GPU", 0))
    gpus = there if options.gpus is None else options.gpus
    most_gpus = gpus if options.max_gpus is None else options.max_gpus
    gpus = min(there, gpus, most_gpus)
    fused = most_gpus == 0 if options.fuse is None else options.fuse
    per_gpu = options.scorers_per_gpu
    scorers = 0 if fused else max(1, gpus * per_gpu)
    most_score = 0 if fused else max(scorers, most_gpus * per_gpu)
    room = _room(gpus, scorers, fused, per_gpu)
    most = options.max_actors or max(1, room)
    if fused and most_gpus:
        most = min(most, most_gpus * per_gpu)
    actors = max(1, min(room, most) if options.actors is None else options.actors)
    if actors > most:
        raise RequestError(f"actors: expected at most max_actors={most}, received {actors}")
    # how many there will be on a machine nobody knows: one thread each, as many actors as CPUs
    return Pools(actors, scorers, fused, 0 if most_gpus else 1, most_gpus > 0, per_gpu, most, most_score)


def fit(before: Pools) -> Pools | None:
    """What of these pools the cluster holds now, at most all of them; None where no work can go on.

    Work on GPUs does not go on without: on CPUs it would take days and tell nobody. Pools that grow begin again with
    what is there, and ask for the rest.
    """
    there = int(ray.cluster_resources().get("GPU", 0))
    if before.most_decode is not None and before.most_score is not None:
        score = before.most_score and max(1, min(before.most_score, there * before.per_gpu))
        room = _room(min(there, -(-before.most_score // before.per_gpu)), score, before.fused, before.per_gpu)
        return replace(before, decode=max(1, min(before.most_decode, room)), score=score)
    gpus = min(before.gpus, there)
    if before.gpu and gpus == 0:
        return None
    scorers = min(before.score, gpus * before.per_gpu) if before.gpu else before.score
    decode = min(before.decode, _room(gpus, scorers, before.fused, before.per_gpu))
    return replace(before, decode=decode, score=scorers) if decode > 0 else None


def _room(gpus: int, scorers: int, fused: bool, per_gpu: int) -> int:
    """How many decode actors the nodes hold beside the scorers; an actor is on one node."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    device_cpus = SCORER_CPUS * per_gpu if gpus and not fused else 0.0  # beside each GPU
    room = sum(
        int(max(0.0, node.get("CPU", 0.0) - device_cpus * node.get("GPU", 0.0)) / ACTOR_CPUS)
        for node in nodes
    )
    if fused and gpus:
        return min(room, gpus * per_gpu)
    return room - (0 if gpus else scorers)
