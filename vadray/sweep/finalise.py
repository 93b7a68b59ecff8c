"""From frozen unit scores to the report's Parquet files: a pure function, part by part, doing it twice is harmless."""

import hashlib
import io
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vadray import storage
from vadray.calibration.calibration import Calibration
from vadray.calibration.rules import FrameRules
from vadray.errors import VadrayError
from vadray.health.conditions import Stretch
from vadray.report.files import TableFile
from vadray.report.schemas import TABLES
from vadray.report.tables import file_path
from vadray.sweep import scores
from vadray.sweep.camera_counts import CameraCounts, CameraHour, Counts
from vadray.sweep.timeline import ObjectTimeline, object_row

ROW_GROUP_ROWS = 65536
_COLUMNS = ("members", "frames", "moments", "decode_s", "score_s")


@dataclass(frozen=True)
class PartResult:
    """Files and figures of one part. Counts add up over parts.

    Args:
        files: In the report.
        counts: Of objects by status, frames, events, units.
        cameras: By camera `objects`, `frames`, `events`, and `captured_until`: when the newest of its objects was captured.
        camera_hours: What the frames of each camera and hour were like.
        dropped: Events that rules and the cameras' health left out, by which.
        decode_s: Seconds of decoding.
        score_s: Seconds of scoring.
    """

    files: list[TableFile]
    counts: dict[str, int]
    cameras: dict[str, dict[str, Any]]
    camera_hours: dict[CameraHour, Counts]
    dropped: Counter[str]
    decode_s: float
    score_s: float


def finalise_part(
    plan: Iterator[dict[str, Any]],
    part: int,
    sweep_id: str,
    report: str,
    scores_folder: str,
    manifest: pa.Table,
    calibrations: list[Calibration],
    rules: FrameRules,
    stretches: Mapping[str, Sequence[Stretch]],
) -> PartResult:
    """Streams a part's units in plan order into `frames`, `events` and `objects`.

    Args:
        plan: The part's rows of the plan.
        part: Its number.
        sweep_id: The sweep.
        report: Root of the report.
        scores_folder: Where score files are.
        manifest: The part's rows of the manifest.
        calibrations: By the plan's `bundle` index.
        rules: Which frames may be in events.
        stretches: By object, when its camera was not well.
    """
    digests = [one.digest for one in calibrations]
    camera_counts = CameraCounts()
    dropped: Counter[str] = Counter()
    counts = dict.fromkeys(
        ("objects", "scored", "partial", "quarantined", "unchanged", "skipped", "frames", "events", "units"),
        0,
    )
    cameras: dict[str, dict[str, Any]] = {}
    seconds = {"decode_s": 0.0, "score_s": 0.0}
    chunks = dict(zip(manifest["unit_id"].to_pylist(), manifest["chunks"].to_pylist(), strict=True))
    with tempfile.TemporaryDirectory(prefix="vadray-part-") as folder:
        writers = {table: _TableWriter(table, schema, folder) for table, schema in TABLES.items()}

        def write_frames(timeline: ObjectTimeline, rows: pa.Table) -> None:
            writers["frames"].write(rows)
            camera_counts.add(
                rows,
                timeline.camera,
                timeline.unit["scoring_digest"],
                digests[timeline.unit["bundle"]],
                timeline.captured_at,
                timeline.stretches,
            )

        def finish(timeline: ObjectTimeline) -> None:
            write_frames(timeline, timeline.finish())
            writers["events"].write_rows(timeline.events)
            dropped.update(timeline.dropped)
            add_object(timeline.object_row(), timeline.captured_at, len(timeline.events))

        def add_object(row: dict[str, Any], captured_at: datetime | None, events: int = 0) -> None:
            counts["objects"] += 1
            counts[row["status"]] += 1
            if row["status"] != "skipped":
                own = {
                    "objects": 1,
                    "frames": row["frames_scored"],
                    "events": events,
                    "captured_until": captured_at,
                }
                cameras[row["camera"]] = _joined(cameras.get(row["camera"]), own)
            writers["objects"].write_rows([row])

        for unit in plan:
            if unit["status"] != "planned":
                for member in unit["members"]:
                    add_object(object_row(unit, member), member["captured_at"])
                continue
            counts["units"] += 1
            if unit["unit_index"] == 0:
                timelines = [
                    ObjectTimeline(
                        unit,
                        member,
                        calibrations[unit["bundle"]],
                        rules,
                        stretches.get(member["object_uri"], ()),
                    )
                    for member in unit["members"]
                ]
            for name in scores.file_names(unit["unit_id"], chunks[unit["unit_id"]]):
                row = scores.load(storage.join(scores_folder, name), _COLUMNS)
                for second in seconds:
                    seconds[second] += row[second][0].as_py()
                for timeline, pieces in zip(timelines, _by_member(row, len(timelines)), strict=True):
                    write_frames(timeline, timeline.push(*pieces))
            if unit["unit_index"] == unit["unit_count"] - 1:
                for timeline in timelines:
                    finish(timeline)
        files = [writer.publish(report, sweep_id, part) for writer in writers.values()]
    rows = {file.table: file.rows for file in files}
    counts |= {"frames": rows["frames"], "events": rows["events"]}
    camera_counts.flush()
    return PartResult(files, counts, cameras, camera_counts.counts, dropped, **seconds)


def cameras_of(results: Iterable[PartResult]) -> dict[str, dict[str, Any]]:
    """`PartResult.cameras` of all parts, times as ISO 8601."""
    found: dict[str, dict[str, Any]] = {}
    for result in results:
        for camera, figures in result.cameras.items():
            found[camera] = _joined(found.get(camera), figures)
    return {
        camera: {**found[camera], "captured_until": until and until.isoformat()}
        for camera in sorted(found)
        for until in (found[camera]["captured_until"],)
    }


def _joined(one: dict[str, Any] | None, other: dict[str, Any]) -> dict[str, Any]:
    if one is None:
        return other
    times = [part["captured_until"] for part in (one, other) if part["captured_until"]]
    return {
        **{name: one[name] + other[name] for name in ("objects", "frames", "events")},
        "captured_until": max(times, default=None),
    }


def _by_member(
    row: pa.Table, members: int
) -> Iterator[tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]]:
    """A score row taken apart by member: its info, its frames, its moments."""
    frames = scores.frames_of(row)
    infos = row["members"][0].as_py()
    moments = row["moments"][0].as_py()
    for member in range(members):
        if members == 1:
            yield infos[0], frames, moments
            continue
        mine = frames["member"] == member
        first = int(mine.argmax()) if mine.any() else 0
        own = [{**one, "frame": one["frame"] - first} for one in moments if mine[one["frame"]]]
        yield infos[member], {name: values[mine] for name, values in frames.items()}, own


class _TableWriter:
    """Rows of one table into one Parquet file. Row groups depend on the rows alone, so that bytes repeat."""

    def __init__(self, table: str, schema: pa.Schema, folder: str):
        self._table, self._schema = table, schema
        self._path = os.path.join(folder, f"{table}.parquet")
        self._writer = pq.ParquetWriter(self._path, schema, compression="zstd")
        self._buffer: list[pa.Table] = []
        self._buffered = self._rows = 0

    def write(self, rows: pa.Table) -> None:
        if rows.num_rows == 0:
            return
        self._buffer.append(rows)
        self._buffered += rows.num_rows
        if self._buffered >= ROW_GROUP_ROWS:
            self._flush()

    def write_rows(self, rows: list[dict[str, Any]]) -> None:
        if rows:
            self.write(pa.Table.from_pylist(rows, schema=self._schema))

    def _flush(self) -> None:
        if self._buffer:
            self._writer.write_table(pa.concat_tables(self._buffer))
            self._rows += self._buffered
            self._buffer, self._buffered = [], 0

    def publish(self, report: str, sweep_id: str, part: int) -> TableFile:
        self._flush()
        self._writer.close()
        path = file_path(sweep_id, part)
        with open(self._path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        uri = storage.join(report, self._table, path)
        if not storage.create_from(self._path, uri):
            return self._standing(uri, path, digest)
        return TableFile(path, os.path.getsize(self._path), self._rows, self._table, digest)

    def _standing(self, uri: str, path: str, digest: str) -> TableFile:
        """The file that an earlier attempt wrote, which nothing replaces: it may be committed by now."""
        content = storage.read_bytes(uri)
        found = hashlib.sha256(content).hexdigest()
        # another version of Parquet's library may write the same rows in other bytes
        if found != digest and not pq.read_table(io.BytesIO(content)).equals(pq.read_table(self._path)):
            raise VadrayError(
                f"{uri}: expected the rows that follow from this sweep's scores, or no file; an earlier attempt, "
                "perhaps of another version of vadray, wrote others. Delete it, or choose another sweep_id"
            )
        return TableFile(path, len(content), self._rows, self._table, found)
