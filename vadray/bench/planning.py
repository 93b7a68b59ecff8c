"""How fast an archive of pictures is listed and planned, and the memory that takes."""

import multiprocessing
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from vadray import storage
from vadray.archive.listing import list_archive
from vadray.archive.routing import Route
from vadray.bench import specimens
from vadray.config import PlanOptions
from vadray.sweep import plan_store
from vadray.sweep.planning import plan_archive
from vadray.sweep.units import FrameShape

Say = Callable[[str], None]


def measured_planning(place: str, objects: int, unit_images: int, say: Say) -> dict[str, Any]:
    """Objects per second and memory of listing, and of listing and planning, `objects` empty pictures under `place`."""
    archive, folder = (storage.join(place, f"{name}-{objects}") for name in ("archive", "plan"))
    say(f"making {objects:,} empty pictures in {archive}")
    specimens.touch(archive, (f"camera={number % 1000:03}/{number:09}.jpg" for number in range(objects)))
    say("listing and planning them")
    # in a process of its own, whose memory has held nothing else
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(_list_and_plan, archive, folder, unit_images).result()


def _list_and_plan(archive: str, folder: str, unit_images: int) -> dict[str, Any]:
    begun = time.perf_counter()
    objects = sum(1 for _ in list_archive(archive))
    listed, listing_mib = time.perf_counter(), _peak_mib()
    options = PlanOptions(archive=archive, bundle="none", unit_images=unit_images)
    shapes, routes = [FrameShape(256, 256, 1, 1, 512)], [Route(0, "image", None, None)]
    rows = plan_archive(options, options, routes, shapes, ["digest"], [1])
    plan = plan_store.freeze(folder, "bench", rows, {})
    planned = time.perf_counter()
    return {
        "objects": objects,
        "units": plan.info["counts"]["units"],
        "listed_per_s": round(objects / (listed - begun)),
        "listed_and_planned_per_s": round(objects / (planned - listed)),
        "listing_mib": round(listing_mib),
        "planning_mib": round(_peak_mib()),
    }


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
