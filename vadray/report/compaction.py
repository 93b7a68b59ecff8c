"""Small files of a sweep's table merged into large ones, rows in the order they had; nothing of Ray in here."""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq

from vadray import storage
from vadray.errors import VadrayError
from vadray.report import delta_log, files, tables
from vadray.report.files import Change, TableFile
from vadray.report.schemas import PARTITION, TABLES, conformed

_NAME = re.compile(r"part-(?P<first>\d{5})(?:-(?P<last>\d{5}))?(?:\.(?P<edition>\d+))?\.parquet")
_ROW_GROUP_ROWS, _ROW_GROUP_BYTES = 65536, 64 * 2**20  # events have pictures
_BATCH_ROWS = 4096


def groups(standing: Sequence[TableFile], target_bytes: int) -> list[list[TableFile]]:
    """Runs of neighbouring files that are worth merging.

    A file of half the target stands as it is. A run ends once it reaches the target, so what comes of it is between
    half and one and a half targets large, but for what is left at the end of a table or between two large files.

    Args:
        standing: Files of one table, in the order of their rows.
        target_bytes: Size that is aimed at.
    """
    found: list[list[TableFile]] = [[]]
    for file in standing:
        if file.bytes * 2 >= target_bytes or sum(one.bytes for one in found[-1]) >= target_bytes:
            found.append([])
        if file.bytes * 2 < target_bytes:
            found[-1].append(file)
    return [group for group in found if len(group) > 1]


def merged_path(group: Sequence[TableFile]) -> str:
    """Where a group's rows go. Named after its first and last part, so that names sort as the rows do."""
    folder, _, first = group[0].path.rpartition("/")
    last = group[-1].path.rpartition("/")[2]
    return f"{folder}/part-{_parts(first)[0]}-{_parts(last)[1]}.parquet"


def _parts(name: str) -> tuple[str, str]:
    found = _NAME.fullmatch(name)
    if found is None:
        raise VadrayError(f"{name}: expected the name of a sweep's file, as part-00000.parquet")
    return found["first"], found["last"] or found["first"]


def next_path(path: str) -> str:
    """Where a file's rows go when some of them are taken out: no path ever names other rows than it named before."""
    folder, _, name = path.rpartition("/")
    found = _NAME.fullmatch(name)
    edition = int(found["edition"] or 0) + 1 if found else 1
    first, last = _parts(name)
    return f"{folder}/part-{first}-{last}.{edition}.parquet"


def merge(report_uri: str, group: Sequence[TableFile]) -> TableFile:
    """Writes a group's rows into one file, streamed; where such a file lies that no change tells of, over it.

    Raises:
        VadrayError: The rows are not as many as they were.
    """
    table, path = group[0].table, merged_path(group)
    with tempfile.TemporaryDirectory(prefix="vadray-compact-") as folder:
        local, rows = os.path.join(folder, "merged.parquet"), 0
        with pq.ParquetWriter(local, TABLES[table], compression="zstd") as writer:
            for row_group in row_groups(_batches(report_uri, group)):
                writer.write_table(row_group)
                rows += row_group.num_rows
        expected = sum(file.rows for file in group)
        if rows != expected:
            raise VadrayError(
                f"{table}/{group[0].path} to {group[-1].path}: expected {expected} rows, found {rows}; nothing was "
                "changed, and `vadray verify` tells more"
            )
        with open(local, "rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
        storage.upload(local, storage.join(report_uri, table, path))
        return TableFile(path, os.path.getsize(local), rows, table, digest)


def _batches(report_uri: str, group: Sequence[TableFile]) -> Iterator[pa.RecordBatch]:
    for file in group:
        with storage.open_read(storage.join(report_uri, file.table, file.path)) as handle:
            for batch in pq.ParquetFile(handle).iter_batches(batch_size=_BATCH_ROWS):
                yield conformed(batch, TABLES[file.table])


def row_groups(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Rows in groups that are neither tiny nor more than memory should hold."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        rows, size = sum(one.num_rows for one in held), sum(one.nbytes for one in held)
        if rows >= _ROW_GROUP_ROWS or size >= _ROW_GROUP_BYTES:
            yield pa.Table.from_batches(held)
            held = []
    if held:
        yield pa.Table.from_batches(held)


def change_of(
    table: str,
    group: Sequence[TableFile],
    added: TableFile | None,
    rows_gone: int = 0,
    pictures_gone: bool = False,
) -> Change:
    """What `files.record` takes."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return Change(table, [file.path for file in group], added, at, rows_gone, pictures_gone)


def apply(report_uri: str, sweep_id: str, change: Change) -> None:
    """Makes a change count, and carries it out."""
    files.record(report_uri, sweep_id, change)
    carry_out(report_uri, sweep_id, change)


def carry_out(report_uri: str, sweep_id: str, change: Change) -> None:
    """Puts a recorded change into the table's Delta log, in one commit, and deletes what it removed; repeatable."""
    if change.table == files.SCORES:
        storage.delete_folder(tables.sweep_folder(report_uri, sweep_id, files.SCORES))
        return
    logged = delta_log.logged_files(report_uri, change.table, sweep_id)
    if logged & set(change.removed):
        delta_log.replace_files(
            report_uri, change.table, sweep_id, change.removed, change.added, same_rows=not change.edited
        )
    for path in change.removed:
        storage.delete(storage.join(report_uri, change.table, path))


def delete_leftovers(
    report_uri: str, sweep_id: str, table: str, standing: Sequence[TableFile], since: Sequence[Change]
) -> None:
    """Deletes what interrupted compactions left: files that any change replaced, and merged ones of no change.

    Others that do not stand are for `verify` to tell of.

    Args:
        report_uri: Folder of the report.
        sweep_id: A committed sweep.
        table: `frames`, `events` or `objects`.
        standing: The table's files.
        since: All recorded changes.
    """
    replaced = files.replaced(since, table)
    folder = storage.join(report_uri, table, f"{PARTITION}={sweep_id}")
    there = {f"{PARTITION}={sweep_id}/{name}" for name in storage.list_names(folder)}
    for path in there - {file.path for file in standing}:
        name = _NAME.fullmatch(path.rpartition("/")[2])
        if path in replaced or (name is not None and name["last"]):
            storage.delete(storage.join(report_uri, table, path))
