"""One run of a sweep's scoring, timed from its driver; and archives and bundles to run it on."""

import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vadray.archive.plan import PLAN_SCHEMA
from vadray.bench import specimens
from vadray.bundle import write_bundle
from vadray.calibration.calibration import Calibration, VideoScores
from vadray.config import SweepOptions
from vadray.detectors.registry import detector_class
from vadray.sweep import request
from vadray.sweep.request import Prepared
from vadray.sweep.scoring import score_units

VIDEO_HEIGHT, VIDEO_WIDTH, VIDEO_FRAMES = 360, 640, 250
PICTURE_SIDE, PICTURES = 512, 20


@dataclass(frozen=True)
class Run:
    """Scoring, seen from its driver.

    Args:
        wall_s: From the start of the actors to the last score.
        start_s: To the first scores, less what decoding and scoring them took.
        steady_per_s: Frames a second between the first score and the last.
        decode_s: Waiting for decoded frames, of all chunks together.
        score_s: Scoring, of all chunks together.
        frames: Scored.
        chunks: Scored.
    """

    wall_s: float
    start_s: float
    steady_per_s: float
    decode_s: float
    score_s: float
    frames: int
    chunks: int


def video_archive(folder: Path, files: int, unit_frames: int, height: int, width: int) -> SweepOptions:
    """Videos that are one file by many names, and a `stae` of `height` x `width`; the options of a sweep over them."""
    archive = folder / "archive" / "camera=1"
    archive.mkdir(parents=True)
    specimens.write_video(archive / "0.mp4", VIDEO_HEIGHT, VIDEO_WIDTH, VIDEO_FRAMES)
    for number in range(1, files):
        os.link(archive / "0.mp4", archive / f"{number}.mp4")
    return _options(folder, "stae", height, width, unit_frames=unit_frames)


def picture_archive(folder: Path, files: int, unit_images: int, side: int) -> SweepOptions:
    """JPEGs that are a few by many names, and a `conv_ae` of `side` x `side`; the options of a sweep over them."""
    archive = folder / "archive" / "camera=1"
    archive.mkdir(parents=True)
    for number in range(PICTURES):
        specimens.write_picture(archive / f"{number:06}.jpg", PICTURE_SIDE, number)
    for number in range(PICTURES, files):
        os.link(archive / f"{number % PICTURES:06}.jpg", archive / f"{number:06}.jpg")
    return _options(folder, "conv_ae", side, side, unit_images=unit_images)


def bundle_for(uri: str, name: str, height: int, width: int, **settings: Any) -> str:
    """A bundle at `uri` of a detector with random weights, calibrated on random scores; returns `uri`."""
    detector = detector_class(name)(height=height, width=width, **settings)
    detector.build()
    normal = [VideoScores(None, np.arange(500.0), np.random.default_rng(0).random(500, np.float32))]
    write_bundle(uri, detector, Calibration.fit(normal, kind=detector.kind), {}, {})
    return uri


def _options(folder: Path, name: str, height: int, width: int, **further: int) -> SweepOptions:
    bundle = bundle_for(str(folder / "bundle"), name, height, width)
    return SweepOptions(
        archive=str(folder / "archive"), bundle=bundle, out=str(folder / "report"), clips=False, **further
    )


def units_of(options: SweepOptions) -> tuple[Prepared, pa.Table]:
    """The rows of the plan, which is not written. Ray must be connected."""
    prepared = request.prepare(options)
    rows = [{**row, "part": 0} for row in request.plan_rows(prepared, Counter())]
    return prepared, pa.Table.from_pylist(rows, PLAN_SCHEMA)


def scored(prepared: Prepared, units: pa.Table, folder: Path) -> Run:
    """Scores units on the Ray that is connected; scores go to `folder`."""
    decode_s = score_s = start_s = first_s = last_s = 0.0
    frames = chunks = first_frames = 0  # the first results are of a whole task, begun before they came
    begun = time.monotonic()
    for table in score_units(
        units, prepared.bundles, prepared.shapes, prepared.options, str(folder), pictures="clear"
    ):
        last_s = time.monotonic() - begun
        decode_s += pc.sum(table["decode_s"]).as_py()
        score_s += pc.sum(table["score_s"]).as_py()
        frames, chunks = frames + pc.sum(table["frames"]).as_py(), chunks + table.num_rows
        if not first_s:
            first_s, first_frames, start_s = last_s, frames, last_s - decode_s - score_s
    steady = (frames - first_frames) / (last_s - first_s)
    return Run(time.monotonic() - begun, start_s, steady, decode_s, score_s, frames, chunks)
