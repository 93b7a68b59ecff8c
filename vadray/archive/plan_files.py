"""The plan as Parquet, one file per part, written and read in bounded memory."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vadray import storage
from vadray.archive.plan import PLAN_SCHEMA, part_of, parts_for
from vadray.storage.parquet import undamaged

_BATCH_MEMBERS = 20_000  # Python rows held at once, some 20 MB
_BUFFERED_BATCHES = 8  # batches held, as Arrow, so that the row groups of 256 parts are not tiny
_READ_ROWS = 256
_SPOOL_NAME = "spool.parquet"


def write_plan(
    rows: Iterable[dict[str, Any]], parts: int | None, directory: str
) -> list[tuple[int, str, int]]:
    """Writes the rows of `plan_units` into local Parquet files (zstd), one per part, each in plan order.

    All rows of an object get the same part; a group goes by its first member.

    Args:
        rows: Rows without `part`.
        parts: Number of parts; None counts the rows first (in a spool file) and takes `parts_for`.
        directory: Local folder for the files, made where absent.

    Returns:
        `(part, path, rows)` of every part that has rows; of an empty plan part 0 with none.
    """
    os.makedirs(directory, exist_ok=True)
    batches = _batches(rows)
    if parts is not None:
        return _write_parts(batches, parts, directory)
    spool = os.path.join(directory, _SPOOL_NAME)
    try:
        unit_count = 0
        with pq.ParquetWriter(spool, PLAN_SCHEMA, compression="zstd") as writer:
            for batch in batches:
                writer.write_batch(batch)
                unit_count += batch.num_rows
        with pq.ParquetFile(spool) as spooled:
            groups = (spooled.read_row_group(index) for index in range(spooled.num_row_groups))
            rows_again = (batch for group in groups for batch in group.to_batches())
            return _write_parts(rows_again, parts_for(unit_count), directory)
    finally:
        storage.delete(spool)


def read_part(
    uri: str, columns: Sequence[str] | None = None, rows: int = _READ_ROWS
) -> Iterator[pa.RecordBatch]:
    """A part's rows in plan order, a batch at a time.

    Args:
        uri: One file that `write_plan` made, wherever it was uploaded to.
        columns: Columns to read; None for all.
        rows: Most rows of a batch.

    Raises:
        DamagedSweep: It is not what `write_plan` made.
    """
    with _opened(uri) as parquet:
        yield from parquet.iter_batches(batch_size=rows, columns=columns)


def read_units(uri: str, unit_ids: pa.Array) -> Iterator[pa.Table]:
    """The rows of some units of a part, in plan order; of row groups without any nothing but the ids is read.

    Args:
        uri: As for `read_part`.
        unit_ids: Which.

    Raises:
        DamagedSweep: It is not what `write_plan` made.
    """
    with _opened(uri) as parquet:
        for group in range(parquet.num_row_groups):
            wanted = pc.is_in(parquet.read_row_group(group, ["unit_id"])["unit_id"], unit_ids)
            if pc.any(wanted).as_py():
                yield parquet.read_row_group(group).filter(wanted)


@contextmanager
def _opened(uri: str) -> Iterator[pq.ParquetFile]:
    with undamaged(uri, "a part of a plan"), storage.open_read(uri) as file, pq.ParquetFile(file) as parquet:
        if not parquet.schema_arrow.equals(PLAN_SCHEMA):
            raise ValueError(f"columns {parquet.schema_arrow.names}")
        yield parquet


def read_part_rows(uri: str, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """A part's rows in plan order, as dictionaries."""
    for batch in read_part(uri, columns):
        with undamaged(uri, "a part of a plan"):
            rows = batch.to_pylist()
        yield from rows


def _batches(rows: Iterable[dict[str, Any]]) -> Iterator[pa.RecordBatch]:
    held: list[dict[str, Any]] = []
    members = 0
    for row in rows:
        held.append(row | {"part": 0})
        members += len(row["members"])
        if members >= _BATCH_MEMBERS:
            yield pa.RecordBatch.from_pylist(held, schema=PLAN_SCHEMA)
            held, members = [], 0
    if held:
        yield pa.RecordBatch.from_pylist(held, schema=PLAN_SCHEMA)


def _write_parts(batches: Iterable[pa.RecordBatch], parts: int, directory: str) -> list[tuple[int, str, int]]:
    writers: dict[int, _PartWriter] = {}

    def writer_of(part: int) -> _PartWriter:
        if part not in writers:
            writers[part] = _PartWriter(os.path.join(directory, f"part-{part:05d}.parquet"))
        return writers[part]

    try:
        for index, batch in enumerate(batches, start=1):
            for part, share in _split(batch, parts):
                writer_of(part).add(share)
            if index % _BUFFERED_BATCHES == 0:
                for writer in writers.values():
                    writer.flush()
        if not writers:
            writer_of(0)
    finally:
        for writer in writers.values():
            writer.close()
    return [(part, writers[part].path, writers[part].rows) for part in sorted(writers)]


def _split(batch: pa.RecordBatch, parts: int) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The rows of each part, in the order they had."""
    first_uris = pc.struct_field(pc.list_element(batch["members"], 0), "object_uri").to_pylist()
    part = np.array([part_of(uri, parts) for uri in first_uris], np.int32)
    order = np.argsort(part, kind="stable")
    column = PLAN_SCHEMA.get_field_index("part")
    batch = batch.set_column(column, PLAN_SCHEMA.field("part"), pa.array(part)).take(pa.array(order))
    numbers, starts = np.unique(part[order], return_index=True)
    for number, start, end in zip(numbers, starts, [*starts[1:], len(part)], strict=True):
        yield int(number), batch.slice(start, end - start)


class _PartWriter:
    """One Parquet file that takes batches and writes them together in larger row groups."""

    def __init__(self, path: str):
        self.path = path
        self.rows = 0
        self._held: list[pa.RecordBatch] = []
        self._writer = pq.ParquetWriter(path, PLAN_SCHEMA, compression="zstd")

    def add(self, batch: pa.RecordBatch) -> None:
        self._held.append(batch)
        self.rows += batch.num_rows

    def flush(self) -> None:
        if self._held:
            self._writer.write_table(pa.Table.from_batches(self._held, schema=PLAN_SCHEMA))
            self._held = []

    def close(self) -> None:
        self.flush()
        self._writer.close()
