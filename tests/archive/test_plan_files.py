"""The plan on disk: every row once, objects whole in one part, memory bounded."""

import os
import tracemalloc
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vadray import storage
from vadray.archive import plan_files
from vadray.archive.objects import ArchiveObject
from vadray.archive.plan import PLAN_SCHEMA, BundlePlan, Probed, part_of, plan_units
from vadray.archive.plan_files import read_part, read_part_rows, read_units, write_plan
from vadray.archive.routing import Route

WHEN = datetime(2026, 11, 22, 1, 2, 3, 456, tzinfo=UTC)


def rows_of(count, unit_images=5):
    cuts = [(None, None, 10), (5, 10, 20), (15, 20, None)]
    probed = (
        Probed(ArchiveObject(f"/a/{i} #ä.mp4", "video", 999, f"{i}", WHEN, "cam", WHEN), cuts, 30)
        if i % 4 == 0
        else Probed(ArchiveObject(f"/a/{i}%.jpg", "image", 9, f"{i}", WHEN))
        for i in range(count)
    )
    routes = [Route(0, "image"), Route(1, "video")]
    return plan_units(
        probed, root="/a", routes=routes, bundles=[BundlePlan("d", 10, 5)] * 2, unit_images=unit_images
    )


def read_all(files):
    return [row for _, path, _ in files for row in read_part_rows(path)]


@pytest.mark.parametrize("parts", [None, 1, 7])
def test_all_rows_come_back_in_plan_order_within_their_part(tmp_path, monkeypatch, parts):
    monkeypatch.setattr(plan_files, "_BATCH_MEMBERS", 50)  # so that 600 objects make many batches
    rows = list(rows_of(600))
    files = write_plan(iter(rows), parts, str(tmp_path))
    count = parts or -(-len(rows) // 64)
    assert [part for part, _, _ in files] == list(range(count))
    assert sorted(os.listdir(tmp_path)) == [f"part-{part:05d}.parquet" for part in range(count)]
    order = {row["unit_id"]: place for place, row in enumerate(rows)}
    for part, path, row_count in files:
        held = list(read_part_rows(path))
        assert len(held) == row_count == pq.read_metadata(path).num_rows
        assert [order[row["unit_id"]] for row in held] == sorted(order[row["unit_id"]] for row in held)
        assert all(row["part"] == part == part_of(row["members"][0]["object_uri"], count) for row in held)
    by_id = {row["unit_id"]: row for row in read_all(files)}
    assert len(by_id) == len(rows)
    for row in rows:
        assert by_id[row["unit_id"]] == row | {"part": by_id[row["unit_id"]]["part"]}


def test_the_same_plan_makes_the_same_bytes(tmp_path):
    contents = []
    for attempt in ("a", "b"):
        files = write_plan(rows_of(300), None, str(tmp_path / attempt))
        contents.append([storage.read_bytes(path) for _, path, _ in files])
    assert contents[0] == contents[1]


def test_an_empty_plan_is_one_empty_part(tmp_path):
    [(part, path, rows)] = write_plan([], None, str(tmp_path))
    assert (part, rows, list(read_part(path))) == (0, 0, [])
    assert pq.read_schema(path).equals(PLAN_SCHEMA)


def test_a_part_is_read_from_where_it_was_uploaded(place, tmp_path):
    files = write_plan(rows_of(100), 2, str(tmp_path / "local"))
    for part, path, _ in files:
        uri = storage.join(place, f"plan/part-{part:05d}.parquet")
        storage.upload(path, uri)
        assert list(read_part_rows(uri)) == list(read_part_rows(path))
        batches = list(read_part(uri, columns=["unit_id", "part"]))
        assert pa.Table.from_batches(batches).column_names == ["unit_id", "part"]


@pytest.mark.parametrize(
    "wanted", [slice(0), slice(3, 4), slice(None, None, 7), slice(-5, None), slice(None)]
)
def test_some_units_are_read_without_the_others(tmp_path, monkeypatch, wanted):
    monkeypatch.setattr(plan_files, "_BATCH_MEMBERS", 20)
    monkeypatch.setattr(plan_files, "_BUFFERED_BATCHES", 2)
    [(_, path, _)] = write_plan(rows_of(300), 1, str(tmp_path))
    assert pq.ParquetFile(path).num_row_groups > 3
    rows = list(read_part_rows(path))[wanted]
    found = read_units(path, pa.array([row["unit_id"] for row in rows], pa.string()))
    assert [row for table in found for row in table.to_pylist()] == rows


def test_a_failure_while_planning_leaves_no_spool(tmp_path):
    def failing():
        yield from rows_of(10)
        raise RuntimeError("listing broke")

    with pytest.raises(RuntimeError, match="listing broke"):
        write_plan(failing(), None, str(tmp_path))
    assert os.listdir(tmp_path) == []


def test_memory_does_not_grow_with_the_plan(tmp_path, monkeypatch):
    """Python's own memory: the rows are streamed, not gathered."""
    monkeypatch.setattr(plan_files, "_BATCH_MEMBERS", 200)

    def peak_bytes(count):
        tracemalloc.start()
        try:
            write_plan(rows_of(count), 4, str(tmp_path / f"of {count}"))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak_bytes(100)
    assert peak_bytes(3000) < 1.3 * peak_bytes(750)
