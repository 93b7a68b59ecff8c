"""Scores of whole objects in memory: for calibration and evaluation, where a data set fits.

Error maps do not fit: they wait on this machine's disk until an object is looked at.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from vadray.archive.plan import PLAN_SCHEMA
from vadray.bundle import Bundle
from vadray.calibration.calibration import VideoScores
from vadray.config import ClusterOptions
from vadray.sweep import scores
from vadray.sweep.scoring import score_units
from vadray.sweep.stages import error_maps_of
from vadray.sweep.units import FrameShape


@dataclass(frozen=True)
class StoredMaps:
    """Error maps of one object, in files of its chunks.

    Args:
        parts: Of each chunk with frames of the object: a file of maps `[k, rows, columns]`, and which are the
            object's, bool `[k]`.
    """

    parts: list[tuple[str, np.ndarray]]

    def read(self) -> np.ndarray:
        """float32 `[n, rows, columns]`, a map for each score, at least one."""
        return np.concatenate([np.load(path, mmap_mode="r")[mine] for path, mine in self.parts])


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
        maps: Its error maps, where they were asked for and there is a frame.
        captured_at: When its first frame was captured, or None.
    """

    uri: str
    camera: str
    time_s: np.ndarray
    score: np.ndarray
    mse: np.ndarray
    error: str | None = None
    maps: StoredMaps | None = None
    captured_at: datetime | None = None

    def video(self) -> VideoScores:
        """As calibrations take it."""
        return VideoScores(self.camera or None, self.time_s, self.score, captured_at=self.captured_at)


@dataclass
class _Parts:
    camera: str
    captured_at: datetime | None
    arrays: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=list)
    maps: list[tuple[str, np.ndarray]] = field(default_factory=list)
    error: str | None = None


def collect_scores(
    units: list[dict[str, Any]],
    bundle: Bundle,
    shape: FrameShape,
    options: ClusterOptions,
    apart: bool = False,
    maps_folder: str | None = None,
) -> Iterator[ObjectScores]:
    """Scores units and joins them by object, in the order of `units`.

    Args:
        units: Planned rows; `bundle` index 0.
        bundle: The bundle that scores them.
        shape: Frames it wants.
        options: Sizes of the pools.
        apart: Give each unit of a video on its own: for units that are not neighbours in time.
        maps_folder: Folder of this machine for files of error maps, which the caller removes; None for no maps.
    """
    table = pa.Table.from_pylist([{**unit, "bundle": 0} for unit in units], schema=PLAN_SCHEMA)
    rows: dict[str, dict[int, pa.Table]] = {}
    for scored in score_units(table, [bundle], [shape], options, None, "none", maps_folder is not None):
        for index in range(scored.num_rows):
            row = scored.slice(index, 1)
            unit_id, number = row["unit_id"][0].as_py(), row["chunk"][0].as_py()
            if maps_folder is not None:
                np.save(_maps_path(maps_folder, unit_id, number), error_maps_of(row))
                # copied, or it would hold the memory of the maps that came with it
                row = row.select(scores.SCORES.names).take([0])
            rows.setdefault(unit_id, {})[number] = row
    objects: dict[str, _Parts] = {}
    for unit in units:
        chunks = rows[unit["unit_id"]]
        for number in sorted(chunks):
            frames = scores.frames_of(chunks[number])
            infos = chunks[number]["members"][0].as_py()
            for place, (member, info) in enumerate(zip(unit["members"], infos, strict=True)):
                key = unit["unit_id"] if apart and unit["kind"] != "image" else member["object_uri"]
                parts = objects.setdefault(key, _Parts(member["camera"] or "", member["captured_at"]))
                mine = frames["member"] == place
                parts.arrays.append((frames["time_s"][mine], frames["score"][mine], frames["mse"][mine]))
                if maps_folder is not None and mine.any():
                    parts.maps.append((_maps_path(maps_folder, unit["unit_id"], number), mine))
                if info["error"]:
                    parts.error = f"{info['error_type']}: {info['error']}"
    for key, parts in objects.items():
        time_s, score, mse = (np.concatenate(values) for values in zip(*parts.arrays, strict=True))
        maps = StoredMaps(parts.maps) if parts.maps else None
        yield ObjectScores(key, parts.camera, time_s, score, mse, parts.error, maps, parts.captured_at)


def _maps_path(folder: str, unit_id: str, chunk: int) -> str:
    return os.path.join(folder, f"{unit_id}.{chunk:05d}.npy")
