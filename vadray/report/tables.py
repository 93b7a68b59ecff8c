"""The report's Delta tables: one atomic commit a table and sweep, and streamed reading.

Data files are written by the sweep under names that follow from sweep and part alone
(`frames/sweep=<sweep_id>/part-00000.parquet`); `commit_tables` only adds them to the table's log. Two drivers
that finalise the same sweep therefore add the same paths with the same bytes, and Delta keeps one of each.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vadray import storage
from vadray.errors import RequestError
from vadray.report import delta_log
from vadray.report.delta_log import FileInfo
from vadray.report.schemas import PARTITION, TABLES, conformed

SWEEPS = "_sweeps"
Commit = dict[str, Any]  # content of a commit.json
COMMIT = "commit.json"
# delta-rs loses the table, its history or the glob when the path holds one of these
UNSAFE_IN_REPORT_URI = "%#?*["
SWEEP_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


def check_names(report_uri: str, sweep_id: str) -> None:
    """Refuse a report or sweep that the tables could not hold; call it before the night's work, not after.

    Raises:
        RequestError: `report_uri` holds one of `% # ? * [`, or `sweep_id` is not made of 1 to 200 letters,
            digits, dots, dashes and underscores, the first a letter or digit.
    """
    found = sorted(set(report_uri) & set(UNSAFE_IN_REPORT_URI))
    if found:
        raise RequestError(
            f"`out`: a report's path must not contain any of {' '.join(UNSAFE_IN_REPORT_URI)} "
            f"(Delta tables cannot be read there). Received: {report_uri!r} with {' '.join(found)}"
        )
    if not SWEEP_ID.fullmatch(sweep_id):
        raise RequestError(
            "`sweep_id`: expected 1 to 200 letters, digits, '.', '-' or '_', the first a letter or digit. "
            f"Received: {sweep_id!r}"
        )


def file_path(sweep_id: str, part: int) -> str:
    """Path of a part's data file, relative to its table."""
    return f"{PARTITION}={sweep_id}/part-{part:05d}.parquet"


def commit_tables(report_uri: str, sweep_id: str, files: Mapping[str, Sequence[FileInfo]]) -> dict[str, int]:
    """Add a sweep's files to the tables, each table in one atomic commit.

    A table that already holds the sweep is left alone, so that an interrupted finalise can be repeated.
    Sweeps committed at the same time by other processes all succeed.

    Args:
        report_uri: Root of the report.
        sweep_id: The sweep; becomes the partition value.
        files: For each table name (`frames`, `events`, `objects`) its files, at least one, already written.

    Returns: For each table the Delta version that holds the sweep.

    Raises:
        RequestError: an unknown table, a table without files, a path outside the sweep's partition, or a name
            that `check_names` refuses.
        CommitFailedError: other writers won twenty times in a row.
    """
    check_names(report_uri, sweep_id)
    for table, entries in files.items():
        _check_files(table, sweep_id, entries)
    return {
        table: delta_log.append_files(report_uri, table, sweep_id, entries)
        for table, entries in files.items()
    }


def _check_files(table: str, sweep_id: str, entries: Sequence[FileInfo]) -> None:
    if table not in TABLES:
        raise RequestError(f"`files`: expected tables among {sorted(TABLES)}. Received: {table!r}")
    if not entries:
        raise RequestError(
            f"`files`: expected at least one file for table {table!r}, if empty. Received: none"
        )
    for entry in entries:
        if not entry.path.startswith(f"{PARTITION}={sweep_id}/"):
            raise RequestError(
                f"`files`: expected paths under '{PARTITION}={sweep_id}/' in table {table!r}. "
                f"Received: {entry.path!r}"
            )


def iter_table(
    report_uri: str,
    table: str,
    sweep_id: str,
    columns: Sequence[str] | None = None,
    batch_rows: int = 65536,
) -> Iterator[pa.RecordBatch]:
    """Stream one sweep's rows of a table in the order of its files, without the partition column.

    Reads what lies in the sweep's partition, so it also serves before the commit, for verification. Memory is
    one row group, whatever the size of the sweep. A sweep without files yields nothing.

    Args:
        report_uri: Root of the report.
        table: `frames`, `events` or `objects`.
        sweep_id: The sweep to read.
        columns: Names to read, in any order (the batches keep the schema's order); all by default.
        batch_rows: Rows in a batch at most.

    Raises:
        RequestError: unknown table or column.
    """
    if table not in TABLES:
        raise RequestError(f"`table`: expected one of {sorted(TABLES)}. Received: {table!r}")
    unknown = sorted(set(columns or ()) - set(TABLES[table].names))
    if unknown:
        raise RequestError(
            f"`columns`: expected names among {TABLES[table].names} of table {table!r}. Received: {unknown}"
        )
    fields = [field for field in TABLES[table] if columns is None or field.name in columns]
    schema = pa.schema(fields, metadata=TABLES[table].metadata)
    folder = storage.join(report_uri, table, f"{PARTITION}={sweep_id}")
    for file_name in sorted(storage.list_names(folder)):
        if file_name.endswith(".parquet"):
            with storage.open_read(storage.join(folder, file_name)) as handle:
                for batch in pq.ParquetFile(handle).iter_batches(batch_size=batch_rows, columns=schema.names):
                    yield conformed(batch, schema)


def read_table(report_uri: str, table: str, sweep_id: str, columns: Sequence[str] | None = None) -> pa.Table:
    """One sweep's rows of a table in memory: for `events`, `objects` and tests; stream `frames` instead."""
    batches = list(iter_table(report_uri, table, sweep_id, columns))
    schema = TABLES[table]
    if columns is not None:
        schema = pa.schema([field for field in schema if field.name in columns], metadata=schema.metadata)
    return pa.Table.from_batches(batches, batches[0].schema if batches else schema)


def sweep_folder(report_uri: str, sweep_id: str, *names: str) -> str:
    """Where a sweep keeps its plan, scores and the like, or `names` in there."""
    return storage.join(report_uri, SWEEPS, sweep_id, *names)


def commit_uri(report_uri: str, sweep_id: str) -> str:
    """Where the sweep's `commit.json` lies once it is committed."""
    return sweep_folder(report_uri, sweep_id, COMMIT)


def read_commit(report_uri: str, sweep_id: str) -> dict[str, Any] | None:
    """The sweep's `commit.json`, or None while the sweep is not committed."""
    uri = commit_uri(report_uri, sweep_id)
    return json.loads(storage.read_bytes(uri)) if storage.exists(uri) else None


def committed_sweeps(report_uri: str) -> list[tuple[str, dict[str, Any]]]:
    """Every committed sweep with its `commit.json`, the newest first."""
    found = []
    for sweep_id in storage.list_names(storage.join(report_uri, SWEEPS)):
        commit = read_commit(report_uri, sweep_id)
        if commit is not None:
            found.append((sweep_id, commit))
    return sorted(found, key=lambda item: (item[1]["committed_at"], item[0]), reverse=True)


def latest_sweep(report_uri: str) -> str | None:
    """The id of the newest committed sweep, or None where there is none."""
    sweeps = committed_sweeps(report_uri)
    return sweeps[0][0] if sweeps else None
