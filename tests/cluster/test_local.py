"""`cluster/local.py` really starts nodes, and nothing of them remains."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from cluster import local
from tests.cluster.launcher_files import ROOT
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.ray
SCRIPT = [sys.executable, str(ROOT / "cluster" / "local.py")]
# what a command sees: written to the file that it is given
LOOK = """
import json, os, sys, psutil, ray
ray.init(logging_level="WARNING")
seen = {
    "cpus": sorted(node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]),
    "dashboard": os.environ["RAY_API_SERVER_ADDRESS"],
    "token": os.environ["RAY_AUTH_TOKEN_PATH"],
    "rights": os.stat(os.environ["RAY_AUTH_TOKEN_PATH"]).st_mode & 0o777,
    "addresses": sorted({one.laddr.ip for one in psutil.net_connections("tcp") if one.status == "LISTEN"}),
}
with open(sys.argv[1], "w") as file:
    json.dump(seen, file)
sys.exit(7)
"""
LOOPBACK = {"127.0.0.1", "::ffff:127.0.0.1", "::1"}


def processes_with(token: str) -> list[psutil.Process]:
    """All that were started with this token: Ray's, and a command's."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("RAY_AUTH_TOKEN_PATH") == token:
                found.append(process)
        except psutil.Error:
            continue
    return found


def nothing_is_left(token: str) -> bool:
    return not processes_with(token) and not Path(token).parent.exists()


def test_a_command_sees_the_nodes_that_were_asked_for_and_its_status_is_passed_on(tmp_path):
    """It waits for them as a sweep would on a cloud, by with_nodes.py."""
    look, seen_path = tmp_path / "look.py", tmp_path / "seen.json"
    look.write_text(LOOK)
    command = f"python {ROOT}/cluster/with_nodes.py --cpus 2 -- python {look} {seen_path}"
    ran = subprocess.run(
        [*SCRIPT, "--nodes", "2", "--command", command], text=True, stderr=subprocess.PIPE, timeout=PATIENCE_S
    )
    assert ran.returncode == 7, ran.stderr[-4000:]
    seen = json.loads(seen_path.read_text())
    assert seen["cpus"] == [0, 1, 1], "a head without work, and two nodes"
    assert seen["dashboard"].startswith("http://127.0.0.1:")
    assert seen["rights"] == 0o600
    if local.may_have_own_network():
        assert set(seen["addresses"]) <= LOOPBACK, "nothing outside could reach them"
    assert nothing_is_left(seen["token"])


@pytest.mark.soak
def test_killed_it_leaves_nothing_either():
    with subprocess.Popen([*SCRIPT, "--nodes", "1"], text=True, stdout=subprocess.PIPE) as process:
        exports = dict(process.stdout.readline().removeprefix("export ").strip().split("=") for _ in range(5))
        token = exports["RAY_AUTH_TOKEN_PATH"]
        assert exports["RAY_AUTH_MODE"] == "token" and exports["RAY_ADDRESS"].startswith("127.0.0.1:")
        asked = subprocess.run(
            [Path(sys.executable).parent / "ray", "job", "list"], env=os.environ | exports, timeout=PATIENCE_S
        )
        assert asked.returncode == 0, "the lines are all that another terminal needs"
        assert processes_with(token) and Path(token).exists()
        process.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + 60
        while not nothing_is_left(token):
            assert time.monotonic() < deadline, processes_with(token)
            time.sleep(0.2)


@pytest.mark.parametrize("words", [["--nodes", "0"], ["--cpus", "none"], ["--net", "host"], ["start"]])
def test_a_wrong_request_starts_nothing(words, capsys):
    with pytest.raises(SystemExit) as ended:
        local.main(words)
    assert ended.value.code == 2 and "usage:" in capsys.readouterr().err


def test_a_network_of_its_own_is_refused_where_the_user_may_not(monkeypatch, capsys):
    monkeypatch.setattr(local, "may_have_own_network", lambda: False)
    assert local.main(["--network", "private", "--command", "true"]) == 2
    assert "root or user namespaces" in capsys.readouterr().err
