"""A night on a Ray that is told of GPUs: run by test_gpus.py in a process of its own."""

import sys

import ray

from vadray.cli import main


def run(words: list[str]) -> None:
    """One command per group of words between "--"."""
    # Ray hands out what it is told of; TensorFlow looks for itself, and computes on the CPU where it finds none
    ray.init("local", num_cpus=3, num_gpus=1, include_dashboard=True, log_to_driver=False)
    for command in " ".join(words).split(" -- "):
        status = main(command.split())
        if status:
            raise SystemExit(f"{command}: exit status {status}")


if __name__ == "__main__":
    run(sys.argv[1:])
