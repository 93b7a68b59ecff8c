"""Ray nodes as processes of this machine: a head as `ray start --head` makes it, and further nodes that can be lost.

`local.py` starts them by hand, the tests start them to lose them. Token authentication is always on.
"""

import contextlib
import os
import random
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

READY_TIMEOUT_S = 300
COMMAND_TIMEOUT_S = 1200
LOOPBACK = "127.0.0.1"
_STOP_TIMEOUT_S = 15
_JOIN_ATTEMPTS = 5
_STARTED = "Ray runtime started"
# below the range of outgoing connections
_PORTS = range(12_000, 22_000)
# every port is given: another Ray on this machine holds the defaults, and a head whose agent cannot listen
# answers "No available agent to submit job"
_NODE_PORT_FLAGS = (
    "--dashboard-agent-listen-port",
    "--dashboard-agent-grpc-port",
    "--runtime-env-agent-port",
    "--metrics-export-port",
)
_HEAD_PORT_FLAGS = ("--port", "--dashboard-port", "--ray-client-server-port", *_NODE_PORT_FLAGS)
_ANY_WORKER_PORT = ("--min-worker-port=0", "--max-worker-port=0")


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
            timeout=COMMAND_TIMEOUT_S,
        )


@contextlib.contextmanager
def running_ray_head(cpus: int = 2) -> Iterator[RayHead]:
    """Starts a head and stops it at the end. Never by `ray stop`: that ends every Ray of the machine.

    The dashboard is on 127.0.0.1. What else it listens on is not: in place of that address Ray takes the machine's own,
    and every interface, unless there is no other (see `local.py`).
    """
    folder = Path(tempfile.mkdtemp(prefix="vadray-ray-"))
    ports = free_ports(len(_HEAD_PORT_FLAGS))
    environment = _environment(_new_token(folder))
    command = [_ray(), "start", "--head", "--block", f"--node-ip-address={LOOPBACK}", f"--num-cpus={cpus}"]
    command += [f"--dashboard-host={LOOPBACK}", f"--temp-dir={folder}", *_ANY_WORKER_PORT]
    command += [f"{flag}={port}" for flag, port in zip(_HEAD_PORT_FLAGS, ports, strict=True)]
    log_path = folder / "head.log"
    process: psutil.Popen | None = None
    try:
        with open(log_path, "wb") as log:
            process = psutil.Popen(
                command, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        head = RayHead(f"{LOOPBACK}:{ports[0]}", f"http://{LOOPBACK}:{ports[1]}", environment, process.pid)
        _wait_until_ready(head, process, log_path)
        yield head
    finally:
        if process is not None:
            # some of a head's processes outlive it, and spin where their folder is gone
            started = _descendants(process)
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
            _, alive = psutil.wait_procs([process, *started], timeout=_STOP_TIMEOUT_S)
            _kill(alive)
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
        """Joins the cluster, and waits until it has: of two that join at once, one is lost.

        Raises:
            RuntimeError: It did not join, and not on another try: Ray gives up a node that is not there within 30 s,
                which on a machine with other work to do says nothing.
        """
        for _ in range(_JOIN_ATTEMPTS):
            if said := self._join():
                self.kill()
            else:
                return
        raise RuntimeError(f"a node did not join: {said}")

    def _join(self) -> str:
        """Empty where it joined, else what it said."""
        command = [_ray(), "start", "--block", f"--address={self._head.address}", f"--num-cpus={self._cpus}"]
        command += [f"--node-ip-address={LOOPBACK}", *_ANY_WORKER_PORT]
        ports = free_ports(len(_NODE_PORT_FLAGS))
        command += [f"{flag}={port}" for flag, port in zip(_NODE_PORT_FLAGS, ports, strict=True)]
        self._process = psutil.Popen(
            command,
            env=self._head.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        said = ["it ended without a word"]
        # `ray start` itself waits for its head without an end
        overdue = threading.Timer(READY_TIMEOUT_S, self.kill)
        overdue.start()
        try:
            for line in self._process.stdout:
                said.append(line)
                if _STARTED in line:
                    return ""
        except BaseException:
            # interrupted while it joined: nobody else would end it
            self.kill()
            raise
        finally:
            overdue.cancel()
        return "".join(said[-40:])

    def kill(self) -> None:
        """Loses the node with all its workers, as a host that loses its power."""
        assert self._process is not None
        _kill([*_descendants(self._process), self._process])
        self._process.wait()


def free_ports(count: int, twin: int = 0) -> list[int]:
    """Ports of 127.0.0.1 that nothing listens on.

    Args:
        count: How many.
        twin: The port that is so much higher is free too.
    """
    ports: list[int] = []
    generator = random.SystemRandom()
    while len(ports) < count:
        port = generator.choice(_PORTS)
        if port not in ports and _is_free(port) and _is_free(port + twin):
            ports.append(port)
    return ports


def end_tree(process: psutil.Process) -> None:
    """Asks a process and all its descendants to end, and ends what has not after a while."""
    whole = [*_descendants(process), process]
    for one in whole:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.terminate()
    _, alive = psutil.wait_procs(whole, timeout=_STOP_TIMEOUT_S)
    _kill(alive)


def _new_token(folder: Path) -> Path:
    """A file that this user alone can read: Ray opens the folder itself to everyone."""
    path = folder / "token"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
    return path


def _environment(token: Path) -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"} | {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
        # a job's `python` is whichever the head finds first
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }


def _ray() -> str:
    return str(Path(sys.executable).parent / "ray")


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.children(recursive=True)
    return []


def _kill(processes: Iterable[psutil.Process]) -> None:
    for one in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _wait_until_ready(head: RayHead, process: psutil.Popen, log_path: Path) -> None:
    """Until the head has joined its own cluster and the jobs API answers, of which either may be first.

    A node that comes before the head has joined waits for it for minutes, and in vain.
    """
    token = Path(head.environment["RAY_AUTH_TOKEN_PATH"]).read_text()
    question = urllib.request.Request(
        f"{head.dashboard}/api/jobs/", headers={"Authorization": f"Bearer {token}"}
    )
    no_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    answer: object = ""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with no_proxy.open(question, timeout=10):
                if _STARTED in log_path.read_text(errors="replace"):
                    return
        except OSError as error:
            answer = error
        time.sleep(0.5)
    log = log_path.read_text(errors="replace")[-4000:]
    raise RuntimeError(f"ray head was not ready (exit status {process.poll()}): {answer}\n{log}")
