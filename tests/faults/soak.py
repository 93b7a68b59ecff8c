"""Sweeps that are struck again and again, and compared row for row with undisturbed ones.

    python -m tests.faults.soak --out soak --sweeps 13 --scoring 15 --seed 0

A sweep that is finished is kept in `--out`: the same command goes on. The same seed gives the same faults.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.faults.inject import Fault, is_over, reached, schedule, strike
from tests.ray_head import RayHead, WorkerNode, running_ray_head
from tests.s3_server import S3Server, running_s3_server
from vadray import storage
from vadray.report import tables
from vadray.sweep import plan_store
from vadray.sweep.verify import verify

SWEEP_ID = "night"
SWEEP_TIMEOUT_S = 1200
RESTARTS = 40
POLL_S = 0.02
# with which Ray ends a process that has lost its cluster's services, without a word of Python's
RAYS_OWN = 1
KEYS = {"frames": ("object_uri", "frame_index"), "events": ("event_id",), "objects": ("object_uri",)}


@dataclass(frozen=True)
class Place:
    """Where sweeps read and write, a folder or the store, and the file that takes what they say."""

    archive: str
    reports: str
    log: Path
    server: S3Server | None


@dataclass(frozen=True)
class Outcome:
    """What came of one sweep under faults."""

    store: str
    injected: list[str]
    attempts: int
    lost: int
    repeated: int
    changed: int
    verify_faults: int
    seconds: float


def soak(
    place: Place,
    bundles: Sequence[str],
    head: RayHead,
    node: WorkerNode,
    faults: list[Fault],
    name: str,
    reference: str,
) -> Outcome:
    """One sweep under `faults`, started again whenever its driver dies, compared with the report `reference`.

    Raises:
        RuntimeError: It did not end, or ended with another status than 0 or 3 though neither we nor Ray killed it.
    """
    begun = time.monotonic()
    report = storage.join(place.reports, name)
    folder = storage.join(report, tables.SWEEPS, SWEEP_ID)
    units = plan_store.load(storage.join(reference, tables.SWEEPS, SWEEP_ID)).info["counts"]["units"]
    pending, injected = list(faults), []
    for _ in range(RESTARTS):
        said_before = place.log.stat().st_size
        driver = _start(place, bundles, report, head)
        killed = False
        while driver.poll() is None:
            if time.monotonic() - begun > SWEEP_TIMEOUT_S:
                driver.kill()
                raise RuntimeError(
                    f"{name}: no end after {SWEEP_TIMEOUT_S} s; injected: {injected}\n{_last_said(place)}"
                )
            if pending and is_over(pending[0], folder):
                pending.pop(0)
            elif pending and reached(pending[0], folder, report, SWEEP_ID, units):
                fault = pending[0]
                nodes = [psutil.Process(head.pid), psutil.Process(node.pid)]
                if strike(fault, nodes, psutil.Process(driver.pid), node, place.server):
                    pending.pop(0)
                    injected.append(str(fault))
                    killed = killed or fault.kind == "driver"
            time.sleep(POLL_S)
        if driver.returncode in (0, 3):
            break
        if not killed and driver.returncode == RAYS_OWN and not _gave_a_reason(place, said_before):
            injected.append("driver by Ray")
        elif not killed:
            raise RuntimeError(
                f"{name}: exit status {driver.returncode} that no fault explains; {injected}\n{_last_said(place)}"
            )
    differences = compare(report, reference)
    commit = tables.read_commit(report, SWEEP_ID)
    assert commit is not None
    return Outcome(
        store="s3" if place.server else "folder",
        injected=injected,
        attempts=commit["attempts"],
        verify_faults=len(verify(report, SWEEP_ID)["faults"]),
        seconds=round(time.monotonic() - begun, 1),
        **differences,
    )


def undisturbed(place: Place, bundles: Sequence[str], head: RayHead, name: str) -> str:
    """A sweep that nobody disturbs; the report."""
    report = storage.join(place.reports, name)
    if tables.read_commit(report, SWEEP_ID) is None:
        driver = _start(place, bundles, report, head)
        if driver.wait(SWEEP_TIMEOUT_S) not in (0, 3):
            raise RuntimeError(
                f"the undisturbed sweep ended with status {driver.returncode}\n{_last_said(place)}"
            )
    return report


def _gave_a_reason(place: Place, begin: int) -> bool:
    """Whether a driver's output from byte `begin` on has an error of ours or of Python."""
    with open(place.log, "rb") as log:
        log.seek(begin)
        return any(line.startswith((b"Traceback", b"vadray sweep: ")) for line in log)


def _last_said(place: Place) -> str:
    return place.log.read_text(errors="replace")[-4000:]


def compare(report: str, reference: str) -> dict[str, int]:
    """Rows of the reference that are not there, rows that are there twice or too many, rows of another content."""
    found = Counter[str]()
    for table, keys in KEYS.items():
        ours, theirs = (_rows(place, table, keys) for place in (report, reference))
        found["lost"] += sum((Counter(key for key, _ in theirs) - Counter(key for key, _ in ours)).values())
        found["repeated"] += sum(
            (Counter(key for key, _ in ours) - Counter(key for key, _ in theirs)).values()
        )
        wanted = dict(theirs)
        found["changed"] += sum(key in wanted and wanted[key] != row for key, row in ours)
    return {name: found[name] for name in ("lost", "repeated", "changed")}


def _rows(report: str, table: str, keys: tuple[str, ...]) -> list[tuple[tuple, dict[str, Any]]]:
    rows = tables.read_table(report, table, SWEEP_ID).to_pylist()
    return [(tuple(row[key] for key in keys), row) for row in rows]


def _start(place: Place, bundles: Sequence[str], report: str, head: RayHead) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "vadray.cli",
        "sweep",
        place.archive,
        f"out={report}",
        f"sweep_id={SWEEP_ID}",
    ]
    command += ["unit_frames=8", "unit_images=2", "max_quarantined=1"]
    command += [word for bundle in bundles for word in ("--bundle", bundle)]
    environment = head.environment | {"RAY_ADDRESS": head.address}
    with open(place.log, "ab") as output:
        return subprocess.Popen(command, env=environment, stdout=output, stderr=output)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of archive, reports and outcomes")
    parser.add_argument("--sweeps", type=int, default=13)
    parser.add_argument("--scoring", type=int, default=15, help="faults of each sweep while it scores")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    from tests.faults.material import material

    out = arguments.out.resolve()
    with running_s3_server("soak") as server:
        os.environ.update(server.environment)
        with running_ray_head(cpus=1) as head, WorkerNode(head) as node:
            archive, bundles = material(out / "material")
            remote = f"{server.uri}/archive"
            for entry in storage.list_objects(str(archive)):
                storage.upload(entry.uri, storage.join(remote, storage.relative(entry.uri, str(archive))))
            places = [
                Place(str(archive), str(out / "reports"), out / "log", None),
                Place(remote, f"{server.uri}/r", out / "log", server),
            ]
            references = [undisturbed(place, bundles, head, "undisturbed") for place in places]
            outcomes = []
            for number in range(arguments.sweeps):
                kept = out / f"sweep-{arguments.seed}-{number:03}.json"
                if not kept.exists():
                    place, reference = places[number % 2], references[number % 2]
                    drawn = schedule(
                        random.Random(f"{arguments.seed}-{number}"),
                        arguments.scoring,
                        place.server is not None,
                    )
                    name = f"{arguments.seed}-{number:03}-{time.time_ns()}"
                    outcome = soak(place, bundles, head, node, drawn, name, reference)
                    kept.write_text(json.dumps(vars(outcome), indent=1))
                outcomes.append(json.loads(kept.read_text()))
                print(f"sweep {number}: {json.dumps(outcomes[-1])}", file=sys.stderr, flush=True)
    kinds = Counter(fault.split(" after")[0] for one in outcomes for fault in one["injected"])
    total = {
        name: sum(one[name] for one in outcomes) for name in ("lost", "repeated", "changed", "verify_faults")
    }
    summary = {
        "sweeps": len(outcomes),
        "faults": sum(kinds.values()),
        **total,
        "by_kind": dict(kinds),
        "minutes": round(sum(one["seconds"] for one in outcomes) / 60, 1),
    }
    print(json.dumps(summary))
    return int(any(total.values()))


if __name__ == "__main__":
    sys.exit(main())
