"""What the page and SQL know of cameras: when they were not well, and how far they have drifted."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from vadray import storage
from vadray.health.drift import (
    BRIGHTNESS_EDGES,
    SHARPNESS_EDGES,
    SHIFTED,
    SOME,
    known,
    ks_distance,
    median_of,
    stability_index,
)
from vadray.health.found import HEALTH, NamedStretch, from_json
from vadray.health.nights import CAMERAS_FILE, read_cameras
from vadray.report import tables

Row = dict[str, Any]


@dataclass(frozen=True)
class Drift:
    """How far a camera's night differs; what cannot be told is None.

    Args:
        camera: The camera, "" if unknown.
        calibration_index: Population stability index of its p-values against the footage it was calibrated on.
        calibration_distance: Kolmogorov-Smirnov distance of the same.
        nights_index: Against earlier sweeps with the same bundle and calibration.
        nights_distance: The same.
        brightness, sharpness, fps: Median of the night and of earlier ones.
        brightness_index, sharpness_index: Of them, against earlier sweeps with the same bundle.
    """

    camera: str
    calibration_index: float | None
    calibration_distance: float | None
    nights_index: float | None
    nights_distance: float | None
    brightness: tuple[float | None, float | None]
    brightness_index: float | None
    sharpness: tuple[float | None, float | None]
    sharpness_index: float | None
    fps: tuple[float | None, float | None]


def reading(index: float | None) -> str:
    """What an index says in a word, "" where there is none."""
    if index is None:
        return ""
    return "shifted" if index > SHIFTED else "some drift" if index > SOME else "as before"


def stretches(report_uri: str, sweep_id: str) -> list[NamedStretch]:
    """When cameras were not well."""
    uri = tables.sweep_folder(report_uri, sweep_id, HEALTH)
    return from_json(storage.read_bytes(uri)).stretches if storage.exists(uri) else []


def nights_of(report_uri: str, sweeps: Iterable[str]) -> Iterator[list[Row]]:
    """Rows of `nights.CAMERAS` of each of the sweeps that has some."""
    for sweep_id in sweeps:
        uri = tables.sweep_folder(report_uri, sweep_id, CAMERAS_FILE)
        if storage.exists(uri):
            yield read_cameras(storage.read_bytes(uri))


def drifts(tonight: list[Row], earlier: Iterable[list[Row]]) -> list[Drift]:
    """Drift of each camera, those that drifted most first.

    Args:
        tonight: Rows of `nights.CAMERAS` of a sweep.
        earlier: Those of the sweeps before it.
    """
    before = [row for night in earlier for row in night]
    found = [_drift(camera, tonight, before) for camera in sorted({row["camera"] for row in tonight})]
    return sorted(found, key=lambda one: -(one.nights_index or one.calibration_index or 0.0))


def _drift(camera: str, tonight: list[Row], before: list[Row]) -> Drift:
    own = [row for row in tonight if row["camera"] == camera]
    bundles = {row["scoring_digest"] for row in own}
    calibrated = {(row["scoring_digest"], row["calibration"]) for row in own}
    earlier = [row for row in before if row["camera"] == camera and row["scoring_digest"] in bundles]
    same = [row for row in earlier if (row["scoring_digest"], row["calibration"]) in calibrated]
    p, p_before = _counts(own, "p"), _counts(same, "p")
    uniform = np.ones(len(p)) if len(p) else p
    bright, bright_before = _counts(own, "brightness"), _counts(earlier, "brightness")
    sharp, sharp_before = _counts(own, "sharpness"), _counts(earlier, "sharpness")
    return Drift(
        camera=camera,
        calibration_index=known(stability_index(p, uniform)),
        calibration_distance=known(ks_distance(p, uniform)),
        nights_index=known(stability_index(p, p_before)),
        nights_distance=known(ks_distance(p, p_before)),
        brightness=(_median(bright, BRIGHTNESS_EDGES), _median(bright_before, BRIGHTNESS_EDGES)),
        brightness_index=known(stability_index(bright, bright_before)),
        sharpness=(_median(sharp, SHARPNESS_EDGES), _median(sharp_before, SHARPNESS_EDGES)),
        sharpness_index=known(stability_index(sharp, sharp_before)),
        fps=(_fps(own), _fps(earlier)),
    )


def _counts(rows: list[Row], name: str) -> np.ndarray:
    return np.sum([row[f"{name}_counts"] for row in rows], axis=0) if rows else np.zeros(0, np.int64)


def _median(counts: np.ndarray, edges: np.ndarray) -> float | None:
    return known(median_of(counts, edges)) if len(counts) else None


def _fps(rows: list[Row]) -> float | None:
    timed = [row for row in rows if row["fps"]]
    seconds = sum(row["seconds"] for row in timed)
    return sum(row["fps"] * row["seconds"] for row in timed) / seconds if seconds else None
