"""What a sweep is on a larger cluster than is at hand: `vadray bench scale`.

Measured here: listing and planning of many objects with the memory they take, decoding, and scoring on Ray clusters of one
and two nodes of one CPU. Simulated from these: how many CPUs that decode feed a GPU, and a night on 2 to 64 nodes. What a
GPU does is not measured but given (`gpu_frames_per_s`).
"""

import itertools
import math
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from vadray import storage
from vadray.bench import nodes, specimens
from vadray.bench.decode import VIDEO_FRAMES, VIDEO_SIZES, frames_per_cpu_s
from vadray.bench.planning import measured_planning
from vadray.bench.run import Run, scored, units_of, video_archive
from vadray.bench.simulation import Actors, Outcome, Stages, simulate
from vadray.config import BenchOptions
from vadray.sweep.scoring import units_of_a_block
from vadray.sweep.units import frames_in_mib

SHARES = (0.01, 0.1, 1.0)  # of `objects`
REAL_NODES = (1, 2)
FILES, UNIT_FRAMES, SIZE = 60, 50, (96, 128)  # of what they score
NODES = (2, 8, 32, 64)
CPUS_OF_A_NODE = 16
SIDE = 256  # pixels of a decoded frame, squared, in what is forecast
CAMERA_HOURS = 1000
FED = 0.95  # share of the time that a GPU which is fed works
CHUNK_MIB = 32.0
STORE_MIB = 4096.0  # of a node, for decoded frames
NETWORK_MIB_S = 1000.0

Say = Callable[[str], None]
Block = list[int]


def bench_scale(options: BenchOptions, say: Say) -> dict[str, Any]:
    """Planning at scale, real nodes beside simulated ones, and a forecast.

    Raises:
        RequestError: SimPy is not installed.
    """
    simulate(Actors(1), Stages(1.0, 1.0), [[1]])  # refuses now rather than after minutes of measuring
    with tempfile.TemporaryDirectory(prefix="vadray-bench-") as temporary:
        place = storage.absolute(options.out or temporary)
        planning = [
            measured_planning(place, max(1, int(options.objects * share)), options.unit_images, say)
            for share in SHARES
        ]
        task_s, runs = _real(Path(temporary), options.rounds, say)
        rates = _decode_rates(Path(temporary), options.rounds, say)
    stages = _stages(runs[1], task_s)
    return {
        "planning": planning,
        "stages": {name: round(value, 6) for name, value in asdict(stages).items()},
        "checked": [_checked(count, run, stages) for count, run in runs.items()],
        "forecast": {name: _forecast(name, rate, stages, options, say) for name, rate in rates.items()},
    }


def _real(folder: Path, rounds: int, say: Say) -> tuple[float, dict[int, Run]]:
    """Seconds of a task, and the run of median duration by number of nodes."""
    sweep = video_archive(folder, FILES, UNIT_FRAMES, *SIZE)
    runs: dict[int, list[Run]] = {count: [] for count in REAL_NODES}
    tasks = []
    for number, count in itertools.product(range(rounds), REAL_NODES):
        say(f"scoring on {count} node{'s' * (count > 1)}, round {number + 1} of {rounds}")
        with nodes.running(count):
            if count == 1:
                tasks.append(nodes.task_seconds())
            runs[count].append(scored(*units_of(sweep), folder / f"scores-{number}-{count}"))
    middle = {count: sorted(found, key=lambda run: run.wall_s)[rounds // 2] for count, found in runs.items()}
    return statistics.median(tasks), middle


def _decode_rates(folder: Path, rounds: int, say: Say) -> dict[str, float]:
    """Frames per second of one CPU, by kind of video."""
    rates = {}
    for height, width in VIDEO_SIZES:
        name = f"h264_{width}x{height}"
        say(f"decoding {name}")
        path = folder / f"{name}.mp4"
        specimens.write_video(path, height, width, VIDEO_FRAMES)
        rates[name] = statistics.median(frames_per_cpu_s("video", [str(path)]) for _ in range(rounds))
    return rates


def _stages(run: Run, task_s: float) -> Stages:
    """What one node's run says of its stages: what neither decoding nor scoring took is the chunks' own."""
    rest = run.wall_s - run.start_s - run.decode_s - run.score_s
    return Stages(
        decode_s=run.decode_s / run.frames,
        score_s=run.score_s / run.frames,
        chunk_s=max(0.0, rest / run.chunks - task_s),
        task_s=task_s,
        start_s=run.start_s,
        send_s=CHUNK_MIB / NETWORK_MIB_S,
    )


def _checked(count: int, run: Run, stages: Stages) -> dict[str, Any]:
    """A real run beside its simulation."""
    outcome = simulate(Actors(count), stages, _blocks(run.chunks, run.frames // run.chunks, count))
    return {
        "nodes": count,
        "real_s": round(run.wall_s, 1),
        "simulated_s": round(outcome.wall_s, 1),
        "simulated_over_real": round(outcome.wall_s / run.wall_s, 3),
    }


def _forecast(name: str, rate: float, measured: Stages, options: BenchOptions, say: Say) -> dict[str, Any]:
    """Of one kind of video: CPUs that feed a GPU, and nights of 1,000 camera-hours."""
    frames = frames_in_mib(SIDE, SIDE, 1)
    units = math.ceil(CAMERA_HOURS * 3600 * specimens.FPS / frames)
    on_cpu = Stages(1 / rate, measured.score_s, measured.chunk_s, measured.task_s, measured.start_s)
    found: dict[str, Any] = {"frames_per_cpu_s": round(rate, 1), "gpus": [], "cpus": []}
    for count in NODES:
        say(f"{name}: {count} nodes without a GPU")
        cpus = count * CPUS_OF_A_NODE
        outcome = simulate(Actors(cpus), on_cpu, _blocks(units, frames, cpus))
        found["cpus"].append(_night(count, CPUS_OF_A_NODE, 0, outcome, outcome.decoding, options))
    for gpu_rate in options.gpu_frames_per_s:
        on_gpu = Stages(
            1 / rate,
            1 / gpu_rate,
            measured.chunk_s,
            measured.task_s,
            measured.start_s,
            CHUNK_MIB / NETWORK_MIB_S,
        )
        cpus = _feeding(on_gpu, frames)
        for count in NODES:
            say(f"{name}: {count} nodes of {cpus} CPUs and a GPU of {gpu_rate:g} frames/s")
            actors = Actors(count * cpus, count, int(count * STORE_MIB / CHUNK_MIB))
            outcome = simulate(actors, on_gpu, _blocks(units, frames, actors.decode))
            night = _night(count, cpus, 1, outcome, outcome.scoring, options)
            waiting = outcome.chunks * CHUNK_MIB / count
            found["gpus"].append(
                {"gpu_frames_per_s": gpu_rate, **night, "waiting_mib_a_node": round(waiting)}
            )
    return found


def _feeding(stages: Stages, frames: int) -> int:
    """Decode CPUs that keep one GPU at work. Of a GPU's time what a chunk takes besides is its own too."""
    at_work = replace(stages, start_s=0.0)
    for cpus in itertools.count(1):
        outcome = simulate(Actors(cpus, 1), at_work, _blocks(40 * cpus, frames, cpus))
        if max(outcome.scoring, outcome.driver) >= FED:
            break
    return cpus


def _night(
    count: int, cpus: int, gpus: int, outcome: Outcome, busy: float, options: BenchOptions
) -> dict[str, Any]:
    hours = outcome.wall_s / 3600
    price = count * (cpus * options.cpu_hour + gpus * options.gpu_hour)
    return {
        "nodes": count,
        "cpus_a_node": cpus,
        "hours": round(hours, 3),
        "busy": round(busy, 3),
        "driver_busy": round(outcome.driver, 3),
        "price": round(hours * price, 2),
    }


def _blocks(units: int, frames: int, actors: int) -> list[Block]:
    """Units of one chunk in the blocks that a sweep makes of them."""
    rows = units_of_a_block(units, actors, frames)
    return [[frames] * min(rows, units - start) for start in range(0, units, rows)]
