"""Several Ray nodes on this machine, for trying and for tests: a head without CPUs, and nodes that work.

    python cluster/local.py --nodes 2 --command 'python jobs/sweep.py /data/archive bundle=bundles/gate out=report'
    python cluster/local.py --nodes 2     # prints lines to eval in another terminal; Ctrl-C ends it

Nothing is left: no process and no folder, even where this process is killed. Token authentication is on. Ray listens
on every interface there is, so where the user may (root, or user namespaces), a command and its nodes have a network
of their own, with 127.0.0.1 alone. From there nothing can be reached either: `--network host` for an archive on S3.
"""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # started as a script

from cluster.nodes import RayHead, WorkerNode, end_tree, running_ray_head

# a process namespace too: whatever remains in it ends with its first process
UNSHARE = ("unshare", "--net", "--pid", "--fork", "--mount-proc", "--kill-child")
# the shell stays, to bury what its descendants leave behind; as the last command Python would take its place
WITH_LOOPBACK = 'ip link set lo up && "$@"; exit $?'
NOT_STARTED = 2


def main(arguments: list[str] | None = None) -> int:
    """Starts the nodes and returns the command's exit status, 0 where there is none."""
    options = parser().parse_args(arguments)
    if options.lifeline is not None:
        return run(options)
    private = may_have_own_network() if options.network == "auto" else options.network == "private"
    if private and options.network == "auto" and options.command is None:
        private = False  # other terminals shall reach it
    if private and not may_have_own_network():
        say("--network private: this user may not; it needs root or user namespaces, unshare and ip")
        return NOT_STARTED
    if private:
        say("a network of its own: nothing outside reaches it, and it reaches nothing outside")
    else:
        say("the host's network: Ray listens on every interface, and asks for the token")
    return supervise(options, [*own_network(), "sh", "-c", WITH_LOOPBACK, "sh"] if private else [])


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    made.add_argument("--nodes", type=positive, default=2, help="nodes that work (default 2)")
    made.add_argument("--cpus", type=positive, default=1, help="CPUs that each of them offers (default 1)")
    made.add_argument("--command", metavar="TEXT", help="shell command that is run, and ends the cluster")
    made.add_argument(
        "--network",
        choices=["auto", "private", "host"],
        default="auto",
        help="private: of its own; host: this machine's; auto: private where there is a command and the user may",
    )
    made.add_argument("--lifeline", type=int, help=argparse.SUPPRESS)
    return made


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, received {number}")
    return number


def own_network() -> list[str]:
    """The command that gives the command after it a network and processes of its own."""
    as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return [*UNSHARE, *as_root]


def entry(pid: int) -> list[str]:
    """The command that puts the command after it into that network."""
    as_root = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
    return ["nsenter", "--target", str(pid), "--net", *as_root]


def may_have_own_network() -> bool:
    if not shutil.which("unshare") or not shutil.which("ip"):
        return False
    tried = subprocess.run([*own_network(), "sh", "-c", "ip link set lo up"], capture_output=True)
    return tried.returncode == 0


def supervise(options: argparse.Namespace, prefix: list[str]) -> int:
    """Runs this script again as the one that holds the nodes, which stops them once this process is gone or is told to."""
    hold, lifeline = os.pipe()
    again = [sys.executable, str(Path(__file__).resolve()), "--lifeline", str(hold)]
    again += ["--nodes", str(options.nodes), "--cpus", str(options.cpus)]
    again += ["--command", options.command] if options.command is not None else []

    def let_go(number: int, frame: object) -> None:
        nonlocal lifeline
        if lifeline >= 0:
            os.close(lifeline)
            lifeline = -1

    before = {number: signal.signal(number, let_go) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        holder = subprocess.Popen([*prefix, *again], pass_fds=[hold])
        os.close(hold)
        if prefix and options.command is None:
            say(f"other terminals enter it with: {' '.join(entry(holder.pid))}")
        return holder.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(options: argparse.Namespace) -> int:
    """Holds the nodes: until the command has ended, or there is Ctrl-C or the end of the lifeline."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    threading.Thread(target=watch, args=[options.lifeline], daemon=True).start()
    try:
        with running_ray_head(cpus=0) as head, contextlib.ExitStack() as nodes:
            say("the head is there")
            for number in range(1, options.nodes + 1):
                nodes.enter_context(WorkerNode(head, options.cpus))
                say(f"node {number} of {options.nodes} is there")
            try:
                if options.command is not None:
                    return run_command(options.command, head)
                print("\n".join(exports(head)), flush=True)
                say(f"dashboard {head.dashboard}; Ctrl-C ends it")
                signal.pause()
            finally:
                ignore_signals()
    except KeyboardInterrupt:
        return 0 if options.command is None else 128 + signal.SIGINT
    return 0


def interrupt(number: int, frame: object) -> None:
    ignore_signals()
    raise KeyboardInterrupt


def ignore_signals() -> None:
    """Whoever is stopping would leave the rest behind at a second Ctrl-C."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def watch(lifeline: int) -> None:
    """Ends this process once nobody holds the other end of the pipe."""
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def run_command(command: str, head: RayHead) -> int:
    """Its exit status; as a shell's, 128 and the signal where one ended it."""
    process = psutil.Popen(["sh", "-c", command], env=head.environment | clients(head))
    try:
        status = process.wait()
    finally:
        end_tree(process)
    return status if status >= 0 else 128 - status


def clients(head: RayHead) -> dict[str, str]:
    """What drivers and the `ray` command need; `ray job` looks for an address of its own."""
    names = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH", "RAY_USAGE_STATS_ENABLED")
    addresses = {"RAY_ADDRESS": head.address, "RAY_API_SERVER_ADDRESS": head.dashboard}
    return addresses | {name: head.environment[name] for name in names}


def exports(head: RayHead) -> list[str]:
    return [f"export {name}={value}" for name, value in clients(head).items()]


def say(text: str) -> None:
    print(f"cluster/local.py: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
