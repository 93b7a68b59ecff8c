"""Training on two workers against one on the same cores, and whether frames or arithmetic hold it up: `vadray bench train`.

Both learn the same windows in steps of the same size; the second half of the table says how fast the feed gives windows when
nothing is done with them. By turns, medians of the rounds, of a training's last epoch: the first one traces and compiles.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vadray.bench import specimens
from vadray.bench.rounds import median_ratio
from vadray.config import BenchOptions, TrainOptions
from vadray.detectors.registry import detector_class
from vadray.sweep.cluster import connected
from vadray.training.feed import RankFeed
from vadray.training.prepare import detector_config, prepare, schedule
from vadray.training.run import run_training

VIDEOS, FRAMES, HEIGHT, WIDTH = 4, 500, 360, 640
WORKERS = (1, 2)
EPOCHS = 2

Say = Callable[[str], None]


def bench_train(options: BenchOptions, say: Say) -> dict[str, Any]:
    """Windows per second on one worker and on two, the share of time spent waiting for frames, and the feed's own rate."""
    rates: dict[int, list[float]] = {workers: [] for workers in WORKERS}
    waiting: dict[int, list[float]] = {workers: [] for workers in WORKERS}
    feeding: list[float] = []
    with tempfile.TemporaryDirectory(prefix="vadray-bench-") as folder, connected(dashboard=True):
        archive = Path(folder) / "archive"
        archive.mkdir()
        for number in range(VIDEOS):
            specimens.write_video(archive / f"{number}.mp4", HEIGHT, WIDTH, FRAMES)
        training = TrainOptions(
            archive=str(archive), detector="stae", out=str(Path(folder) / "bundle"), epochs=EPOCHS
        )
        config = detector_config(training)
        detector = detector_class("stae")(**config)
        detector.build()
        prepared = prepare(training, detector, say)
        assert prepared.learned is not None and prepared.held is not None  # stae learns
        for number in range(options.rounds):
            say(f"round {number + 1} of {options.rounds}")
            for workers in WORKERS:
                asked = training.model_copy(update={"workers": workers})
                steps = schedule(asked, prepared.learned, prepared.held)
                place = str(Path(folder) / f"run-{number}-{workers}")
                run = run_training(detector, asked, config, steps, place, lambda text: None)
                assert run.epoch_s is not None and run.feed_s is not None
                windows = (steps.steps + steps.validation_steps) * steps.batch_size
                rates[workers].append(windows / run.epoch_s)
                waiting[workers].append(run.feed_s / run.epoch_s)
            feeding.append(_feed_rate(RankFeed(steps, 0, 1)))
    found: dict[str, Any] = {"batch_size": training.batch_size, "size": f"{detector.height}x{detector.width}"}
    for workers in WORKERS:
        found |= {
            f"windows_per_s_{workers}": round(statistics.median(rates[workers]), 1),
            f"waiting_for_frames_{workers}": round(statistics.median(waiting[workers]), 3),
        }
    return found | {
        "two_over_one": round(median_ratio(rates[2], rates[1]), 3),
        "feed_windows_per_s": round(statistics.median(feeding), 1),
        "feed_over_training": round(median_ratio(feeding, rates[1]), 2),
    }


def _feed_rate(feed: RankFeed) -> float:
    """Windows per second that the feed gives to who does nothing with them; its start is left out."""
    batches = feed.batches(0)
    next(batches)
    begun, windows = time.monotonic(), 0
    for batch, _ in batches:
        windows += len(batch)
    return windows / (time.monotonic() - begun)
