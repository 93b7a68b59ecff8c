"""Rows and files of a report, written as the sweep writes them."""

import hashlib
import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vadray.report.delta_log import FileInfo
from vadray.report.files import TableFile
from vadray.report.schemas import TABLES
from vadray.report.tables import commit_tables, file_path

NIGHT = datetime(2026, 11, 22, 1, 30, tzinfo=UTC)


def frame_row(uri: str, index: int, **changes) -> dict:
    row = {
        "object_uri": uri,
        "camera": "gate",
        "frame_index": index,
        "time_s": index / 10,
        "captured_at": NIGHT + timedelta(seconds=index / 10),
        "score": 0.1,
        "p_value": 0.5,
        "anomalous": False,
        "peak_x": 3,
        "peak_y": 4,
        "brightness": 100.0,
        "sharpness": 50.0,
        "motion": 1.0,
    }
    return row | changes


def event_row(uri: str, number: int, **changes) -> dict:
    row = {
        "event_id": f"event-{number:06d}",
        "object_uri": uri,
        "camera": "gate",
        "start_frame": number,
        "end_frame": number + 4,
        "start_s": number / 10,
        "end_s": number / 10 + 0.4,
        "started_at": NIGHT,
        "peak_frame": number + 2,
        "peak_score": 2.0,
        "p_value": 0.001,
        "box_x": 1,
        "box_y": 2,
        "box_w": 30,
        "box_h": 40,
        "rule": None,
        "thumbnail": None,
        "heat": None,
        "strip": None,
    }
    return row | changes


def object_row(uri: str, **changes) -> dict:
    row = {
        "object_uri": uri,
        "camera": "gate",
        "kind": "video",
        "status": "scored",
        "error_type": None,
        "error": None,
        "bytes": 1000,
        "etag": "e",
        "scoring_digest": "d" * 32,
        "codec": "h264",
        "width": 192,
        "height": 128,
        "fps": 10.0,
        "frames_declared": 200,
        "frames_scored": 200,
        "duration_s": 20.0,
        "anomalous_frames": 0,
        "max_score": 0.4,
    }
    return row | changes


def thumbnail() -> bytes:
    picture = np.full((40, 60, 3), 90, np.uint8)
    cv2.rectangle(picture, (10, 10), (30, 30), (0, 0, 255), 2)
    return cv2.imencode(".jpg", picture)[1].tobytes()


def write_part(report, table: str, sweep_id: str, part: int, rows: list[dict]) -> FileInfo:
    path = report / table / file_path(sweep_id, part)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, TABLES[table]), path, compression="zstd")
    return FileInfo(file_path(sweep_id, part), path.stat().st_size, len(rows))


def write_tables(report, sweep_id: str, frames, events, objects) -> None:
    """A sweep's rows in its three tables, each in one file, and in their Delta logs."""
    rows = {"frames": frames, "events": events, "objects": objects}
    files = {table: [write_part(report, table, sweep_id, 0, list(part))] for table, part in rows.items()}
    commit_tables(str(report), sweep_id, files)


def write_commit(report, sweep_id: str, committed_at: datetime = NIGHT, **changes) -> dict:
    commit = {
        "schema_version": 1,
        "sweep_id": sweep_id,
        "archive": "/data/archive",
        "committed_at": committed_at.isoformat(),
    } | changes
    path = report / "_sweeps" / sweep_id / "commit.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(commit))
    return commit


def table_file(report, table: str, info: FileInfo) -> TableFile:
    """A written file as a commit names it."""
    digest = hashlib.sha256((report / table / info.path).read_bytes()).hexdigest()
    return TableFile(info.path, info.bytes, info.rows, table, digest)


def commit_files(report, sweep_id: str, written: list[TableFile]) -> dict:
    """Commits them as a sweep does: Delta logs, then `commit.json`, which is given back."""
    by_table = {table: [file for file in written if file.table == table] for table in TABLES}
    commit_tables(str(report), sweep_id, by_table)
    return write_commit(report, sweep_id, files=[asdict(file) for file in written], counts={})
