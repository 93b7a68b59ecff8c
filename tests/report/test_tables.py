import subprocess
import sys
from datetime import timedelta

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from deltalake.transaction import AddAction

from tests.patience import PATIENCE_S
from tests.report.rows import NIGHT, event_row, frame_row, object_row, write_commit, write_part
from vadray import storage
from vadray.errors import RequestError
from vadray.report.delta_log import FileInfo
from vadray.report.schemas import FRAMES, TABLES
from vadray.report.tables import (
    check_names,
    commit_tables,
    committed_sweeps,
    file_path,
    iter_table,
    latest_sweep,
    read_commit,
    read_table,
)


def write_sweep(report, sweep_id: str) -> dict[str, list[FileInfo]]:
    frames = [
        write_part(report, "frames", sweep_id, part, [frame_row(f"/a/{part}.mp4", i) for i in range(5)])
        for part in range(3)
    ]
    events = [write_part(report, "events", sweep_id, 0, [event_row("/a/0.mp4", 1)])]
    objects = [write_part(report, "objects", sweep_id, 0, [object_row("/a/0.mp4")])]
    return {"frames": frames, "events": events, "objects": objects}


def test_a_commit_is_one_version_a_table_and_reads_back_with_delta_and_duckdb(report):
    versions = commit_tables(str(report), "night-1", write_sweep(report, "night-1"))
    assert set(versions) == {"frames", "events", "objects"}
    delta = DeltaTable(str(report / "frames"))
    assert delta.version() == versions["frames"]
    assert delta.to_pyarrow_table().num_rows == 15
    assert pa.table(delta.get_add_actions(flatten=True)).column("num_records").to_pylist() == [5, 5, 5]
    glob = f"{report}/frames/sweep=*/*.parquet"
    rows = duckdb.sql(f"select count(*), min(sweep), count(captured_at) from '{glob}'").fetchall()
    assert rows == [(15, "night-1", 15)]


def test_a_sweep_committed_again_changes_nothing(report):
    files = write_sweep(report, "night-1")
    first = commit_tables(str(report), "night-1", files)
    commit_tables(str(report), "night-2", write_sweep(report, "night-2"))
    assert commit_tables(str(report), "night-1", files) == first
    delta = DeltaTable(str(report / "frames"))
    assert delta.version() == first["frames"] + 1
    assert delta.to_pyarrow_table().num_rows == 30


def test_an_interrupted_commit_is_completed(report):
    files = write_sweep(report, "night-1")
    first = commit_tables(str(report), "night-1", {"frames": files["frames"]})
    versions = commit_tables(str(report), "night-1", files)
    assert versions["frames"] == first["frames"]
    assert DeltaTable(str(report / "objects")).to_pyarrow_table().num_rows == 1


def test_sweeps_committed_at_once_by_several_processes_all_land(report):
    program = (
        "import sys; from vadray.report.delta_log import FileInfo; from vadray.report.tables import commit_tables, file_path; "
        "report, sweep_id, size = sys.argv[1:]; "
        "commit_tables(report, sweep_id, {'frames': [FileInfo(file_path(sweep_id, 0), int(size), 5)]})"
    )
    names = [f"night-{i}" for i in range(4)] + ["night-0"]  # and two drivers of one sweep
    processes = []
    for name in names:
        info = write_part(report, "frames", name, 0, [frame_row("/a.mp4", i) for i in range(5)])
        command = [sys.executable, "-c", program, str(report), name, str(info.bytes)]
        processes.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
    for process in processes:
        _, errors = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, errors
    counts = duckdb.arrow(DeltaTable(str(report / "frames")).to_pyarrow_table())
    assert counts.aggregate("sweep, count(*)").order("sweep").fetchall() == [
        (f"night-{i}", 5) for i in range(4)
    ]


def test_rows_stream_in_file_order_with_the_columns_asked_for(report):
    write_sweep(report, "night-1")
    batches = list(iter_table(str(report), "frames", "night-1", ["frame_index", "object_uri"], batch_rows=2))
    assert max(batch.num_rows for batch in batches) == 2
    rows = [(row["object_uri"], row["frame_index"]) for batch in batches for row in batch.to_pylist()]
    assert rows == [(f"/a/{part}.mp4", i) for part in range(3) for i in range(5)]
    assert batches[0].schema.names == ["object_uri", "frame_index"]


def test_an_absent_sweep_reads_as_an_empty_table(report):
    assert read_table(str(report), "frames", "never").schema.equals(FRAMES)
    assert read_table(str(report), "frames", "never", ["score"]).column_names == ["score"]


def test_committed_sweeps_come_newest_first_and_unfinished_ones_not_at_all(report):
    assert latest_sweep(str(report)) is None
    write_commit(report, "b", NIGHT)
    write_commit(report, "a", NIGHT + timedelta(days=1))
    (report / "_sweeps" / "running").mkdir()
    assert [sweep_id for sweep_id, _ in committed_sweeps(str(report))] == ["a", "b"]
    assert latest_sweep(str(report)) == "a"
    assert read_commit(str(report), "running") is None
    commit = read_commit(str(report), "b")
    assert commit is not None and commit["sweep_id"] == "b"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"frame": [FileInfo("sweep=s/part-00000.parquet", 1, 1)]}, "frame"),
        ({"frames": []}, "at least one file"),
        ({"frames": [FileInfo("sweep=other/part-00000.parquet", 1, 1)]}, "sweep=other"),
    ],
)
def test_files_that_do_not_belong_are_refused(report, files, message):
    with pytest.raises(RequestError, match=message):
        commit_tables(str(report), "s", files)
    assert not (report / "frames").exists()


@pytest.mark.parametrize(
    ("uri", "sweep_id"), [("/r%20", "s"), ("/r#1", "s"), ("/r", "a/b"), ("/r", ""), ("/r", ".s")]
)
def test_names_that_delta_could_not_hold_are_refused(uri, sweep_id):
    with pytest.raises(RequestError, match="Received"):
        check_names(uri, sweep_id)


@pytest.mark.parametrize(("table", "columns"), [("frame", None), ("frames", ["scores"])])
def test_unknown_tables_and_columns_are_refused(report, table, columns):
    with pytest.raises(RequestError, match="expected"):
        list(iter_table(str(report), table, "s", columns))


def test_a_report_in_a_bucket_is_committed_and_read_the_same_way(s3_server, report):
    files = write_sweep(report, "night-1")
    root = f"{s3_server.uri}/out/report"
    for table, entries in files.items():
        for entry in entries:
            storage.upload(str(report / table / entry.path), f"{root}/{table}/{entry.path}")
    first = commit_tables(root, "night-1", files)
    assert commit_tables(root, "night-1", files) == first
    rows = [row for batch in iter_table(root, "frames", "night-1") for row in batch.to_pylist()]
    assert [row["object_uri"] for row in rows[::5]] == ["/a/0.mp4", "/a/1.mp4", "/a/2.mp4"]
    delta = DeltaTable(f"{root}/frames", storage_options=storage.delta_options(root))
    assert delta.version() == first["frames"] and delta.to_pyarrow_table().num_rows == 15
    storage.write_bytes(f"{root}/_sweeps/night-1/commit.json", b'{"committed_at": "2026-11-22T02:00:00Z"}')
    assert latest_sweep(root) == "night-1"


def test_a_report_of_the_first_version_is_read_and_goes_on(report):
    """Its `events` have neither `heat` nor `strip`, in files and in the Delta log."""
    first = pa.schema([field for field in TABLES["events"] if field.name not in ("heat", "strip")])
    uri = report / "events"
    rows = [{name: value for name, value in event_row("a", 1).items() if name in first.names}]
    path = uri / file_path("one", 0)
    path.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows, first), path)
    partitioned = first.append(pa.field("sweep", pa.string(), nullable=False))
    DeltaTable.create(str(uri), partitioned, partition_by=["sweep"])
    add = AddAction(file_path("one", 0), path.stat().st_size, {"sweep": "one"}, 0, True, '{"numRecords": 1}')
    DeltaTable(str(uri)).create_write_transaction([add], "append", partitioned, ["sweep"])

    (read,) = read_table(str(report), "events", "one").to_pylist()
    assert read == {**event_row("a", 1), "started_at": read["started_at"], "p_value": read["p_value"]}
    new = event_row("b", 2, heat=b"png", strip=b"jpeg")
    commit_tables(str(report), "two", {"events": [write_part(report, "events", "two", 0, [new])]})
    table = DeltaTable(str(uri)).to_pyarrow_table().sort_by("sweep").to_pylist()
    assert [(row["sweep"], row["heat"], row["strip"]) for row in table] == [
        ("one", None, None),
        ("two", b"png", b"jpeg"),
    ]
