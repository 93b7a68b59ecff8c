"""Asks the sweep of this pod to end, and waits: a pod's `preStop`, since Kubernetes tells only Ray that a pod ends.

An interrupted sweep gives back its lease, so that the next attempt begins at once.
"""

import argparse
import sys
import time
from pathlib import Path

import psutil

FOLDER = Path(__file__).resolve().parent
LOOK_EVERY_S = 0.2


def drivers() -> list[psutil.Process]:
    """The processes that run a job of this folder; not the shells that started them."""
    jobs = {str(path) for path in FOLDER.glob("*.py")} - {__file__, str(Path(__file__).resolve())}
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if len(words) > 1 and words[1] in jobs:
            found.append(process)
    return found


def has_ended(process: psutil.Process) -> bool:
    """Whether it is gone, or nobody has asked yet how it ended."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wait-s", type=float, default=90.0, help="then the pod ends all the same")
    wait_s = parser.parse_args(arguments).wait_s
    end = time.monotonic() + wait_s
    left = drivers()
    for process in left:
        print(f"ending process {process.pid}", flush=True)
        process.terminate()
    while left and time.monotonic() < end:
        time.sleep(LOOK_EVERY_S)
        left = [process for process in left if not has_ended(process)]
    for process in left:
        print(f"process {process.pid} has not ended in {wait_s:g} s", flush=True)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
