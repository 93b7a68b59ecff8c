"""Counts of p-values, brightness and sharpness by camera and hour, while the tables are written."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from vadray.calibration.hours import hours_of
from vadray.health.conditions import Stretch
from vadray.health.drift import BRIGHTNESS_EDGES, P_BINS, SHARPNESS_EDGES, binned, known, median_of, p_counts
from vadray.health.found import Health, HourFigures
from vadray.health.track import UsualView

CameraHour = tuple[str, str, str, int | None]  # camera, scoring digest, digest of the calibration, hour
_AT_ONCE = 8192


@dataclass
class Counts:
    """Counts of one camera and hour."""

    frames: int = 0
    p: np.ndarray = field(default_factory=lambda: np.zeros(P_BINS, np.int64))
    brightness: np.ndarray = field(default_factory=lambda: np.zeros(len(BRIGHTNESS_EDGES) - 1, np.int64))
    sharpness: np.ndarray = field(default_factory=lambda: np.zeros(len(SHARPNESS_EDGES) - 1, np.int64))

    def add(self, p_value: np.ndarray, brightness: np.ndarray, sharpness: np.ndarray) -> None:
        self.frames += len(p_value)
        self.p += p_counts(p_value)
        self.brightness += binned(brightness, BRIGHTNESS_EDGES)
        self.sharpness += binned(sharpness, SHARPNESS_EDGES)

    def join(self, other: "Counts") -> None:
        for name in ("frames", "p", "brightness", "sharpness"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


class CameraCounts:
    """Takes rows of `frames`; many small ones, as of images, are counted together."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str, str], list[np.ndarray]] = {}
        self._rows = 0
        self.counts: dict[CameraHour, Counts] = {}

    def add(
        self,
        rows: pa.Table,
        camera: str,
        scoring_digest: str,
        calibration: str,
        captured_at: datetime | None,
        ill: Sequence[Stretch],
    ) -> None:
        """Counts rows of one object, but for those in which its camera was not well.

        Args:
            rows: Of `frames`.
            camera: Its camera.
            scoring_digest: Of the bundle that scored it.
            calibration: Digest of the calibration that its p-values follow from.
            captured_at: When the object's first frame was captured, or None.
            ill: Stretches of the object.
        """
        if rows.num_rows == 0:
            return
        time_s = rows["time_s"].to_numpy()
        hours = hours_of(captured_at, time_s)
        hour = np.full(len(time_s), -1) if hours is None else hours
        values = np.stack([hour, *(rows[name].to_numpy() for name in ("p_value", "brightness", "sharpness"))])
        for stretch in ill:
            well = (time_s < stretch.start_s) | (time_s >= stretch.end_s)
            values, time_s = values[:, well], time_s[well]
        self._held.setdefault((camera, scoring_digest, calibration), []).append(values)
        self._rows += rows.num_rows
        if self._rows >= _AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Counts what is held; `counts` is complete afterwards."""
        for key, parts in self._held.items():
            values = np.concatenate(parts, axis=1)
            for hour in np.unique(values[0]):
                mine = values[1:, values[0] == hour]
                self.counts.setdefault((*key, None if hour < 0 else int(hour)), Counts()).add(*mine)
        self._held, self._rows = {}, 0


def camera_rows(counts: Sequence[dict[CameraHour, Counts]], health: Health) -> list[dict[str, Any]]:
    """Rows of `nights.CAMERAS`.

    Args:
        counts: Of all parts.
        health: Of the sweep.
    """
    joined: dict[CameraHour, Counts] = {}
    for part in counts:
        for key, own in part.items():
            joined.setdefault(key, Counts()).join(own)
    rows = []
    for (camera, scoring_digest, calibration, hour), own in joined.items():
        figures = health.hours.get((camera, scoring_digest, hour), HourFigures())
        view = figures.view or UsualView(b"", 0.0)
        rows.append(
            {
                "camera": camera,
                "scoring_digest": scoring_digest,
                "calibration": calibration,
                "hour": hour,
                "frames": own.frames,
                "seconds": figures.seconds,
                "fps": figures.frames / figures.seconds if figures.seconds else None,
                "brightness": known(median_of(own.brightness, BRIGHTNESS_EDGES)),
                "sharpness": known(median_of(own.sharpness, SHARPNESS_EDGES)),
                "still": figures.still_s / figures.seconds if figures.seconds else 0.0,
                "p_counts": own.p.tolist(),
                "brightness_counts": own.brightness.tolist(),
                "sharpness_counts": own.sharpness.tolist(),
                "view": view.view or None,
                "alike": view.alike,
                "carried": view.carried,
            }
        )
    return rows
