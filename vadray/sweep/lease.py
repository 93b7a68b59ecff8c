"""Who drives a sweep: a lease in the report that is renewed, and taken over once its holder is silent or gone.

The lease keeps two drivers from doing the same work. What they write is safe without it: score files, manifest,
tables and `commit.json` are create-only, so a driver that wakes up after it was taken for dead changes nothing.
"""

import contextlib
import json
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from vadray import storage
from vadray.errors import HeldElsewhere, RequestError, VadrayError

LEASE = "lease.json"
SIGNAL = signal.SIGUSR1  # to the main thread when the lease is lost
RENEWALS = 3  # in the time of a lease, so that one or two may fail
LOOKS = 10  # of a waiting driver, in the time of a lease

Say = Callable[[str], None]


@dataclass(frozen=True)
class Holder:
    """A driver's process, so that another on the same host can tell whether it is still there.

    Args:
        attempt: Name of the attempt.
        host: Its host's name, for people.
        kernel: This boot of this kernel and this process namespace: within it, process numbers are comparable.
        pid: Number of the process.
        started: When the process began, seconds since the epoch: numbers are used again.
    """

    attempt: str
    host: str
    kernel: str
    pid: int
    started: float

    @classmethod
    def me(cls, attempt: str) -> "Holder":
        pid = os.getpid()
        return cls(attempt, socket.gethostname(), _kernel(), pid, psutil.Process(pid).create_time())

    def is_gone(self) -> bool:
        """Whether it is known to be gone; False where it cannot be known."""
        if not self.kernel or self.kernel != _kernel():
            return False
        try:
            process = psutil.Process(self.pid)
            return process.create_time() != self.started or process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} (attempt {self.attempt})"


class Lease:
    """A lease that this process holds. See `held`."""

    def __init__(self, uri: str, holder: Holder, lease_s: float):
        self._uri, self._holder, self._lease_s = uri, holder, lease_s
        self._renewals = 0
        self._content = self._next()
        self._renewed = time.monotonic()
        self._lost: str | None = None
        self._released = threading.Event()
        self._renewing = threading.Thread(target=self._renew, name="vadray-lease", daemon=True)

    def check(self) -> None:
        """Tells whether it is still held; for before anything is written that others would see.

        Raises:
            HeldElsewhere: It is lost, or was not renewed for so long that another may have it.
        """
        silent = time.monotonic() - self._renewed
        if self._lost is None and silent > self._lease_s:
            self._lost = f"it was not renewed for {silent:.0f} s"
        if self._lost is not None:
            raise HeldElsewhere(
                f"{self._uri}: the lease of {self._lease_s:g} s is lost: {self._lost}; what is committed stands, and "
                "the same command goes on from here"
            )

    def take(self, wait: bool, say: Say) -> None:
        """Takes the lease, after waiting for another's end or silence.

        Raises:
            HeldElsewhere: Another driver holds it, and `wait` is False.
        """
        told = ""
        while not storage.create_bytes(self._uri, self._begun()):
            try:
                standing = storage.read_bytes(self._uri)
                age = storage.age_s(self._uri)
            except FileNotFoundError:
                continue
            holder, its_lease_s = _parsed(standing, self._lease_s)
            if holder is None or holder.is_gone() or age > its_lease_s:
                if storage.swap_bytes(self._uri, standing, self._begun()):
                    if holder is not None:
                        say(f"taking over from {holder}, last heard of {max(age, 0):.0f} s ago")
                    break
                continue
            if not wait:
                raise HeldElsewhere(
                    f"{self._uri}: {holder} holds this sweep, heard of {max(age, 0):.0f} s ago; without "
                    "--no-wait this command waits for its end"
                )
            if told != str(holder):
                told = str(holder)
                say(f"waiting: {holder} holds this sweep")
            time.sleep(min(self._lease_s, its_lease_s) / LOOKS)
        self._renewing.start()

    def release(self) -> None:
        """Lets the next driver begin at once. A lease that is lost stays its new holder's."""
        self._released.set()
        self._renewing.join()
        if self._lost is None:
            # what remains of it runs out by itself where the store cannot be reached
            with contextlib.suppress(Exception):
                storage.swap_bytes(self._uri, self._content, self._next(holder=None))

    def _begun(self) -> bytes:
        self._renewed = time.monotonic()  # before the store's clock: it must run out here first
        return self._content

    def _next(self, **more: Any) -> bytes:
        self._renewals += 1
        content = {"holder": asdict(self._holder), "lease_s": self._lease_s, "renewals": self._renewals}
        return json.dumps({**content, "nonce": uuid.uuid4().hex, **more}, indent=1).encode()

    def _renew(self) -> None:
        """Runs beside the driver, which it interrupts when the lease is lost."""
        while not self._released.wait(self._lease_s / RENEWALS):
            begun, content = time.monotonic(), self._next()
            try:
                if storage.swap_bytes(self._uri, self._content, content):
                    self._content, self._renewed = content, begun
                    continue
                standing = storage.read_bytes(self._uri)
                if _parsed(standing, self._lease_s)[0] == self._holder:
                    self._content = standing  # written by a renewal whose answer was lost on the way
                    continue
                self._lost = "another driver took it"
            except Exception as error:  # the store may answer next time; until then the time runs
                if time.monotonic() - self._renewed < self._lease_s:
                    continue
                self._lost = f"it could not be renewed ({error})"
            signal.pthread_kill(threading.main_thread().ident or 0, SIGNAL)
            return


@contextlib.contextmanager
def held(folder: str, attempt: str, lease_s: float, wait: bool, say: Say) -> Iterator[Lease]:
    """Holds the lease of a sweep; call it from the main thread, which is interrupted when it is lost.

    Args:
        folder: `REPORT/_sweeps/<sweep_id>`.
        attempt: Name of the attempt.
        lease_s: Seconds of silence after which another driver takes over.
        wait: Wait for another driver's end.
        say: Tells a person.

    Raises:
        HeldElsewhere: Another driver holds it and `wait` is False; or it was lost on the way.
    """
    lease = Lease(storage.join(folder, LEASE), Holder.me(attempt), lease_s)
    before = signal.signal(SIGNAL, lambda number, frame: lease.check())
    try:
        lease.take(wait, say)
        try:
            yield lease
        finally:
            lease.release()
    finally:
        signal.signal(SIGNAL, before)


def require_conditions(folder: str) -> None:
    """Refuses a store that ignores the conditions of writes: it cannot keep two drivers apart.

    Raises:
        RequestError: A condition was ignored, or the store does not know it.
    """
    uri = storage.join(folder, f"probe-{uuid.uuid4().hex}")
    try:
        honoured = (
            storage.create_bytes(uri, b"1")
            and not storage.create_bytes(uri, b"2")
            and storage.swap_bytes(uri, b"1", b"3")
            and not storage.swap_bytes(uri, b"1", b"4")
            and storage.read_bytes(uri) == b"3"
        )
        reason = "it wrote where the condition did not hold"
    except VadrayError:
        raise
    except Exception as error:
        honoured, reason = False, str(error)
    finally:
        storage.delete(uri)
    if not honoured:
        raise RequestError(
            f"out: expected a store that keeps the conditions of writes, which keep two drivers of one sweep apart; "
            f"in {folder} {reason}. If only one driver can ever run, say single_driver=true"
        )


@dataclass(frozen=True)
class Standing:
    """A lease as it lies in storage: `holder`, `age_s` seconds since it was renewed, `lease_s` as its holder has it."""

    holder: Holder
    age_s: float
    lease_s: float

    def is_stale(self) -> bool:
        """Whether the next driver would take it over."""
        return self.holder.is_gone() or self.age_s > self.lease_s


def standing(folder: str) -> Standing | None:
    """The lease of a sweep; None where nobody holds it.

    Args:
        folder: `REPORT/_sweeps/<sweep_id>`.
    """
    uri = storage.join(folder, LEASE)
    try:
        holder, lease_s = _parsed(storage.read_bytes(uri), 0.0)
        return Standing(holder, storage.age_s(uri), lease_s) if holder else None
    except FileNotFoundError:
        return None


def _parsed(content: bytes, default_s: float) -> tuple[Holder | None, float]:
    """Holder and time of a lease; None where it was released or is no lease."""
    try:
        found = json.loads(content)
        return Holder(**found["holder"]) if found["holder"] else None, float(found["lease_s"])
    except (ValueError, KeyError, TypeError):
        return None, default_s


def _kernel() -> str:
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""
