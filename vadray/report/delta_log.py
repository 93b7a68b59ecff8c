"""The Delta logs of the report's tables: files that are already written are added, or replaced, in one atomic commit."""

import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from vadray import storage
from vadray.report.schemas import PARTITION, TABLES

SWEEP_METADATA = "vadray.sweep"  # in the log's commitInfo: which version a sweep became

COMMIT_ATTEMPTS = 20
STORE_ATTEMPTS = 8

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class FileInfo:
    """A data file already written: `path` relative to its table, size in `bytes`, number of `rows`."""

    path: str
    bytes: int
    rows: int


def table_schema(table: str) -> pa.Schema:
    """Schema of the Delta table: that of its files, and the partition column `sweep`."""
    return TABLES[table].append(pa.field(PARTITION, pa.string(), nullable=False))


def append_files(report_uri: str, table: str, sweep_id: str, entries: Sequence[FileInfo]) -> int:
    """Adds a sweep's files to a table that does not hold the sweep yet; returns the version that does.

    Raises:
        CommitFailedError: Other writers won twenty times in a row.
    """
    uri = storage.join(report_uri, table)
    options = storage.delta_options(uri)
    app_id = f"vadray-{sweep_id}"

    def append() -> int:
        delta = _open_or_create(uri, table, options)
        # an app transaction does not refuse its own repetition: look before committing
        if delta.transaction_version(app_id) is None:
            delta.create_write_transaction(
                _add_actions(sweep_id, entries, new_rows=True),
                mode="append",
                schema=table_schema(table),
                partition_by=[PARTITION],
                commit_properties=CommitProperties(
                    custom_metadata={SWEEP_METADATA: sweep_id},
                    app_transactions=[Transaction(app_id, 1)],
                ),
            )
        return _version_of(uri, sweep_id, options)

    return _again_where_others_won(append)


def replace_files(
    report_uri: str,
    table: str,
    sweep_id: str,
    removed: Sequence[str],
    added: FileInfo | None,
    same_rows: bool = True,
) -> None:
    """Takes files of a sweep out of a table, and puts one in their place, with the same rows or not, or none.

    Raises:
        CommitFailedError: Other writers won twenty times in a row.
    """
    uri = storage.join(report_uri, table)
    options = storage.delta_options(uri)
    removals = [
        RemoveAction(
            path=path,
            deletion_timestamp=int(time.time() * 1000),
            data_change=added is None or not same_rows,
            partition_values={PARTITION: sweep_id},
        )
        for path in removed
    ]
    additions = _add_actions(sweep_id, [added] if added else [], new_rows=not same_rows)
    _again_where_others_won(
        lambda: DeltaTable(uri, storage_options=options).create_write_transaction(
            [*removals, *additions],
            mode="append",
            schema=table_schema(table),
            partition_by=[PARTITION],
        )
    )


def logged_files(report_uri: str, table: str, sweep_id: str) -> set[str]:
    """Paths of a sweep's files in a table, relative to it, as the newest version of its Delta log has them."""
    uri = storage.join(report_uri, table)
    try:
        actions = pa.table(
            DeltaTable(uri, storage_options=storage.delta_options(uri)).get_add_actions(flatten=True)
        )
    except TableNotFoundError:
        return set()
    own = actions.filter(pc.equal(actions[f"partition.{PARTITION}"], sweep_id))
    return set(own["path"].to_pylist())


def _again_where_others_won(commit: Callable[[], _Result]) -> _Result:
    for attempt in range(COMMIT_ATTEMPTS):
        try:
            return commit()
        # another writer took the version we were to write; or the store broke off an answer, which delta-rs does not
        # ask for again
        except (DeltaError, OSError) as error:
            most = COMMIT_ATTEMPTS if isinstance(error, CommitFailedError) else STORE_ATTEMPTS
            if attempt >= most - 1:
                raise
            time.sleep(random.uniform(0.05, 0.2) * min(attempt + 1, 10))
    raise AssertionError("unreachable: the last attempt returns or raises")


def _open_or_create(uri: str, table: str, options: dict[str, str]) -> DeltaTable:
    if not DeltaTable.is_deltatable(uri, options):
        try:
            DeltaTable.create(
                uri, table_schema(table), mode="ignore", partition_by=[PARTITION], storage_options=options
            )
        except DeltaError:
            # two first sweeps at once: version 0 is the other's, which is as good as ours
            if not DeltaTable.is_deltatable(uri, options):
                raise
    delta = DeltaTable(uri, storage_options=options)
    known = {field.name for field in delta.schema().fields}
    missing = [field for field in table_schema(table) if field.name not in known]
    if missing:  # an earlier version's table: its rows are null there
        delta.alter.add_columns(Schema.from_arrow(pa.schema(missing)).fields)
        delta = DeltaTable(uri, storage_options=options)
    return delta


def _add_actions(
    sweep_id: str, entries: Sequence[FileInfo], new_rows: bool
) -> list[AddAction | RemoveAction]:
    now_ms = int(time.time() * 1000)
    return [
        AddAction(
            path=entry.path,
            size=entry.bytes,
            partition_values={PARTITION: sweep_id},
            modification_time=now_ms,
            data_change=new_rows,
            stats=json.dumps({"numRecords": entry.rows}),
        )
        for entry in entries
    ]


def _version_of(uri: str, sweep_id: str, options: dict[str, str]) -> int:
    """The version whose log entry names the sweep; the table's own version once the log has been cleaned."""
    delta = DeltaTable(uri, storage_options=options)
    for limit in (32, None):
        for entry in delta.history(limit):
            if entry.get(SWEEP_METADATA) == sweep_id:
                return int(entry["version"])
    return delta.version()
