"""Scores of whole objects in memory: for calibration and evaluation, where a data set fits."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from vadray.archive.plan import PLAN_SCHEMA
from vadray.bundle import Bundle
from vadray.config import ClusterOptions
from vadray.sweep import scores
from vadray.sweep.scoring import score_units
from vadray.sweep.units import FrameShape


@dataclass
class ObjectScores:
    """Scores of one object, or of one unit where units are taken apart.

    Args:
        uri: The object.
        camera: Its camera, "" if unknown.
        time_s: float64 `[n]`.
        score: float32 `[n]`, raw.
        mse: float32 `[n]`, mean squared error in units of the 0 to 1 range.
        error: Why frames are missing, or None.
    """

    uri: str
    camera: str
    time_s: np.ndarray
    score: np.ndarray
    mse: np.ndarray
    error: str | None = None


@dataclass
class _Parts:
    camera: str
    arrays: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=list)
    error: str | None = None


def collect_scores(
    units: list[dict[str, Any]],
    bundle: Bundle,
    shape: FrameShape,
    options: ClusterOptions,
    apart: bool = False,
) -> Iterator[ObjectScores]:
    """Scores units and joins them by object, in the order of `units`.

    Args:
        units: Planned rows; `bundle` index 0.
        bundle: The bundle that scores them.
        shape: Frames it wants.
        options: Sizes of the pools.
        apart: Give each unit of a video on its own: for units that are not neighbours in time.
    """
    table = pa.Table.from_pylist([{**unit, "bundle": 0} for unit in units], schema=PLAN_SCHEMA)
    rows: dict[str, dict[int, pa.Table]] = {}
    for scored in score_units(table, [bundle], [shape], options, None, False):
        for index in range(scored.num_rows):
            row = scored.slice(index, 1)
            rows.setdefault(row["unit_id"][0].as_py(), {})[row["chunk"][0].as_py()] = row
    objects: dict[str, _Parts] = {}
    for unit in units:
        chunks = rows[unit["unit_id"]]
        for number in sorted(chunks):
            frames = scores.frames_of(chunks[number])
            infos = chunks[number]["members"][0].as_py()
            for place, (member, info) in enumerate(zip(unit["members"], infos, strict=True)):
                key = unit["unit_id"] if apart and unit["kind"] != "image" else member["object_uri"]
                parts = objects.setdefault(key, _Parts(member["camera"] or ""))
                mine = frames["member"] == place
                parts.arrays.append((frames["time_s"][mine], frames["score"][mine], frames["mse"][mine]))
                if info["error"]:
                    parts.error = f"{info['error_type']}: {info['error']}"
    for key, parts in objects.items():
        time_s, score, mse = (np.concatenate(values) for values in zip(*parts.arrays, strict=True))
        yield ObjectScores(key, parts.camera, time_s, score, mse, parts.error)
