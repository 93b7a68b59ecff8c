"""A sweep that loses its nodes for good: it says what is missing, and goes on or stops as it was told."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.material import material
from tests.patience import PATIENCE_S
from tests.ray_head import RayHead, WorkerNode, running_ray_head
from vadray.report import tables
from vadray.sweep.verify import verify

pytestmark = pytest.mark.soak  # most of their minutes are spent waiting for Ray to notice


@pytest.fixture(scope="module")
def head():
    """Without a CPU of its own: all work is on nodes that can be lost."""
    with running_ray_head(cpus=0) as running:
        yield running


def await_cpus(head: RayHead, cpus: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while f"/{cpus}.0 CPU" not in head.ray("status", "--address", head.address).stdout:
        assert time.monotonic() < deadline


@contextmanager
def sweep_that_lost_both_nodes(head: RayHead, place: Path, on_loss: str) -> Iterator[subprocess.Popen[str]]:
    """Its two actors were on two nodes, which are gone. What it says is in `place / "log"`."""
    archive, bundles = material(place / "material")
    command = [sys.executable, "-m", "vadray.cli", "sweep", str(archive), f"out={place / 'report'}"]
    command += ["sweep_id=night", "unit_frames=2", "max_quarantined=1", f"on_loss={on_loss}"]
    command += [word for bundle in bundles for word in ("--bundle", bundle)]
    scores = place / "report" / "_sweeps" / "night" / "scores"
    with WorkerNode(head), WorkerNode(head), open(place / "log", "w") as log:
        await_cpus(head, 2)
        environment = head.environment | {"RAY_ADDRESS": head.address}
        driver = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
        while driver.poll() is None and not (scores.is_dir() and len(list(scores.iterdir())) > 8):
            time.sleep(0.02)
    try:
        yield driver
    finally:
        driver.kill()


def test_it_says_what_is_missing_and_goes_on_with_what_there_is(head, tmp_path):
    with sweep_that_lost_both_nodes(head, tmp_path, "shrink") as driver:
        lost = time.monotonic()
        while "the cluster had 2 CPUs and has 0" not in (tmp_path / "log").read_text():
            assert driver.poll() is None and time.monotonic() - lost < 60, (tmp_path / "log").read_text()
            time.sleep(0.1)
        with WorkerNode(head):
            output, _ = driver.communicate(timeout=PATIENCE_S)
        said = (tmp_path / "log").read_text()
        assert driver.returncode == 0, said[-4000:]
        assert "the cluster had 2 CPUs and has 1; going on with what is left" in said
        assert json.loads(output.splitlines()[-1])["attempts"] == 1
        assert verify(str(tmp_path / "report"), "night")["faults"] == []


def test_it_stops_where_it_was_told_to(head, tmp_path):
    with sweep_that_lost_both_nodes(head, tmp_path, "stop") as driver:
        assert driver.wait(PATIENCE_S) == 5
        said = (tmp_path / "log").read_text()
        assert "the cluster had 2 CPUs and has 0; the same command goes on from here" in said
        assert tables.read_commit(str(tmp_path / "report"), "night") is None
