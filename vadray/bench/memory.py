"""What memory a long recording takes beside a short one: `vadray bench memory`.

The same minute of video once, and repeated for a day, each swept whole by the real command on a local Ray of its own, whose
processes and object store are looked at meanwhile. By one actor: a minute has no work for more, and each takes its memory.
"""

import multiprocessing
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from vadray.bench import specimens
from vadray.bench.run import bundle_for
from vadray.config import BenchOptions
from vadray.errors import VadrayError

HEIGHT, WIDTH = 64, 128
LOOK_EVERY_S = 1.0

Say = Callable[[str], None]


@dataclass
class Peaks:
    """Most MiB at any time.

    Args:
        process: Of memory that one process has for itself, by kind of process.
        all_processes: Of all processes at once.
        store: Of Ray's object store.
        spilled: What it has written to disk.
    """

    process: dict[str, float] = field(default_factory=dict)
    all_processes: float = 0.0
    store: float = 0.0
    spilled: float = 0.0


def bench_memory(options: BenchOptions, say: Say) -> dict[str, Any]:
    """Peaks of a minute and of `hours`, and their ratio."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="vadray-bench-") as temporary:
        folder = Path(temporary)
        bundle = bundle_for(str(folder / "bundle"), "stae", HEIGHT, WIDTH)
        for name, minutes in (("minute", 1), ("long", max(1, round(options.hours * 60)))):
            say(f"making and sweeping {minutes:,} minutes of video")
            archive = folder / name / "camera=1"
            archive.mkdir(parents=True)
            specimens.write_long_video(archive / "0.mp4", HEIGHT, WIDTH, minutes)
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
                found[name] = process.submit(
                    _swept, str(archive.parent), bundle, f"{folder}/report-{name}"
                ).result()
    minute, long = found["minute"], found["long"]
    return {
        "hours": options.hours,
        **found,
        "all_processes_ratio": round(long["all_processes_mib"] / minute["all_processes_mib"], 3),
        "largest_ratio": {
            kind: round(long["process_mib"][kind] / mib, 3)
            for kind, mib in minute["process_mib"].items()
            if kind in long["process_mib"]
        },
    }


def _swept(archive: str, bundle: str, report: str) -> dict[str, Any]:
    from vadray.cli import main
    from vadray.report.tables import latest_sweep, read_commit
    from vadray.sweep.cluster import connected

    with connected(), _watched() as peaks:
        begun = time.monotonic()
        status = main(["sweep", archive, f"bundle={bundle}", f"out={report}", "actors=1"])
        seconds = time.monotonic() - begun
    commit = read_commit(report, latest_sweep(report) or "")
    if status or commit is None:
        raise VadrayError(f"the sweep of {archive} ended with exit status {status}")
    return {
        "frames": commit["counts"]["frames"],
        "seconds": round(seconds, 1),
        "process_mib": {kind: round(mib) for kind, mib in sorted(peaks.process.items())},
        "all_processes_mib": round(peaks.all_processes),
        "store_mib": round(peaks.store),
        "spilled_mib": round(peaks.spilled),
    }


@contextmanager
def _watched() -> Iterator[Peaks]:
    """Looks at this process, its descendants and the Ray that is connected."""
    from ray import get_runtime_context
    from ray._private import internal_api

    peaks, over = Peaks(), threading.Event()
    state = internal_api.get_state_from_address(get_runtime_context().gcs_address)

    def look() -> None:
        while not over.wait(LOOK_EVERY_S):
            now: Counter[str] = Counter()
            for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
                try:
                    mib = process.memory_full_info().uss / 2**20
                    kind = _kind(process.cmdline())
                except psutil.Error:
                    continue  # it ended
                now["all"] += mib
                peaks.process[kind] = max(peaks.process.get(kind, 0.0), mib)
            peaks.all_processes = max(peaks.all_processes, now["all"])
            store = internal_api.get_memory_info_reply(state).store_stats
            peaks.store = max(peaks.store, store.object_store_bytes_used / 2**20)
            peaks.spilled = max(peaks.spilled, store.spilled_bytes_total / 2**20)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield peaks
    finally:
        over.set()
        looking.join()


def _kind(command: list[str]) -> str:
    """What a process is, from its command."""
    text = " ".join(command)
    if "vadray.media.child" in text:
        return "decoder"
    if text.startswith("ray::MapWorker"):
        return "actor"
    if text.startswith(("ray::_finalise_part", "ray::_look_at_cameras")):
        return "finalising"
    if "spawn_main" in text:
        return "driver"
    return "Ray"
