"""A Ray head of its own process, as `ray start --head` makes it, with token authentication."""

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.s3_server import free_ports

READY_TIMEOUT_S = 120
# every port is given: another Ray on this machine holds the defaults, and a head whose agent cannot listen
# answers "No available agent to submit job"
_PORT_FLAGS = (
    "--port",
    "--dashboard-port",
    "--dashboard-agent-listen-port",
    "--dashboard-agent-grpc-port",
    "--runtime-env-agent-port",
    "--metrics-export-port",
    "--ray-client-server-port",
)


@dataclass(frozen=True)
class RayHead:
    """A running head: `address` for drivers, `dashboard` for the jobs API, `environment` for clients of either.

    `pid` is that of the process whose descendants are all of its processes.
    """

    address: str
    dashboard: str
    environment: dict[str, str]
    pid: int

    def ray(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Runs the `ray` command against this head."""
        return subprocess.run(
            [_ray(), *arguments],
            env=self.environment,
            cwd=cwd,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=300,
        )


@contextlib.contextmanager
def running_ray_head(cpus: int = 2) -> Iterator[RayHead]:
    """Starts a head on 127.0.0.1 and stops it at the end. Never by `ray stop`: that ends every Ray of the machine."""
    folder = Path(tempfile.mkdtemp(prefix="vadray-ray-"))
    token = folder / "token"
    token.write_text(secrets.token_hex(32))
    ports = free_ports(len(_PORT_FLAGS))
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"} | {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
        # a job's `python` is whichever the head finds first
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    command = [_ray(), "start", "--head", "--block", "--node-ip-address=127.0.0.1", f"--num-cpus={cpus}"]
    command += [
        "--dashboard-host=127.0.0.1",
        f"--temp-dir={folder}",
        "--min-worker-port=0",
        "--max-worker-port=0",
    ]
    command += [f"{flag}={port}" for flag, port in zip(_PORT_FLAGS, ports, strict=True)]
    log_path = folder / "head.log"
    with open(log_path, "wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    whole = psutil.Process(process.pid)
    head = RayHead(f"127.0.0.1:{ports[0]}", f"http://127.0.0.1:{ports[1]}", environment, process.pid)
    try:
        _wait_until_ready(head, process, log_path)
        yield head
    finally:
        # some of a head's processes outlive it, and spin where their folder is gone
        started = whole.children(recursive=True) if process.poll() is None else []
        process.terminate()
        _, alive = psutil.wait_procs([whole, *started], timeout=15)
        for one in alive:
            one.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


class WorkerNode:
    """A further node of a head's cluster, on this machine, that can be lost. Ends with the context.

    Args:
        head: The cluster's head.
        cpus: That the node has.
    """

    def __init__(self, head: RayHead, cpus: int = 1):
        self._head, self._cpus = head, cpus
        self._process: psutil.Popen | None = None

    def __enter__(self) -> "WorkerNode":
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Joins the cluster, and waits until it has: of two that join at once, one is lost."""
        command = [_ray(), "start", "--block", f"--address={self._head.address}", f"--num-cpus={self._cpus}"]
        command += ["--min-worker-port=0", "--max-worker-port=0"]
        flags = [flag for flag in _PORT_FLAGS if "agent" in flag or "metrics" in flag]
        command += [f"{flag}={port}" for flag, port in zip(flags, free_ports(len(flags)), strict=True)]
        self._process = psutil.Popen(
            command, env=self._head.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        said = []
        for line in self._process.stdout:
            said.append(line)
            if "Ray runtime started" in line:
                return
        raise RuntimeError(f"a node did not join: {''.join(said)}")

    def kill(self) -> None:
        """Loses the node with all its workers, as a host that loses its power."""
        assert self._process is not None
        whole = [*self._process.children(recursive=True), self._process] if self._process.is_running() else []
        for one in whole:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        self._process.wait()


def _ray() -> str:
    return str(Path(sys.executable).parent / "ray")


def _wait_until_ready(head: RayHead, process: subprocess.Popen, log_path: Path) -> None:
    answer = ""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        listed = head.ray("job", "list", "--address", head.dashboard)
        if listed.returncode == 0:
            return
        answer = listed.stdout
        time.sleep(1)
    log = log_path.read_text(errors="replace")[-4000:]
    raise RuntimeError(f"ray head was not ready (exit status {process.poll()}): {answer[-2000:]}\n{log}")
