"""Does unseen normal footage give the rate of false alarms that was asked for? On synthetic cameras, by the hour.

Recordings of half a minute, each with walkers and light of its own, are scored by a detector that takes no training; some
calibrate, as `vadray train` does, the rest is unseen. They are rendered at the detector's size: no file is written.

Counts of events are Poisson where events are independent. In recordings of ten minutes, through which the same few people
come back thirty times, they were not: asked for 10, 3 and 1 an hour, 442, 162 and 54 were counted in 40 hours after 120 that
calibrated. `dispersion`, the variance of the counts of single hours over their mean, tells: it is 1 of a Poisson process.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import ray
from scipy import stats

from vadray.calibration.calibration import Calibration, VideoScores
from vadray.config import BenchOptions
from vadray.detectors.registry import detector_class
from vadray.sweep.cluster import connected
from vadray.sweep.scorer import Scorer, configure_device
from vadray.sweep.watch import Say
from vadray.synth.scene import CAMERAS, scene

DETECTOR = "frame_difference"
SECONDS, FPS, SIZE = 30, 1, (64, 64)
CALIBRATION_SHARE = 3  # hours that calibrate for each that is unseen: they have chance in them too
RATES = (10.0, 3.0, 1.0)
LITTLE_H = 2.0  # of footage, from which rates are extrapolated
CONFIDENCE = 0.95
SAID_EVERY = 16  # tasks
AT_ONCE = 240  # recordings of a task


def bench_alarms(options: BenchOptions, say: Say) -> dict[str, Any]:
    """Counts events of unseen normal footage at thresholds for several rates.

    `inside` tells whether the count lies in the 95 % Poisson interval around rate times hours; `as_predicted` whether it
    lies in the wider one that also knows of the chance in the footage that calibrated (a negative binomial: the rate that
    a threshold really has follows a Gamma with as many events as calibrated it).

    Returns:
        `hours` of each part, and by rate and camera its figures.
    """
    unseen = round(options.hours * 3600 / SECONDS)
    known = unseen * CALIBRATION_SHARE
    say(f"rendering and scoring {(unseen + known) * SECONDS / 3600:,.0f} hours of two cameras")
    with connected():
        tasks = [
            _scored.remote(options.seed, list(range(first, min(first + AT_ONCE, unseen + known))), SECONDS)
            for first in range(0, unseen + known, AT_ONCE)
        ]
        videos: list[VideoScores] = []
        for number, task in enumerate(tasks, 1):
            part: list[VideoScores] = ray.get(task)
            videos += part
            if number % SAID_EVERY == 0:
                say(f"{number / len(tasks):.0%}")
    calibrating, rest = videos[:known], videos[known:]
    little = calibrating[: round(LITTLE_H * 3600 / SECONDS)]
    found: dict[str, Any] = {
        "detector": DETECTOR,
        "seed": options.seed,
        "calibrated_on_h": known * SECONDS / 3600,
        "unseen_h": unseen * SECONDS / 3600,
    }
    for rate in RATES:
        found[f"{rate:g} an hour"] = {
            name: _counted(calibrating if name != "little" else little, rest, rate, per_camera, camera)
            for name, per_camera, camera in _ways()
        }
    return found


def _ways() -> Iterator[tuple[str, bool, str | None]]:
    yield "all", False, None
    for camera in CAMERAS:
        yield camera, True, camera
    yield "little", False, None


def _counted(
    calibrating: list[VideoScores],
    unseen: list[VideoScores],
    rate: float,
    per_camera: bool,
    camera: str | None,
) -> dict[str, Any]:
    calibration = Calibration.fit(calibrating, false_alarms_per_hour=rate, per_camera=per_camera)
    own = [video for video in unseen if camera in (None, video.camera)]
    counts = np.array([len(calibration.apply(video).events) for video in own])
    events, hours = int(counts.sum()), len(own) * SECONDS / 3600
    of_an_hour = np.array([part.sum() for part in np.array_split(counts, max(1, round(hours)))])
    expected = rate * hours
    used = calibration.for_camera(camera)
    low, high = stats.poisson.interval(CONFIDENCE, expected)
    shown = max(used.detail.get("events_left", 0.0), 0.5)
    wide_low, wide_high = stats.nbinom.interval(CONFIDENCE, shown, used.hours / (used.hours + hours))
    return {
        "hours": hours,
        "expected": expected,
        "counted": events,
        "poisson_95": f"{low:.0f} to {high:.0f}",
        "inside": bool(low <= events <= high),
        "predicted_95": "" if used.extrapolated else f"{wide_low:.0f} to {wide_high:.0f}",
        "as_predicted": None if used.extrapolated else bool(wide_low <= events <= wide_high),
        "dispersion": round(float(of_an_hour.var(ddof=1) / of_an_hour.mean()), 2)
        if events and hours >= 2
        else None,
        "extrapolated": used.extrapolated,
    }


@ray.remote(num_cpus=1)
def _scored(seed: int, recordings: list[int], seconds: int) -> list[VideoScores]:
    configure_device(1)
    detector = detector_class(DETECTOR)(height=SIZE[1], width=SIZE[0])
    detector.build()
    scorer = Scorer(detector)
    found = []
    for number in recordings:
        camera = CAMERAS[number % len(CAMERAS)]
        shown, _ = scene(seed, camera, number, seconds * FPS, FPS, SIZE, [])
        grey = np.stack([picture[..., 1:2] for picture in shown])  # its green is nearly grey, and quicker
        score = scorer.score(grey, 0)[0]
        found.append(VideoScores(camera, np.arange(len(score)) / FPS, score))
    return found
