"""A data file of a table written again with some of its rows or pictures gone, for privacy and retention."""

import hashlib
import os
import tempfile
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vadray import storage
from vadray.report.compaction import next_path, row_groups
from vadray.report.files import TableFile
from vadray.report.schemas import PICTURES, TABLES, conformed

Edit = Callable[[pa.RecordBatch], pa.RecordBatch]


def without_object(object_uri: str) -> Edit:
    """Drops an object's rows."""
    return lambda batch: batch.filter(pc.not_equal(batch["object_uri"], object_uri))


def without_pictures(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Empties the pictures of events."""
    for name in PICTURES:
        place = batch.schema.get_field_index(name)
        field = batch.schema.field(place)
        batch = batch.set_column(place, field, pa.nulls(batch.num_rows, field.type))
    return batch


def rewrite(report_uri: str, file: TableFile, edit: Edit) -> TableFile | None:
    """Writes what an edit leaves of a file under its next name; None where it changes nothing.

    Args:
        report_uri: Root of the report.
        file: A standing file of a sweep.
        edit: Takes and gives rows.
    """
    changed, rows = False, 0
    schema = TABLES[file.table]
    with tempfile.TemporaryDirectory(prefix="vadray-rewrite-") as folder:
        local = os.path.join(folder, "rewritten.parquet")
        with (
            storage.open_read(storage.join(report_uri, file.table, file.path)) as handle,
            pq.ParquetWriter(local, schema, compression="zstd") as writer,
        ):

            def edited():
                nonlocal changed
                for batch in pq.ParquetFile(handle).iter_batches(batch_size=4096):
                    before = conformed(batch, schema)
                    after = edit(before)
                    changed |= not after.equals(before)
                    yield after

            for group in row_groups(edited()):
                writer.write_table(group)
                rows += group.num_rows
        if not changed:
            return None
        with open(local, "rb") as written:
            digest = hashlib.file_digest(written, "sha256").hexdigest()
        path = next_path(file.path)
        storage.upload(local, storage.join(report_uri, file.table, path))
        return TableFile(path, os.path.getsize(local), rows, file.table, digest)
