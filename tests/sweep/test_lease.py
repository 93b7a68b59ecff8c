"""The lease of a sweep between real processes, on a folder and on a real S3 server."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import psutil
import pytest

from tests.faulty_proxy import faulty_proxy
from tests.patience import PATIENCE_S
from tests.s3_server import running_s3_server
from vadray import storage
from vadray.errors import HeldElsewhere, RequestError
from vadray.sweep.lease import LEASE, held, require_conditions

DRIVER = """
import signal, sys, time
from vadray.sweep.lease import held
signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # whoever starts tests may have SIGINT ignored
folder, lease_s = sys.argv[1], float(sys.argv[2])
def say(text): print(text, flush=True)
with held(folder, "theirs", lease_s, True, say) as lease:
    say("held")
    while True:
        time.sleep(0.02)
        lease.check()
"""


@pytest.fixture(params=["local", "s3"])
def folder(request, tmp_path):
    """Where a sweep's files are."""
    if request.param == "local":
        return str(tmp_path / "night")
    return f"{request.getfixturevalue('s3_server').uri}/{tmp_path.name}/night"


@contextmanager
def driver(folder: str, lease_s: float):
    """Another driver's process that holds the lease."""
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, folder, str(lease_s)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def take(folder: str, lease_s: float = 60, wait: bool = True) -> list[str]:
    """Holds the lease for a moment; what was said."""
    said: list[str] = []
    with held(folder, "ours", lease_s, wait, said.append) as lease:
        lease.check()
    return said


def test_who_does_not_wait_is_told_who_holds_it(folder):
    with driver(folder, 60) as other, pytest.raises(HeldElsewhere, match=rf"process {other.pid} on .*theirs"):
        take(folder, wait=False)


def test_a_holder_that_is_gone_is_replaced_at_once(folder):
    with driver(folder, 600) as other:
        other.kill()
        other.wait()
        begun = time.monotonic()
        (said,) = take(folder)
        assert time.monotonic() - begun < 30 and f"taking over from process {other.pid}" in said


def test_a_killed_holder_whose_parent_has_not_looked_is_gone(folder):
    """A zombie still has a number."""
    with driver(folder, 600) as other:
        other.kill()
        while psutil.Process(other.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        assert "taking over" in take(folder, wait=False)[0]


def test_a_holder_that_renews_is_waited_for_and_its_end_is_noticed(folder):
    said: list[str] = []
    with driver(folder, 5) as other:
        stopper = subprocess.Popen(["sh", "-c", f"sleep 9; kill -TERM {other.pid}"])
        begun = time.monotonic()
        with held(folder, "ours", 5, True, said.append) as lease:
            waited = time.monotonic() - begun
            lease.check()
        stopper.wait()
        assert waited > 7, "taken from a holder that lives"
        assert said == [
            f"waiting: process {other.pid} on {os.uname().nodename} (attempt theirs) holds this sweep"
        ]


def test_a_holder_that_comes_back_from_the_dead_notices(folder):
    with driver(folder, 2) as other:
        os.kill(other.pid, signal.SIGSTOP)
        said = []
        with held(folder, "ours", 60, True, said.append) as lease:
            assert [line.split(":")[0].split(" from")[0] for line in said] == ["waiting", "taking over"]
            os.kill(other.pid, signal.SIGCONT)
            output = other.communicate(timeout=PATIENCE_S)[0]
            assert other.returncode != 0 and "HeldElsewhere" in output and "is lost" in output
            lease.check()
            ours = json.loads(storage.read_bytes(storage.join(folder, LEASE)))
            assert ours["holder"]["attempt"] == "ours"


def test_it_outlasts_its_own_time(folder):
    """Renewed while the driver does something else."""
    with held(folder, "ours", 6, True, print) as lease:
        time.sleep(9)
        lease.check()
        content = json.loads(storage.read_bytes(storage.join(folder, LEASE)))
        assert content["renewals"] > 3


def test_a_lease_that_another_took_interrupts_the_driver(folder):
    with (
        pytest.raises(HeldElsewhere, match="another driver took it"),
        held(folder, "ours", 3, True, print),
    ):
        storage.write_bytes(storage.join(folder, LEASE), b"{}")
        time.sleep(30)
    assert storage.read_bytes(storage.join(folder, LEASE)) == b"{}", "what is lost is not released"


def test_what_was_released_is_free(folder):
    for _ in range(2):
        assert take(folder, wait=False) == []


def test_what_is_no_lease_is_replaced(folder):
    storage.write_bytes(storage.join(folder, LEASE), b"no lease")
    assert take(folder, wait=False) == []


def test_a_store_that_keeps_conditions_passes_and_nothing_of_the_probe_stays(folder):
    require_conditions(folder)
    assert list(storage.list_names(folder)) == []


def test_a_store_that_ignores_conditions_is_refused(monkeypatch):
    with (
        running_s3_server("forgetful", anonymous=True) as server,
        faulty_proxy(server.endpoint, forgets_conditions=True) as endpoint,
    ):
        for name, value in {**server.environment, "AWS_ENDPOINT_URL": endpoint}.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(RequestError, match=r"wrote where the condition did not hold.*single_driver=true"):
            require_conditions("s3://forgetful/report/_sweeps/night")
