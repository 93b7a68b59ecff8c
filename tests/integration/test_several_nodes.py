"""`ray job submit` on a cluster of several nodes, from and to S3, one of which is lost on the way."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.material import material
from tests.ray_head import WorkerNode, running_ray_head
from vadray import storage
from vadray.report import tables
from vadray.sweep.status import status
from vadray.sweep.verify import verify

RAY = str(Path(sys.executable).parent / "ray")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def head(s3_server):
    """Does no work itself. Started after the S3 server, whose environment its nodes inherit."""
    with running_ray_head(cpus=0) as running:
        yield running


def test_a_submitted_sweep_outlives_one_of_its_nodes(head, s3_server, tmp_path):
    local, bundles = material(tmp_path / "material")
    place = f"{s3_server.uri}/several-nodes"
    for entry in storage.list_objects(str(local)):
        storage.upload(entry.uri, f"{place}/archive/{storage.relative(entry.uri, str(local))}")
    report = f"{place}/report"
    entry = ["jobs/sweep.py", f"archive={place}/archive", f"out={report}", "sweep_id=2026-11-22"]
    entry += [word for bundle in bundles for word in ("--bundle", bundle)]
    entry += ["unit_frames=8", "max_quarantined=1"]
    command = ["job", "submit", "--address", head.dashboard, "--working-dir", ".", "--submission-id"]
    log = tmp_path / "log"
    with WorkerNode(head), WorkerNode(head) as lost:
        with open(log, "w") as output:
            submitted = subprocess.Popen(
                [RAY, *command, "sweep-2026-11-22", "--", "python", *entry],
                env=head.environment,
                cwd=ROOT,
                stdout=output,
                stderr=output,
            )
        scores = f"{report}/_sweeps/2026-11-22/scores"
        while submitted.poll() is None and len(list(storage.list_names(scores))) < 4:
            time.sleep(0.1)
        assert status(report, None)["phase"] == "scoring", log.read_text()[-4000:]
        lost.kill()
        assert submitted.wait(900) == 0, log.read_text()[-4000:]
    assert "the cluster had 2 CPUs and has 1" in log.read_text()
    commit = tables.read_commit(report, "2026-11-22")
    assert commit["attempts"] == 1
    assert commit["counts"]["objects"] == len(list(storage.list_objects(f"{place}/archive")))
    assert verify(report, "2026-11-22")["faults"] == []
