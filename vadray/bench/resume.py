"""How soon a restarted sweep does useful work, and what its driver needs: `vadray bench resume`.

The plan and the names of the score files are made up; what is measured is the real command, from the start of its process
to the first new score file, once with many objects and once with a hundred.
"""

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import pyarrow as pa

from vadray import storage
from vadray.archive.objects import ArchiveObject
from vadray.archive.plan import BundlePlan, Probed, plan_units
from vadray.archive.routing import Route
from vadray.bench import specimens
from vadray.bench.run import bundle_for
from vadray.config import BenchOptions, SweepOptions
from vadray.errors import VadrayError
from vadray.sweep import plan_store, request, scores

FEW = 100
SWEEP_ID = "bench"
WATCHED = 8  # units among which the first score is looked for
PATIENCE_S = 900

Say = Callable[[str], None]


@dataclass(frozen=True)
class Start:
    """What a restart took.

    Args:
        seconds: From the start of the process to the first new score file.
        driver_mib: Most memory that its driver had, without the processes of Ray.
    """

    seconds: float
    driver_mib: float


def bench_resume(options: BenchOptions, say: Say) -> dict[str, Any]:
    """Restarts a sweep of many objects, and one of few, and tells how long each took to do something useful.

    Raises:
        VadrayError: The sweep ended before it scored anything, or did not score within fifteen minutes.
    """
    with tempfile.TemporaryDirectory(prefix="vadray-bench-") as temporary:
        place = storage.absolute(options.out or temporary)
        few = _restarted(storage.join(place, "few"), FEW, options, say)
        many = _restarted(storage.join(place, "many"), options.objects, options, say)
    return {
        "objects": options.objects,
        "done": options.done,
        "unit_images": options.unit_images,
        "seconds": round(many.seconds, 1),
        "driver_mib": round(many.driver_mib),
        "seconds_few": round(few.seconds, 1),
        "driver_mib_few": round(few.driver_mib),
        "seconds_over_few": round(many.seconds / few.seconds, 2),
    }


def _restarted(place: str, objects: int, options: BenchOptions, say: Say) -> Start:
    archive, report, bundle = (storage.join(place, name) for name in ("archive", "report", "bundle"))
    bundle_for(bundle, "conv_ae", 32, 32, filters=(4, 4), code_channels=2)
    left = max(1, round(objects * (1 - options.done)))
    say(f"making a plan of {objects:,} objects of which {left:,} are left, in {place}")
    asked = {"archive": archive, "out": report, "sweep_id": SWEEP_ID, "unit_images": options.unit_images}
    if not storage.is_s3(archive):
        Path(archive).mkdir(parents=True)  # which a sweep wants to find
    prepared = request.prepare(SweepOptions(bundle=bundle, **asked))
    done: list[str] = []

    def rows() -> Iterator[dict[str, Any]]:
        found = (Probed(one) for one in _objects(archive, objects, left))
        plan = [BundlePlan(prepared.scoring_digests[0], 1, 0)]
        routes = [Route(0, "image", None, None)]
        for row in plan_units(
            found, root=archive, routes=routes, bundles=plan, unit_images=options.unit_images
        ):
            if not row["members"][0]["etag"]:
                done.append(row["unit_id"])
            yield row

    plan = plan_store.freeze(prepared.folder, "bench", rows(), prepared.settings)
    names = (scores.file_name(unit_id, 0, True) for unit_id in done)
    # without content: a restart reads their names alone
    specimens.touch(storage.join(prepared.folder, "scores"), names)
    # the plan is in parts: the first to be scored are not the first that were planned
    todo = plan.todo(pa.table({"unit_id": pa.array(done, pa.string())}))["unit_id"]
    say(f"restarting: {len(done):,} units are scored, {len(todo):,} are left")
    first = todo.slice(0, WATCHED).to_pylist()
    return _first_score(
        [f"{key}={value}" for key, value in {**asked, "bundle": bundle}.items()], prepared.folder, first
    )


def _objects(archive: str, count: int, left: int) -> Iterator[ArchiveObject]:
    """Pictures of which the last `left` are there; the others have been scored and are not looked at again."""
    now = datetime.now(UTC)
    for number in range(count - left):
        yield ArchiveObject(_name(archive, number), "image", 1, "", now)
    picture = cv2.imencode(".png", np.full((32, 32), 128, np.uint8))[1].tobytes()
    names = [_name(archive, number) for number in range(count - left, count)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: storage.write_bytes(name, picture), names))
    for entry in storage.list_objects(archive):
        yield ArchiveObject(entry.uri, "image", entry.size, entry.etag, entry.modified)


def _name(archive: str, number: int) -> str:
    return storage.join(archive, f"camera={number % 1000:03}", f"{number:09}.png")


def _first_score(arguments: list[str], folder: str, first: list[str]) -> Start:
    awaited = [storage.join(folder, "scores", scores.file_name(unit, 0, True)) for unit in first]
    with tempfile.TemporaryFile() as log:
        begun = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "vadray.cli", "sweep", *arguments], stdout=log, stderr=log
        )
        driver_process, peak = psutil.Process(process.pid), 0.0
        while not any(storage.exists(uri) for uri in awaited):
            if process.poll() is not None or time.monotonic() - begun > PATIENCE_S:
                process.kill()
                log.seek(0)
                raise VadrayError(
                    f"the restarted sweep scored nothing: {log.read()[-4000:].decode(errors='replace')}"
                )
            peak = max(peak, driver_process.memory_info().rss)
            time.sleep(0.05)
        seconds = time.monotonic() - begun
        process.send_signal(signal.SIGTERM)
        process.wait()
    return Start(seconds, peak / 2**20)
