"""The decoder process behind `vadray.media.isolation`; not meant to be started by hand."""

import gc
import mmap
import os
import pickle
import queue
import signal
import sys
import threading
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from vadray.errors import UnreadableMedia
from vadray.media.isolation import SLOTS
from vadray.media.request import DecodedChunk

# what a library raises where a file is not what it expects (PyAV an IndexError, for a stream that is not in the header);
# errors of storage are none of these
UNEXPECTED = (ArithmeticError, LookupError, TypeError, ValueError)


@dataclass
class Task:
    """One request being served."""

    command: str
    argument: Any
    slot_bytes: int
    memory_size: int
    free_slots: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(SLOTS))
    cancelled: threading.Event = field(default_factory=threading.Event)


class Server:
    """Serves requests one after the other until the parent is gone.

    Args:
        connection: To the parent.
        memory_fd: The shared memory that frames are put into.
        memory_bytes: Address space allowed for decoding; 0 for no limit.
    """

    def __init__(self, connection: Connection, memory_fd: int, memory_bytes: int):
        self._connection = connection
        self._memory_fd = memory_fd
        self._memory_bytes = memory_bytes
        self._base_bytes = _address_space_bytes()
        self._map: mmap.mmap | None = None
        self._tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self._current: Task | None = None

    def run(self) -> None:
        """Never returns: the process ends when the connection does."""
        threading.Thread(target=self._listen, daemon=True).start()
        self._connection.send(("ready", None))
        while True:
            task = self._tasks.get()
            try:
                self._map_memory(task)
                self._serve(task)
                answer: tuple[str, Any] = ("done", None)
            except MemoryError as error:
                answer = ("memory", str(error) or "decoding needs more memory than is allowed")
            except UNEXPECTED as error:
                source = task.argument[0] if task.command == "probe" else task.argument.sources[0]
                reason = f"{source.uri}: {type(error).__name__}: {error}"
                answer = ("error", UnreadableMedia("DecoderFailed", reason))
            except Exception as error:
                answer = ("error", _portable(error))
            gc.collect()  # containers refer to themselves: free their memory before the next file needs it
            self._connection.send(answer)

    def _listen(self) -> None:
        try:
            while True:
                message = self._connection.recv()
                if message[0] == "free":
                    self._must_current().free_slots.release()
                elif message[0] == "cancel":
                    self._must_current().cancelled.set()
                    self._must_current().free_slots.release()
                else:
                    self._current = Task(*message)
                    self._tasks.put(self._current)
        finally:
            os._exit(0)  # the parent is gone, and a decoder may hang in C: leave without asking it

    def _must_current(self) -> Task:
        assert self._current is not None
        return self._current

    def _map_memory(self, task: Task) -> None:
        if task.memory_size and (self._map is None or len(self._map) != task.memory_size):
            self._map = mmap.mmap(self._memory_fd, task.memory_size)
        if self._memory_bytes and sys.platform == "linux":
            import resource

            limit = self._base_bytes + task.memory_size + self._memory_bytes
            resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))

    def _serve(self, task: Task) -> None:
        if task.command == "probe":
            from vadray.media.probe import probe

            source, scan_frames, exact = task.argument
            found = probe(source, scan_frames, exact, lambda: self._connection.send(("alive", None)))
            self._connection.send(("probe", found))
            return
        from vadray.media.decode import decode

        for number, chunk in enumerate(decode(task.argument)):
            task.free_slots.acquire()
            if task.cancelled.is_set():
                return
            self._send_chunk(chunk, number % SLOTS, task)

    def _send_chunk(self, chunk: DecodedChunk, slot: int, task: Task) -> None:
        if self._map is None:
            raise RuntimeError("Frames were decoded before shared memory was made")
        place = np.frombuffer(self._map, np.uint8, chunk.frames.size, offset=slot * task.slot_bytes)
        place.reshape(chunk.frames.shape)[...] = chunk.frames
        empty = np.empty(0, np.uint8)
        self._connection.send(("chunk", (slot, chunk.frames.shape, replace(chunk, frames=empty))))


def _portable(error: Exception) -> Exception:
    """The error itself if it survives the way to the parent, else one that says the same."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _address_space_bytes() -> int:
    if sys.platform != "linux":
        return 0
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * mmap.PAGESIZE


def main(arguments: list[str]) -> None:
    """Serves on the inherited descriptors named in `arguments`."""
    # A signal to the whole group is for the parent to answer; were the child to die of it first, the file
    # in hand would be blamed.
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    connection_fd, memory_fd, memory_bytes = map(int, arguments)

    import cv2

    import vadray.media.images
    import vadray.media.probe
    import vadray.media.video  # noqa: F401  (imported before the first file's clock runs)

    cv2.setNumThreads(1)
    Server(Connection(connection_fd), memory_fd, memory_bytes).run()


if __name__ == "__main__":
    main(sys.argv[1:])
