"""Compaction without Ray: what is merged, and that a table's readers see the same rows before, meanwhile and after."""

import itertools

import duckdb
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from hypothesis import given
from hypothesis import strategies as st

from tests.report.rows import (
    commit_files,
    event_row,
    frame_row,
    object_row,
    table_file,
    thumbnail,
    write_part,
)
from vadray import storage
from vadray.errors import VadrayError
from vadray.report import compaction, files
from vadray.report.files import TableFile
from vadray.report.tables import iter_table, read_table

TABLES = ("frames", "events", "objects")


def file_of(report, table: str, part: int, rows: list[dict]) -> TableFile:
    return table_file(report, table, write_part(report, table, "night", part, rows))


def write_sweep(report, parts: int = 5) -> dict:
    written = []
    for part in range(parts):
        uri = f"/a/{part}.mp4"
        written.append(file_of(report, "frames", part, [frame_row(uri, i) for i in range(3)]))
        written.append(file_of(report, "events", part, [event_row(uri, part, thumbnail=thumbnail())]))
        written.append(file_of(report, "objects", part, [object_row(uri)]))
    return commit_files(report, "night", written)


def merge_all(report, commit: dict, table: str, target: int = 2**20) -> None:
    standing = files.current(commit, files.changes(str(report), "night"))[table]
    for group in compaction.groups(standing, target):
        made = compaction.change_of(table, group, compaction.merge(str(report), group))
        files.record(str(report), "night", made)
        compaction.carry_out(str(report), "night", made)


def delta_rows(report, table: str) -> list[dict]:
    key = "frame_index" if table == "frames" else "object_uri"
    rows = DeltaTable(str(report / table)).to_pyarrow_table().drop(["sweep"]).to_pylist()
    return sorted(rows, key=lambda row: (row["object_uri"], row[key]))


@given(
    sizes=st.lists(st.integers(0, 700), max_size=40),
)
def test_merged_files_are_neighbours_and_between_half_and_one_and_a_half_targets(sizes):
    standing = [TableFile(f"part-{i:05d}.parquet", size, 1, "frames", "") for i, size in enumerate(sizes)]
    found = compaction.groups(standing, 400)
    for group in found:
        first = standing.index(group[0])
        assert group == standing[first : first + len(group)] and len(group) > 1
        assert sum(file.bytes for file in group) < 600
        assert all(file.bytes < 200 for file in group), "what is large enough stands as it is"
    # nothing that could be merged is left: two small neighbours are in a group each, whose first one is full
    group_of = {file.path: number for number, group in enumerate(found) for file in group}
    for one, other in itertools.pairwise(standing):
        if max(one.bytes, other.bytes) < 200 and group_of.get(one.path) != group_of.get(other.path):
            number = group_of.get(one.path)
            alone = [one] if number is None else found[number]
            assert sum(file.bytes for file in alone) >= 400 or group_of.get(other.path) is None


def test_the_same_rows_in_the_same_order_in_one_file(report):
    commit = write_sweep(report)
    before = {table: read_table(str(report), table, "night") for table in TABLES}
    by_delta = {table: delta_rows(report, table) for table in TABLES}
    for table in TABLES:
        merge_all(report, commit, table)
        assert read_table(str(report), table, "night").equals(before[table])
        assert delta_rows(report, table) == by_delta[table]
        glob = f"{report}/{table}/sweep=*/*.parquet"
        assert duckdb.sql(f"select count(*) from '{glob}'").fetchall() == [(before[table].num_rows,)]
        (only,) = (report / table / "sweep=night").iterdir()
        assert only.name == "part-00000-00004.parquet"
        assert pq.read_schema(only).metadata[b"vadray.schema_version"] == b"2"


def test_compacted_again_it_goes_on_from_what_it_made(report):
    commit = write_sweep(report, parts=6)
    one = files.current(commit, [])["frames"][0].bytes
    merge_all(report, commit, "frames", target=2 * one + one // 2)
    halves = files.current(commit, files.changes(str(report), "night"))["frames"]
    assert [file.path[-16:] for file in halves] == ["00-00002.parquet", "03-00005.parquet"]
    merge_all(report, commit, "frames")
    assert [b["object_uri"][0].as_py() for b in iter_table(str(report), "frames", "night", batch_rows=3)] == [
        f"/a/{part}.mp4" for part in range(6)
    ]
    assert len(list((report / "frames" / "sweep=night").iterdir())) == 1


@pytest.mark.parametrize("done", ["recorded", "logged", "half deleted"])
def test_what_was_interrupted_is_finished(report, done):
    commit = write_sweep(report)
    expected = delta_rows(report, "frames")
    (group,) = compaction.groups(files.current(commit, [])["frames"], 2**20)
    change = compaction.change_of("frames", group, compaction.merge(str(report), group))
    files.record(str(report), "night", change)
    if done != "recorded":
        compaction.carry_out(str(report), "night", change)
    if done == "half deleted":
        storage.write_bytes(f"{report}/frames/{group[-1].path}", b"a file that was to go")
    compaction.carry_out(str(report), "night", change)
    assert delta_rows(report, "frames") == expected
    assert [path.name for path in (report / "frames" / "sweep=night").iterdir()] == [
        "part-00000-00004.parquet"
    ]
    assert DeltaTable(str(report / "frames")).version() == 2, "logged once"


def test_a_merged_file_that_no_change_tells_of_is_deleted_and_others_are_not(report):
    commit = write_sweep(report)
    standing = files.current(commit, [])["frames"]
    compaction.merge(str(report), standing[:2])
    stranger = report / "frames" / "sweep=night" / "part-00077.parquet"
    stranger.write_bytes(b"somebody's")
    compaction.delete_leftovers(str(report), "night", "frames", standing, [])
    names = sorted(path.name for path in stranger.parent.iterdir())
    assert names == [f"part-{part:05d}.parquet" for part in range(5)] + [stranger.name]


def test_a_file_that_any_change_replaced_is_deleted_not_only_one_of_the_last(report):
    commit = write_sweep(report)
    for table in ("frames", "objects"):
        merge_all(report, commit, table)
    back = report / "frames" / "sweep=night" / "part-00001.parquet"
    back.write_bytes(b"replaced long ago")
    since = files.changes(str(report), "night")
    assert since[-1].table == "objects"
    compaction.delete_leftovers(str(report), "night", "frames", files.current(commit, since)["frames"], since)
    assert [path.name for path in back.parent.iterdir()] == ["part-00000-00004.parquet"]


def test_a_file_with_other_rows_than_were_committed_is_not_merged(report):
    commit = write_sweep(report)
    standing = files.current(commit, [])["frames"]
    write_part(report, "frames", "night", 1, [frame_row("/a/1.mp4", 0)])
    with pytest.raises(VadrayError, match="expected 15 rows, found 13; nothing was changed"):
        compaction.merge(str(report), standing)
    assert len(list((report / "frames" / "sweep=night").iterdir())) == 5


def test_what_is_dropped_is_gone_from_log_and_folder(report):
    commit = write_sweep(report)
    standing = files.current(commit, [])["frames"]
    change = compaction.change_of("frames", standing, None)
    files.record(str(report), "night", change)
    compaction.carry_out(str(report), "night", change)
    since = files.changes(str(report), "night")
    assert files.dropped(since) == {"frames": change.at}
    assert files.current(commit, since)["frames"] == [] != files.current(commit, since)["events"]
    assert delta_rows(report, "frames") == [] and len(delta_rows(report, "events")) == 5
    assert not list((report / "frames" / "sweep=night").iterdir())
