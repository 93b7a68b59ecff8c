"""The faults: what is killed, and when."""

import random
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from tests.ray_head import WorkerNode
from tests.s3_server import S3Server
from vadray import storage
from vadray.report import tables
from vadray.sweep.manifest import MANIFEST

PHASES = ("planning", "scoring", "finalising", "committing")


@dataclass(frozen=True)
class Fault:
    """A fault that is to come.

    Args:
        kind: "driver", "actor", "decoder", "node" or "store".
        phase: In which phase of the sweep.
        share: In the phase "scoring", after which share of the units.
    """

    kind: str
    phase: str
    share: float = 0.0

    def __str__(self) -> str:
        when = f" after {self.share:.0%}" if self.phase == "scoring" else ""
        return f"{self.kind} while {self.phase}{when}"


def schedule(random_: random.Random, scoring: int, store: bool) -> list[Fault]:
    """A driver's death in each phase, and faults of all kinds while it scores.

    Args:
        random_: Draws kinds and times.
        scoring: How many while it scores.
        store: Whether there is a store that can be killed.
    """
    kinds = ["actor", "actor", "actor", "decoder", "decoder", "driver", "node"]
    kinds += ["store", "store"] if store else []
    shares = sorted(random_.uniform(0.02, 0.9) for _ in range(scoring))
    faults = [Fault(random_.choice(kinds), "scoring", share) for share in shares]
    deaths = [Fault("driver", phase) for phase in PHASES if phase != "scoring"]
    return [*deaths[:1], *faults, *deaths[1:]]


def reached(fault: Fault, folder: str, report: str, sweep_id: str, units: int) -> bool:
    """Whether the time of a fault has come; from storage alone."""

    def there(*path: str) -> bool:
        return storage.exists(storage.join(folder, *path))

    if fault.phase == "planning":
        return there("attempts")
    if fault.phase == "scoring":
        done = sum(1 for _ in storage.list_names(storage.join(folder, "scores")))
        return there("plan.json") and done >= fault.share * units
    if fault.phase == "finalising":
        return there(MANIFEST)
    last = storage.join(report, "objects", f"{tables.PARTITION}={sweep_id}")
    return storage.exists(last) and there("calibrations.json")


def is_over(fault: Fault, folder: str) -> bool:
    """Whether a fault comes too late: the phase that it belongs to has passed."""
    ends = {"planning": "plan.json", "scoring": MANIFEST}.get(fault.phase, tables.COMMIT)
    return storage.exists(storage.join(folder, ends))


def strike(
    fault: Fault,
    nodes: list[psutil.Process],
    driver: psutil.Process,
    node: WorkerNode,
    server: S3Server | None,
) -> bool:
    """Does it; False where there was nothing to strike.

    Args:
        fault: What.
        nodes: Processes of the Ray's nodes, whose descendants are its workers.
        driver: The sweep's process.
        node: One that can be lost, and is replaced.
        server: The store.
    """
    if fault.kind == "driver":
        return _kill(driver)
    if fault.kind == "store":
        assert server is not None
        server.kill()
        server.start()
        return True
    if fault.kind == "node":
        node.kill()
        node.start()
        return True
    wanted: Callable[[list[str]], bool] = (
        (lambda command: command[0].startswith("ray::MapWorker"))
        if fault.kind == "actor"
        else (lambda command: "vadray.media.child" in command)
    )
    workers = [worker for one in nodes for worker in one.children(recursive=True)]
    found = [worker for worker in workers if wanted(_command(worker))]
    return any([_kill(one) for one in found[:1]])


def _kill(process: psutil.Process) -> bool:
    try:
        process.kill()
        return True
    except psutil.NoSuchProcess:
        return False


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline() or [""]
    except psutil.Error:
        return [""]
