"""Figures of each camera and hour of the day, as every sweep leaves them, and what is usual by those of earlier nights."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vadray.health.conditions import Usual
from vadray.health.drift import BRIGHTNESS_EDGES, SHARPNESS_EDGES, median_of
from vadray.health.track import UsualView

CAMERAS_FILE = "cameras.parquet"  # in a sweep's folder
NIGHTS = 7  # that tell what is usual
LEAST_S = 600.0  # of footage of an hour, less of which says nothing
CARRIED_AT_MOST = 7  # nights after which the view of a camera that was moved is its usual one
KEY = ("camera", "scoring_digest", "hour")

CAMERAS = pa.schema(
    [
        pa.field("camera", pa.string(), nullable=False),
        pa.field("scoring_digest", pa.string(), nullable=False),
        pa.field(
            "calibration", pa.string(), nullable=False
        ),  # digest, so that p-values are compared with their like
        pa.field("hour", pa.int32()),  # of the day, UTC; null where it is not known when footage was captured
        pa.field("frames", pa.int64(), nullable=False),
        pa.field("seconds", pa.float64(), nullable=False),  # of video
        pa.field("fps", pa.float64()),  # frames a second of it
        pa.field(
            "brightness", pa.float64()
        ),  # medians, without the stretches in which the camera was not well
        pa.field("sharpness", pa.float64()),
        pa.field("still", pa.float64(), nullable=False),  # share of the seconds
        pa.field("p_counts", pa.list_(pa.int64()), nullable=False),
        pa.field("brightness_counts", pa.list_(pa.int64()), nullable=False),
        pa.field("sharpness_counts", pa.list_(pa.int64()), nullable=False),
        pa.field("view", pa.binary()),
        pa.field("alike", pa.float64(), nullable=False),
        pa.field("carried", pa.int32(), nullable=False),
    ]
)


@dataclass
class UsualCamera:
    """What is usual of one camera, by the hour of the day; None is the hour that is not known."""

    hours: dict[int | None, Usual] = field(default_factory=dict)
    views: dict[int | None, UsualView] = field(default_factory=dict)
    overall: Usual | None = None

    def at(self, hour: int | None) -> Usual | None:
        """Of that hour where it is known, else of all hours."""
        return self.hours.get(hour, self.overall)


def write_cameras(rows: Sequence[dict[str, Any]]) -> bytes:
    """A Parquet file of `CAMERAS`."""
    sink = io.BytesIO()
    ordered = sorted(
        rows,
        key=lambda row: (row["camera"], row["scoring_digest"], -1 if row["hour"] is None else row["hour"]),
    )
    pq.write_table(pa.Table.from_pylist(ordered, CAMERAS), sink, compression="zstd")
    return sink.getvalue()


def read_cameras(content: bytes) -> list[dict[str, Any]]:
    """The inverse of `write_cameras`."""
    return pq.read_table(io.BytesIO(content)).cast(CAMERAS).to_pylist()


def usual_of(nights: Iterable[list[dict[str, Any]]]) -> dict[tuple[str, str], UsualCamera]:
    """What is usual, by camera and scoring digest.

    Args:
        nights: Rows of earlier sweeps, the newest first.
    """
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for night in nights:
        for row in night:
            rows.setdefault((row["camera"], row["scoring_digest"]), []).append(row)
    found = {}
    for key, own in rows.items():
        usual = UsualCamera(overall=_usual(own, same_hour=False))
        for hour in {row["hour"] for row in own}:
            of_hour = [row for row in own if row["hour"] == hour]
            if (one := _usual(of_hour, same_hour=hour is not None)) is not None:
                usual.hours[hour] = one
            newest = next((row for row in of_hour if row["view"]), None)
            if newest is not None:
                usual.views[hour] = UsualView(newest["view"], newest["alike"], newest["carried"])
        found[key] = usual
    return found


def _usual(rows: list[dict[str, Any]], same_hour: bool) -> Usual | None:
    seconds = sum(row["seconds"] for row in rows)
    if seconds < LEAST_S:
        return None
    brightness, sharpness = (
        median_of(np.sum([row[f"{name}_counts"] for row in rows], axis=0), edges)
        for name, edges in (("brightness", BRIGHTNESS_EDGES), ("sharpness", SHARPNESS_EDGES))
    )
    if not np.isfinite(brightness):
        return None
    still = sum(row["still"] * row["seconds"] for row in rows) / seconds
    return Usual(brightness, sharpness, still, same_hour)
