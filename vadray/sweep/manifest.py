"""Which score files of a sweep count: of each planned unit the number of its chunks, frozen before the tables are made."""

import io

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vadray import storage
from vadray.storage.parquet import undamaged

MANIFEST = "manifest.parquet"
SCHEMA = pa.schema([("unit_id", pa.string()), ("part", pa.int32()), ("chunks", pa.int32())])


def write_manifest(uri: str, units: pa.Table) -> None:
    """Writes a manifest create-only: of two drivers the first one freezes.

    Args:
        uri: Where to.
        units: Columns of `SCHEMA`, a row a unit, parts together.
    """
    sink = io.BytesIO()
    pq.write_table(units.cast(SCHEMA), sink, compression="zstd", row_group_size=1 << 14)
    storage.create_bytes(uri, sink.getvalue())


def read_manifest(uri: str, part: int | None = None) -> pa.Table:
    """Rows of `SCHEMA`, of one part or of all.

    Raises:
        FileNotFoundError: There is none.
        DamagedSweep: It is not what `write_manifest` wrote.
    """
    filters = None if part is None else pc.field("part") == part
    with undamaged(uri, "a manifest"), storage.open_read(uri) as file:  # of one part, its row groups alone
        return pq.read_table(file, filters=filters).cast(SCHEMA)
