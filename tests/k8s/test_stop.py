"""A pod that ends tells its sweep to end, and waits for it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.k8s.build import ROOT
from tests.patience import PATIENCE_S

# a copy: it ends the jobs of its own folder, and other tests run those of this repository at the same time
STOP = ROOT / "jobs" / "stop.py"
ENDS = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(5)); print(1, flush=True); time.sleep(60)"
STAYS = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
)


@pytest.fixture
def start(tmp_path: Path):
    """Starts `python …/jobs/NAME` with a program in it, through a shell as Ray does, and waits until it listens."""
    begun = []

    def start_job(name: str, program: str) -> subprocess.Popen[str]:
        path = tmp_path / "jobs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(program)
        command = f"exec {sys.executable} {path} sweep_id=once"
        process = subprocess.Popen(["sh", "-c", command], stdout=subprocess.PIPE, text=True)
        begun.append(process)
        assert process.stdout is not None and process.stdout.readline()
        return process

    yield start_job
    for process in begun:
        process.kill()
        process.wait()


@pytest.fixture
def stop(tmp_path: Path):
    path = tmp_path / "jobs" / "stop.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(STOP.read_text())

    def run(wait_s: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, path, "--wait-s", wait_s], capture_output=True, text=True, timeout=PATIENCE_S
        )

    return run


def test_a_sweep_is_told_and_waited_for(start, stop):
    sweep = start("sweep.py", ENDS)
    done = stop("30")
    assert done.returncode == 0 and f"ending process {sweep.pid}" in done.stdout
    assert sweep.wait(timeout=PATIENCE_S) == 5, "interrupted, and said so"


def test_what_is_no_job_of_this_folder_goes_on(start, stop):
    other = start("elsewhere/sweep.py", ENDS)
    assert stop("1").returncode == 0
    assert other.poll() is None


def test_one_that_does_not_end_is_not_waited_for_longer(start, stop):
    sweep = start("sweep.py", STAYS)
    done = stop("0.5")
    assert done.returncode == 1 and "has not ended" in done.stdout
    assert sweep.poll() is None


def test_without_a_sweep_there_is_nothing_to_do(stop):
    done = stop("5")
    assert (done.returncode, done.stdout) == (0, "")
