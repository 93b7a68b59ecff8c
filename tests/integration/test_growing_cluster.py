"""On a cluster that starts without machines they come as work waits, and the pools grow with them."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from cluster.nodes import end_tree
from tests.faults.material import material
from tests.patience import PATIENCE_S
from vadray.sweep.verify import verify

pytestmark = pytest.mark.soak  # minutes, and the port that Ray's provider of machines for tests looks at

ROOT = Path(__file__).resolve().parents[2]
PORT = 6379
MACHINES = {
    "cpu": {"resources": {"CPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": 3},
    "gpu": {"resources": {"CPU": 1, "GPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": 2},
    "head": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
}
AUTOSCALER = {
    "cluster_name": "tests",
    "provider": {
        "type": "fake_multinode",
        "worker_liveness_check": False,
        "disable_node_updaters": True,
        "disable_launch_config_check": True,
        "foreground_node_launch": True,
    },
    "auth": {},
    "head_node_type": "head",
    "max_workers": 5,
    "upscaling_speed": 10,
    "idle_timeout_minutes": 0.2,
    **{
        name: []
        for name in (
            *("initialization_commands", "setup_commands", "head_setup_commands", "worker_setup_commands"),
            *("head_start_ray_commands", "worker_start_ray_commands", "cluster_synced_files"),
        )
    },
    "file_mounts": {},
}
SWEEP = """
import json, sys, threading
import ray
from vadray.cli import main
from vadray.sweep.cluster import connected

with connected():
    seen, over = [], threading.Event()

    def look():
        while not over.wait(0.5):
            nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            there = [int(sum(node.get(name, 0) for node in nodes)) for name in ("CPU", "GPU")]
            if not seen or seen[-1] != there:
                seen.append(there)

    looking = threading.Thread(target=look)
    looking.start()
    status = main(sys.argv[1:])
    over.set()
    looking.join()
print(json.dumps({"status": status, "seen": seen}))
"""


@contextmanager
def head(machines: list[str]) -> Iterator[dict[str, str]]:
    """Without CPUs, beside an autoscaler that makes nodes of this machine; the environment of its clients."""
    with tempfile.TemporaryDirectory(prefix="vr-") as folder:
        config = Path(folder) / "autoscaler.json"
        types = {name: MACHINES[name] for name in [*machines, "head"]}
        config.write_text(json.dumps({**AUTOSCALER, "available_node_types": types}))
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "RAY_AUTH_MODE": "disabled",
            "RAY_FAKE_CLUSTER": "1",
            "AUTOSCALER_UPDATE_INTERVAL_S": "1",
        }
        command = [str(Path(sys.executable).parent / "ray"), "start", "--head", "--block", f"--port={PORT}"]
        command += [f"--autoscaling-config={config}", "--num-cpus=0", f"--temp-dir={folder}/ray"]
        process = psutil.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            while "Ray runtime started" not in (line := process.stdout.readline()):
                assert line, "Ray did not start"
            threading.Thread(target=process.stdout.read, daemon=True).start()
            yield {**environment, "RAY_ADDRESS": f"127.0.0.1:{PORT}"}
        finally:
            end_tree(process)
            time.sleep(1)


@pytest.mark.parametrize("gpus", [0, 2])
def test_machines_come_and_the_pools_grow(gpus, tmp_path):
    archive, bundles = material(tmp_path / "material")
    words = ["sweep", str(archive), "--bundle", bundles[0], "--bundle", bundles[1], "sweep_id=x"]
    words += [f"out={tmp_path / 'report'}", "unit_frames=1", "max_quarantined=1", "max_actors=3"]
    with head(["cpu", "gpu"] if gpus else ["cpu"]) as environment:
        ran = subprocess.run(
            [sys.executable, "-c", SWEEP, *words, *([f"max_gpus={gpus}"] if gpus else [])],
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
    assert ran.returncode == 0, ran.stderr[-4000:]
    told = json.loads(ran.stdout.splitlines()[-1])
    print(told["seen"])
    assert told["status"] == 0 and told["seen"][0] == [0, 0]
    assert max(cpus for cpus, _ in told["seen"]) >= 2  # it began with none, and with one could have gone on
    assert max(there for _, there in told["seen"]) >= min(gpus, 1)
    assert verify(str(tmp_path / "report"), "x")["faults"] == []
