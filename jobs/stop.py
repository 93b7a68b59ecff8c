"""Asks the sweep of this pod to end, and waits: a pod's `preStop`, since Kubernetes tells only Ray that a pod ends.

An interrupted sweep gives back its lease, so that the next attempt begins at once.
"""

import argparse
import sys

import psutil

JOBS = ("sweep.py", "train.py", "tune.py", "evaluate.py", "paper.py")


def drivers() -> list[psutil.Process]:
    """The processes of this pod that run a job of this folder; not the shells that started them."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if len(words) > 1 and "python" in words[0] and any(words[1].endswith(f"jobs/{job}") for job in JOBS):
            found.append(process)
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wait-s", type=float, default=90.0, help="then the pod ends all the same")
    wait_s = parser.parse_args(arguments).wait_s
    ending = drivers()
    for process in ending:
        print(f"ending process {process.pid}: {' '.join(process.cmdline())}", flush=True)
        process.terminate()
    _, left = psutil.wait_procs(ending, timeout=wait_s)
    for process in left:
        print(f"process {process.pid} has not ended in {wait_s:g} s", flush=True)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
