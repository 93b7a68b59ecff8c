"""Runs a command once the cluster has grown to the size it wants, and lets the cluster shrink after it.

    python cluster/with_nodes.py --cpus 32 --gpus 2 -- python jobs/sweep.py --config jobs/configs/sweep.yaml …

A training takes the cluster as it finds it and does not wait for more, and so does a sweep without `max_actors`: a
cluster that starts without machines would be refused. The autoscaler holds what is asked for here, and replaces what is
lost, until the command has ended; then idle machines go after `idle_timeout_minutes`. One at a time: the last one asked
counts. Where this process was killed before it could take that back, `--cpus 0 --gpus 0 -- true` does.

The exit status is the command's, or 5 where the machines did not come: the same command goes on from there.
"""

import argparse
import logging
import signal
import subprocess
import sys
import time

NOT_THERE = 5
_LOOK_EVERY_S = 5


def main(arguments: list[str] | None = None) -> int:
    import ray
    from ray.autoscaler.sdk import request_resources

    options = parser().parse_args(arguments)
    wanted = {"CPU": options.cpus, "GPU": options.gpus}
    ray.init(logging_level=logging.WARNING, log_to_driver=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, interrupt)  # after ray.init, which sets its own
    command: subprocess.Popen | None = None
    try:
        request_resources(num_cpus=options.cpus, bundles=[{"GPU": 1}] * options.gpus)
        if not await_nodes(wanted, ray.cluster_resources, options.wait_s):
            return NOT_THERE
        say(f"the cluster has {options.cpus} CPUs and {options.gpus} GPUs or more")
        command = subprocess.Popen(options.command)
        return command.wait()
    except KeyboardInterrupt:
        # `ray job stop` has told the command too. It kills both after a while, so what is held is let go at once
        request_resources(num_cpus=0)
        return NOT_THERE if command is None else command.wait()
    finally:
        request_resources(num_cpus=0)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    made.add_argument("--cpus", type=int, required=True, help="CPUs, over all machines")
    made.add_argument("--gpus", type=int, default=0, help="GPUs, over all machines (default 0)")
    made.add_argument("--wait-s", type=float, default=1800, help="longest wait for them (default 1800)")
    made.add_argument("command", nargs="+", metavar="COMMAND", help="after --")
    return made


def await_nodes(wanted: dict[str, int], there, wait_s: float) -> bool:
    """Whether the cluster has what is wanted before the time is over.

    Args:
        wanted: How much of which resource.
        there: Returns how much of each the cluster has now.
        wait_s: The longest wait.
    """
    deadline = time.monotonic() + wait_s
    said = None
    while lacking := missing(wanted, there()):
        if time.monotonic() > deadline:
            say(f"{lacking} did not come within {wait_s:g} s; asking for it no longer")
            return False
        if said != lacking:
            say(f"waiting for {lacking}")
            said = lacking
        time.sleep(min(_LOOK_EVERY_S, wait_s))
    return True


def missing(wanted: dict[str, int], there: dict[str, float]) -> str:
    """What lacks, in words; empty where nothing does."""
    lacking = {name: count - there.get(name, 0) for name, count in wanted.items()}
    return " and ".join(
        f"{count:g} of {wanted[name]} {name}s" for name, count in lacking.items() if count > 0
    )


def interrupt(number: int, frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def say(text: str) -> None:
    print(f"cluster/with_nodes.py: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
