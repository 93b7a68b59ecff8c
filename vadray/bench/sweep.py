"""The whole of a sweep's scoring on Ray against what the same cores can do, and against what is usually written: `vadray bench sweep`.

ours     decoding and scoring by `score_units` on a local Ray, scores written: in its steady state, and from the start of its actors
ideal    as many plain processes as Ray has CPUs, warm, each decoding and scoring unit after unit; nothing isolated, nothing written
plain    one process: OpenCV reads, overlapping windows go through `keras.Model.predict`

By turns, medians of the rounds.
"""

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from vadray.bench import plain
from vadray.bench.rounds import median_ratio
from vadray.bench.run import Run, picture_archive, scored, units_of, video_archive
from vadray.bundle import open_bundle
from vadray.config import BenchOptions, SweepOptions
from vadray.media.decode import decode
from vadray.sweep.cluster import connected, pools
from vadray.sweep.request import Prepared
from vadray.sweep.scorer import Scorer, configure_device, timed_score
from vadray.sweep.units import FrameShape, decode_request

VIDEOS, UNIT_FRAMES, VIDEO_SIZE = 80, 250, (128, 192)
PICTURES, UNIT_IMAGES, PICTURE_SIDE = 20_000, 64, 128
PLAIN_VIDEOS, PLAIN_PICTURES = 2, 400  # it is slow, and its rate does not depend on how many

Say = Callable[[str], None]


@dataclass(frozen=True)
class Case:
    """A kind of media: the options of a sweep over it, its plan, and what the plain loop does with it."""

    options: SweepOptions
    prepared: Prepared
    units: pa.Table
    plain: Callable[[], int]


def bench_sweep(options: BenchOptions, say: Say) -> dict[str, Any]:
    """Frames per second of video and of images, three ways, and their ratios; those of video once more by themselves."""
    with tempfile.TemporaryDirectory(prefix="vadray-bench-") as temporary, connected():
        found = {
            kind: _measured(kind, _case(kind, Path(temporary) / kind), options.rounds, say)
            for kind in ("video", "image")
        }
    video = found["video"]
    return {"sweep_over_ideal": video["of_ideal"], "sweep_over_plain": video["over_plain"], **found}


def _case(kind: str, folder: Path) -> Case:
    if kind == "video":
        options = video_archive(folder, VIDEOS, UNIT_FRAMES, *VIDEO_SIZE)
        paths = sorted((folder / "archive").rglob("*.mp4"))[:PLAIN_VIDEOS]
    else:
        options = picture_archive(folder, PICTURES, UNIT_IMAGES, PICTURE_SIDE)
        paths = sorted((folder / "archive").rglob("*.jpg"))[:PLAIN_PICTURES]
    loop = plain.videos if kind == "video" else plain.pictures
    model = plain.Windowed(open_bundle(str(folder / "bundle")).load_detector())
    prepared, units = units_of(options)
    return Case(options, prepared, units, lambda: loop(model, [str(path) for path in paths]))


def _measured(kind: str, case: Case, rounds: int, say: Say) -> dict[str, Any]:
    say(f"{kind}: {case.units.num_rows} units")
    case.plain()  # traced
    runs: list[Run] = []
    rates: dict[str, list[float]] = {"ideal": [], "plain": []}
    with tempfile.TemporaryDirectory(prefix="vadray-bench-") as scores:
        for number in range(rounds):
            say(f"{kind}: round {number + 1} of {rounds}")
            runs.append(scored(case.prepared, case.units, Path(scores) / str(number)))
            rates["ideal"].append(_ideal(case))
            begun = time.perf_counter()
            frames = case.plain()
            rates["plain"].append(frames / (time.perf_counter() - begun))
    steady = [run.steady_per_s for run in runs]
    whole = [run.frames / run.wall_s for run in runs]
    return {
        "frames": runs[0].frames,
        "frames_per_s": round(statistics.median(steady), 1),
        "start_s": round(statistics.median(run.start_s for run in runs), 1),
        "ideal_frames_per_s": round(statistics.median(rates["ideal"]), 1),
        "plain_frames_per_s": round(statistics.median(rates["plain"]), 1),
        "of_ideal": round(median_ratio(steady, rates["ideal"]), 3),
        "of_ideal_with_start": round(median_ratio(whole, rates["ideal"]), 3),
        "over_plain": round(median_ratio(steady, rates["plain"]), 3),
        "over_plain_with_start": round(median_ratio(whole, rates["plain"]), 3),
    }


def _ideal(case: Case) -> float:
    """Frames per second of warm processes."""
    units = case.units.to_pylist()
    processes = pools(case.options).decode
    shared = (case.prepared.bundles[0].uri, case.prepared.shapes[0])
    with multiprocessing.get_context("spawn").Pool(processes, _warm, shared) as pool:
        pool.map(_decoded_and_scored, units[: 2 * processes], chunksize=1)
        begun = time.perf_counter()
        frames = sum(pool.imap_unordered(_decoded_and_scored, units))
        return frames / (time.perf_counter() - begun)


def _warm(bundle: str, shape: FrameShape) -> None:
    global _scorer, _shape
    configure_device(1)
    _scorer, _shape = Scorer(open_bundle(bundle).load_detector()), shape


def _decoded_and_scored(unit: dict[str, Any]) -> int:
    frames = 0
    for chunk in decode(decode_request(unit, _shape)):
        result, _ = timed_score(_scorer, chunk.frames, chunk.lead)
        frames += len(result["score"])
    return frames


_scorer: Scorer
_shape: FrameShape
