"""Watches that scoring goes on.

A node that dies takes actors along that may fit nowhere else, and Ray Data waits for them without a word (Ray 2.60:
their tasks are theirs until they are placed again). Here it is said, and scoring is ended, to go on with fewer.
"""

import signal
import threading
import time
from collections.abc import Callable
from types import TracebackType

import ray

from vadray.config import ClusterOptions
from vadray.errors import ClusterShrunk, Stalled, VadrayError
from vadray.sweep.cluster import Pools, fit

SIGNAL = signal.SIGUSR2  # to the main thread, to end the wait
LOOK_EVERY_S = 5.0
PATIENCE_S = 30.0  # without a result, before what is missing counts
REPLACED_WITHIN_S = 300.0  # the same where the cluster brings another machine for a lost one
SAY_EVERY_S = 60.0

Say = Callable[[str], None]


class Watch:
    """A context of the main thread, which is interrupted when scoring cannot go on.

    Args:
        size: The actors that work.
        options: `stall_s` and `on_loss` are kept.
        say: Tells a person.

    Raises:
        ClusterShrunk: The actors no longer fit the cluster, some do, and `on_loss` is "shrink".
        Stalled: They do not fit and `on_loss` is "stop"; or no result came for `stall_s`.
    """

    def __init__(self, size: Pools, options: ClusterOptions, say: Say):
        self._size, self._options, self._say = size, options, say
        self._cpus = self._cpus_then = ray.cluster_resources().get(
            "CPU", 0.0
        )  # the most there were, and last
        self._patience_s = REPLACED_WITHIN_S if size.grow else PATIENCE_S
        self._heard = self._said = time.monotonic()
        self._results = False
        self._verdict: VadrayError | None = None
        self._over = threading.Event()
        self._looking = threading.Thread(target=self._run, name="vadray-watch", daemon=True)

    def __enter__(self) -> "Watch":
        self._before = signal.signal(SIGNAL, self._interrupt)
        self._looking.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._looking.join()
        signal.signal(SIGNAL, self._before)

    def heard(self) -> None:
        """Tells that a result has come."""
        self._results = True
        self._heard = time.monotonic()

    def _interrupt(self, number: int, frame: object) -> None:
        if self._verdict is not None and not self._over.is_set():
            raise self._verdict

    def _run(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            self._verdict = self._look()
            if self._verdict is not None:
                signal.pthread_kill(threading.main_thread().ident or 0, SIGNAL)
                return

    def _tell_of_loss(self) -> None:
        """Says that CPUs are gone, though results may still come."""
        then, self._cpus_then = self._cpus_then, ray.cluster_resources().get("CPU", 0.0)
        self._cpus = max(self._cpus, self._cpus_then)
        if self._cpus_then < then:
            self._say(f"the cluster had {then:g} CPUs and has {self._cpus_then:g}")

    def _look(self) -> VadrayError | None:
        self._tell_of_loss()
        now = time.monotonic()
        quiet = now - self._heard
        if quiet < PATIENCE_S:
            return None
        missing = self._missing() if quiet >= self._patience_s else ""
        if missing and self._options.on_loss == "stop":
            return Stalled(f"{missing}; the same command goes on from here")
        left = fit(self._size)
        if missing and self._options.on_loss == "shrink" and left is not None:
            return ClusterShrunk(missing, left.decode, left.gpus)
        said = missing or (self._wanted() if self._results else f"the actors are starting: {self._size}")
        if quiet > self._options.stall_s:
            return Stalled(
                f"no result for {quiet:.0f} s (stall_s); {said}; the same command goes on from here"
            )
        if now - self._said >= SAY_EVERY_S or (missing and self._said <= self._heard):
            self._said = now
            self._say(f"no result for {quiet:.0f} s: {said}")
        return None

    def _missing(self) -> str:
        """What the cluster no longer holds, or nothing."""
        there = ray.cluster_resources().get("CPU", 0.0)
        if there >= self._cpus if self._size.grow else fit(self._size) == self._size:
            return ""
        return f"{self._wanted()}, and the cluster had {self._cpus:g} CPUs and has {there:g}"

    def _wanted(self) -> str:
        free = ray.available_resources().get("CPU", 0.0)
        return f"scoring wants {self._size}; {free:g} CPUs are free"
