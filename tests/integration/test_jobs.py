"""The same commands as jobs of a Ray that somebody else started, and what a stopped one leaves."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S
from tests.ray_head import RayHead, running_ray_head
from vadray import storage
from vadray.bundle import open_bundle
from vadray.report import tables
from vadray.sweep.status import status
from vadray.sweep.verify import verify

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def head(s3_server):
    """Started after the S3 server, whose environment its workers inherit."""
    with running_ray_head() as running:
        yield running


def sweep_command(archive, bundles, report: Path) -> list[str]:
    """A sweep of several units, as a process of its own."""
    command = [sys.executable, "jobs/sweep.py", str(archive.test), f"bundle={bundles['video']}"]
    return [*command, f"out={report}", "sweep_id=night", "unit_frames=8"]


def submit(head: RayHead, name: str, *entry: str) -> subprocess.CompletedProcess[str]:
    return head.ray(
        *("job", "submit", "--address", head.dashboard, "--working-dir", ".", "--submission-id", name, "--"),
        *("python", *entry),
        cwd=ROOT,
    )


@pytest.mark.soak  # a sweep through the jobs API, from and to S3: test_several_nodes.py
def test_train_and_sweep_through_the_jobs_api_from_and_to_s3(head, archive, s3_server):
    place = f"{s3_server.uri}/jobs"
    for entry in storage.list_objects(str(archive.root)):
        storage.upload(
            entry.uri, storage.join(place, "archive", storage.relative(entry.uri, str(archive.root)))
        )
    trained = submit(
        head,
        "train-gate",
        *("jobs/train.py", "--config", "jobs/configs/train.yaml", f"archive={place}/archive/train"),
        *(f"out={place}/bundle", "size=32,48", "window=4", "units=16", "epochs=1", "batch_size=8"),
    )
    assert trained.returncode == 0, trained.stdout[-4000:]
    assert open_bundle(f"{place}/bundle").info["training"]["epochs"] == 1
    words = (
        "jobs/sweep.py",
        f"archive={place}/archive/test",
        f"bundle={place}/bundle",
        f"out={place}/report",
    )
    swept = submit(head, "sweep-2026-11-22", *words, "sweep_id=2026-11-22")
    assert swept.returncode == 0, swept.stdout[-4000:]
    result = json.loads(next(line for line in swept.stdout.splitlines() if line.startswith('{"sweep_id"')))
    assert result["frames"] == tables.read_table(f"{place}/report", "frames", "2026-11-22").num_rows > 0
    assert verify(f"{place}/report", "2026-11-22")["faults"] == []
    again = submit(head, "sweep-2026-11-22", *words, "sweep_id=2026-11-22")
    assert again.returncode != 0, "a name that was submitted before is Ray's guard against two sweeps a night"


def test_stopped_by_sigterm_it_ends_with_5_and_the_same_command_goes_on(head, archive, bundles, tmp_path):
    report = tmp_path / "report"
    command = sweep_command(archive, bundles, report)
    environment = head.environment | {"RAY_ADDRESS": head.address}
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=ROOT)
    scores = report / "_sweeps" / "night" / "scores"
    deadline = time.monotonic() + PATIENCE_S
    # not just any file: one that is being written has another name until it is whole
    while process.poll() is None and not any(scores.glob("*.last.parquet")):
        assert time.monotonic() < deadline, (tmp_path / "log").read_text()
        time.sleep(0.01)
    running = status(str(report), None)
    assert (running["phase"], running["running"]) == ("scoring", True)
    assert f"process {process.pid} on " in running["holder"]
    assert 0 < running["units_done"] <= running["units"] and running["units_per_hour"]
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 5, (tmp_path / "log").read_text()[-4000:]
    assert "goes on from here" in (tmp_path / "log").read_text()
    assert tables.read_commit(str(report), "night") is None
    stopped = status(str(report), "night")
    assert not stopped["running"] and stopped["holder"] is None, "it left no lease behind"
    assert stopped["units_done"] >= running["units_done"] and stopped["attempts"] == 1
    kept = {path.name: path.stat().st_mtime_ns for path in scores.iterdir()}
    again = subprocess.run(
        command, env=environment, capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE_S
    )
    assert again.returncode == 0, again.stderr[-4000:]
    result = json.loads(again.stdout.splitlines()[-1])
    assert result["attempts"] == 2 and not result["already"]
    done = status(str(report), "night")
    assert (done["phase"], done["share_done"], done["attempts"]) == ("committed", 1.0, 2)
    assert kept.items() <= {path.name: path.stat().st_mtime_ns for path in scores.iterdir()}.items()
    assert verify(str(report), "night")["faults"] == []


def test_of_two_drivers_one_works_and_the_other_waits_or_leaves(head, archive, bundles, tmp_path):
    report = tmp_path / "report"
    command = sweep_command(archive, bundles, report)
    environment = head.environment | {"RAY_ADDRESS": head.address}
    drivers = [
        subprocess.Popen(
            command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
        )
        for _ in range(2)
    ]
    lease = report / "_sweeps" / "night" / "lease.json"
    deadline = time.monotonic() + PATIENCE_S
    while not lease.exists():
        assert time.monotonic() < deadline and all(one.poll() is None for one in drivers)
        time.sleep(0.01)
    left = subprocess.run([*command, "--no-wait"], env=environment, capture_output=True, text=True, cwd=ROOT)
    assert left.returncode == 4 and "holds this sweep" in left.stderr, left.stderr[-4000:]
    said = [one.communicate(timeout=PATIENCE_S) for one in drivers]
    assert [one.returncode for one in drivers] == [0, 0], said
    results = [json.loads(output.splitlines()[-1]) for output, _ in said]
    assert sorted(result["already"] for result in results) == [False, True]
    (waited,) = (error for (_, error), result in zip(said, results, strict=True) if result["already"])
    assert "holds this sweep" in waited and "committed by another driver" in waited
    assert results[0]["attempts"] == results[1]["attempts"] == 1
    assert verify(str(report), "night")["faults"] == []
