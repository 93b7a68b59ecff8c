"""Compaction at its real size: a report of gigabytes of rows, in files of 128 to 512 MB."""

import json

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from tests.report.rows import commit_files, event_row, frame_row, object_row, table_file, write_part
from vadray import cli
from vadray.report.delta_log import FileInfo
from vadray.report.schemas import TABLES
from vadray.report.tables import file_path

pytestmark = [pytest.mark.ray, pytest.mark.soak]

PARTS, FRAMES = 100, 230_000
FIGURES = (
    "count(*), sum(frame_index), sum(hash(object_uri, frame_index, score, p_value, motion)::hugeint)"
    ", count(distinct object_uri)"
)


def frames_of(part: int) -> pa.Table:
    """Rows as a day of footage leaves them: numbers that count, and measurements that do not compress."""
    drawn = np.random.default_rng(part)
    one = pa.Table.from_pylist([frame_row(f"/a/camera=7/{part:05}.mp4", 0)], TABLES["frames"])
    rows = one.take(pa.array(np.zeros(FRAMES, np.int64)))
    for name in ("score", "p_value", "brightness", "sharpness", "motion"):
        place = rows.schema.get_field_index(name)
        rows = rows.set_column(place, rows.field(name), pa.array(drawn.random(FRAMES, np.float32)))
    for name, values in (("frame_index", np.arange(FRAMES)), ("time_s", np.arange(FRAMES) / 25)):
        rows = rows.set_column(rows.schema.get_field_index(name), rows.field(name), pa.array(values))
    return rows.cast(TABLES["frames"])


def committed(report) -> None:
    written = []
    for part in range(PARTS):
        path = report / "frames" / file_path("night", part)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(frames_of(part), path, compression="zstd")
        uri = f"/a/camera=7/{part:05}.mp4"
        infos = {
            "frames": FileInfo(file_path("night", part), path.stat().st_size, FRAMES),
            "events": write_part(report, "events", "night", part, [event_row(uri, part)]),
            "objects": write_part(report, "objects", "night", part, [object_row(uri)]),
        }
        written += [table_file(report, table, info) for table, info in infos.items()]
    commit_files(report, "night", written)


def seen(report) -> tuple:
    """What a reader of the files sees, which must be what a reader of the log sees."""
    (by_glob,) = duckdb.sql(f"select {FIGURES} from '{report}/frames/sweep=*/*.parquet'").fetchall()
    named = DeltaTable(str(report / "frames")).file_uris()
    assert duckdb.sql(f"select {FIGURES} from read_parquet({named})").fetchall() == [by_glob]
    return by_glob


def test_files_become_128_to_512_mb_and_keep_their_rows(tmp_path, cluster, capsys):
    committed(tmp_path)
    before = seen(tmp_path)
    assert before[0] == PARTS * FRAMES
    assert cli.main(["compact", str(tmp_path)]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    sizes = [path.stat().st_size / 1e6 for path in sorted(tmp_path.glob("frames/sweep=night/*.parquet"))]
    print(json.dumps({**result, "frames": before[0], "frames_mb": [round(size) for size in sizes]}))
    assert seen(tmp_path) == before
    assert len(sizes) > 1 and all(128 <= size <= 512 for size in sizes)
    assert result["files_before"] == 3 * PARTS and result["files_after"] == len(sizes) + 2
