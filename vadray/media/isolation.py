"""Decoding in a child process: a file that crashes, hangs or swells its decoder takes only the child along.

The child is a plain `python -m vadray.media.child`, not a `multiprocessing.Process`: that would run the
parent's `__main__` again, which inside a Ray worker is Ray's own. Messages are pickled over a socket pair
between these two processes; frames go through anonymous shared memory, which vanishes with its last user.
"""

import mmap
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import Connection, Pipe
from typing import IO, Any

import numpy as np

from vadray.errors import UnreadableMedia
from vadray.media.request import DecodedChunk, DecodeRequest, Probe, Source

# One chunk in the consumer's hands or waiting for it, one being waited for; the child decodes a third.
SLOTS = 2
START_TIMEOUT_S = 120.0
# no file is to blame where a child is killed before it has seen one, as by a host that runs out of memory: as storage, it
# is tried for about a minute
STARTING_S = 60.0
START_PAUSE_S = 0.5
CANCEL_TIMEOUT_S = 5.0
STDERR_TAIL_BYTES = 300


class IsolatedDecoder:
    """A long-lived decoder process, replaced when it dies.

    Not thread-safe: one request at a time. The child starts with the first request and ends with the parent,
    however the parent ends.

    Args:
        memory_bytes: Address space that the child may use for decoding, beyond what its interpreter and
            libraries take; None for no limit (Linux only). 512 MiB does for 1080p.
        timeout_s: Most seconds to wait for any one chunk, or for a probe.

    Example:
        with IsolatedDecoder(memory_bytes=1 << 30, timeout_s=60) as decoder:
            for chunk in decoder.decode(request):
                ...
    """

    def __init__(self, memory_bytes: int | None = None, timeout_s: float = 60.0):
        self._memory_bytes = memory_bytes
        self._timeout_s = timeout_s
        self._child: _Child | None = None
        self._busy = False

    def __enter__(self) -> "IsolatedDecoder":
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Process id of the child, or None while there is none."""
        return None if self._child is None else self._child.process.pid

    def close(self) -> None:
        """Ends the child."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def decode(self, request: DecodeRequest, *, copy: bool = True) -> Iterator[DecodedChunk]:
        """Decodes one unit in the child; chunks as from `vadray.media.decode.decode`.

        Args:
            request: The unit to decode.
            copy: False hands out frames in shared memory, which are overwritten once the next chunk is
                asked for.

        Yields:
            Chunks; up to two more are decoded while one is being worked on.

        Raises:
            UnreadableMedia: `"DecoderCrashed"`, `"DecoderTimeout"` or `"DecoderMemory"`: the next request
                meets a new child. `"DecoderFailed"`: a library raised what it does not document.
            OSError: Storage failed, as in `decode`.
        """
        name = request.sources[0].uri
        for kind, payload in self._ask("decode", request, _slot_bytes(request), name):
            if kind == "chunk":
                slot, shape, chunk = payload
                frames = self._must_child().frames(slot, shape, _slot_bytes(request))
                yield replace(chunk, frames=frames.copy() if copy else frames)

    def probe(self, source: Source, scan_frames: int | None = None, exact: bool = False) -> Probe:
        """Probes a source in the child; arguments, result and errors as of `vadray.media.probe.probe` and `decode`."""
        result = None
        # while it reads a file through, it says from time to time that it is alive
        for kind, payload in self._ask("probe", (source, scan_frames, exact), 0, source.uri):
            if kind == "probe":
                result = payload
        assert isinstance(result, Probe)
        return result

    def _must_child(self) -> "_Child":
        assert self._child is not None
        return self._child

    def _ask(self, command: str, argument: Any, slot_bytes: int, name: str) -> Iterator[tuple[str, Any]]:
        if self._busy:
            raise RuntimeError(
                "An IsolatedDecoder serves one request at a time: finish or close the other first"
            )
        self._busy = True
        finished = False
        try:
            child = self._ready_child()
            child.grow(SLOTS * slot_bytes)
            self._send(child, (command, argument, slot_bytes, child.size), name)
            while True:
                kind, payload = self._receive(child, name)
                if kind == "done":
                    finished = True
                    return
                if kind == "memory":
                    raise UnreadableMedia("DecoderMemory", f"{name}: {payload}")
                if kind == "error":
                    finished = True
                    raise payload
                yield kind, payload
                if kind == "chunk":
                    self._send(child, ("free",), name)
        finally:
            self._busy = False
            if not finished:
                self._abandon()

    def _ready_child(self) -> "_Child":
        if self._child is not None and self._child.process.poll() is not None:
            self.close()  # it died between requests: nobody's file is to blame
        if self._child is None:
            self._child = _started(self._memory_bytes)
        self._child.forget_stderr()
        return self._child

    def _send(self, child: "_Child", message: tuple, name: str) -> None:
        try:
            child.connection.send(message)
        except OSError as error:
            raise UnreadableMedia("DecoderCrashed", f"{name}: {child.last_words()}") from error

    def _receive(self, child: "_Child", name: str) -> tuple[str, Any]:
        try:
            if not child.connection.poll(self._timeout_s):
                raise UnreadableMedia(
                    "DecoderTimeout", f"{name}: nothing came from the decoder in {self._timeout_s:g} s"
                )
            return child.connection.recv()
        except (EOFError, ConnectionError) as error:
            raise UnreadableMedia("DecoderCrashed", f"{name}: {child.last_words()}") from error

    def _abandon(self) -> None:
        """After a failure, or when the consumer stops early: leaves a child that is idle, or none."""
        child = self._child
        if child is None:
            return
        deadline_s = time.monotonic() + CANCEL_TIMEOUT_S
        try:
            if sys.exc_info()[0] is GeneratorExit:
                child.connection.send(("cancel",))
                while child.connection.poll(max(0.0, deadline_s - time.monotonic())):
                    if child.connection.recv()[0] in ("done", "error"):
                        return
        except (EOFError, OSError):
            pass  # it is gone: replaced below
        self.close()


def _started(memory_bytes: int | None) -> "_Child":
    """A child that is ready.

    Raises:
        RuntimeError: It was not, by its own doing, or was killed again and again.
    """
    begun = time.monotonic()
    while True:
        try:
            return _Child(memory_bytes)
        except _KilledWhileStarting:
            if time.monotonic() - begun > STARTING_S:
                raise
            time.sleep(START_PAUSE_S)


class _KilledWhileStarting(RuntimeError):
    """A signal has ended the child before it was ready."""


class _Child:
    """The process, its connection and its shared memory."""

    def __init__(self, memory_bytes: int | None):
        self.size = 0
        self._memory_fd = _anonymous_file()
        self._map: mmap.mmap | None = None
        self._stderr: IO[bytes] = tempfile.TemporaryFile("a+b", buffering=0)  # noqa: SIM115
        self.connection, theirs = Pipe()
        command = [sys.executable, "-m", "vadray.media.child", str(theirs.fileno()), str(self._memory_fd)]
        self.process = subprocess.Popen(
            [*command, str(memory_bytes or 0)],
            pass_fds=(theirs.fileno(), self._memory_fd),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._stderr,
            env=_child_environment(),
        )
        theirs.close()  # or the end of the child would not be noticed
        self._await_start(self.connection)

    def _await_start(self, connection: Connection) -> None:
        try:
            if connection.poll(START_TIMEOUT_S):
                connection.recv()
                return
            reason = f"not ready after {START_TIMEOUT_S:g} s"
        except (EOFError, ConnectionError):
            reason = self.last_words()
        by_signal = (self.process.poll() or 0) < 0
        self.kill()
        kind = _KilledWhileStarting if by_signal else RuntimeError
        raise kind(f"The decoder process cannot be started: {reason}")

    def grow(self, size: int) -> None:
        """Makes room for `size` bytes of frames."""
        if size > self.size:
            os.ftruncate(self._memory_fd, size)
            self.size = size
            self._map = mmap.mmap(self._memory_fd, size)

    def frames(self, slot: int, shape: tuple[int, ...], slot_bytes: int) -> np.ndarray:
        """The frames that lie in a slot, without a copy."""
        if self._map is None:
            raise RuntimeError("Frames were received before shared memory was made")
        count = int(np.prod(shape))
        return np.frombuffer(self._map, np.uint8, count, offset=slot * slot_bytes).reshape(shape)

    def forget_stderr(self) -> None:
        """Drops what earlier files made the decoders say, so that it cannot fill the disk."""
        os.ftruncate(self._stderr.fileno(), 0)

    def last_words(self) -> str:
        """How the process ended, and the end of what it printed."""
        try:
            code = self.process.wait(CANCEL_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return "the decoder process closed its connection"
        end = f"status {code}" if code >= 0 else signal.Signals(-code).name
        size = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, size - STDERR_TAIL_BYTES))
        said = self._stderr.read().decode("utf-8", "replace").strip()
        return f"the decoder process ended with {end}" + (f": {said}" if said else "")

    def kill(self) -> None:
        """Ends the process and releases what belongs to it."""
        self.process.kill()
        self.process.wait()
        self.connection.close()
        self._stderr.close()
        os.close(self._memory_fd)
        self._map = None  # unmapped once no frames refer to it


def _slot_bytes(request: DecodeRequest) -> int:
    frames = request.lead_frames + request.chunk_frames
    if request.sources[0].kind == "image":
        frames = len(request.sources)
    size = frames * request.height * request.width * request.input_channels
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("vadray-frames")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _child_environment() -> dict[str, str]:
    environment = dict(os.environ)
    # The parent may have found its packages in ways of its own, such as a job's working directory.
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    # Threads would compete with the other decoders, and each reserves address space.
    environment.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MALLOC_ARENA_MAX="2")
    return environment
