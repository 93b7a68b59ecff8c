"""Unit scores: what one decoded and scored chunk of a unit leaves in storage, as one Parquet row.

A unit is usually one chunk. A file whose length is not known beforehand is one unit of many chunks; the last one
is marked in its name, so that a listing of names tells which units are complete.
"""

import io
import itertools
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vadray import storage
from vadray.storage.parquet import undamaged

MEMBER = pa.struct(
    [
        ("status", pa.string()),  # scored, partial or quarantined
        ("error_type", pa.string()),
        ("error", pa.string()),
        ("codec", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("fps", pa.float64()),
        ("frames_declared", pa.int64()),
    ]
)
FRAME = pa.struct(
    [
        ("member", pa.int32()),
        ("time_s", pa.float64()),
        ("score", pa.float32()),
        ("mse", pa.float32()),
        ("peak_x", pa.int32()),
        ("peak_y", pa.int32()),
        ("box_x", pa.int32()),
        ("box_y", pa.int32()),
        ("box_w", pa.int32()),
        ("box_h", pa.int32()),
        ("brightness", pa.float32()),
        ("sharpness", pa.float32()),
        ("motion", pa.float32()),
    ]
)
MOMENT = pa.struct(
    [("frame", pa.int32()), ("jpeg", pa.binary()), ("heat", pa.binary()), ("strip", pa.binary())]
)
VIEW = pa.struct([("frame", pa.int32()), ("jpeg", pa.binary())])
SCORES = pa.schema(
    [
        ("unit_id", pa.string()),
        ("chunk", pa.int32()),
        ("last", pa.bool_()),
        ("members", pa.list_(MEMBER)),
        ("frames", pa.list_(FRAME)),
        ("moments", pa.list_(MOMENT)),  # `frame` indexes `frames`
        ("views", pa.list_(VIEW)),
        ("decode_s", pa.float64()),
        ("score_s", pa.float64()),
    ]
)
_FILE_NAME = r"^(?P<unit>[0-9a-f]+)\.(?P<chunk>\d{5})(?P<last>(?:\.last)?)\.parquet$"
_HEX = "0123456789abcdef"
_NAMES_AT_ONCE = 100_000


def scores_row(
    unit_id: str,
    chunk: int,
    last: bool,
    members: list[dict[str, Any]],
    frames: dict[str, Any],
    moments: list[dict[str, Any]],
    views: list[dict[str, Any]],
    decode_s: float,
    score_s: float,
) -> pa.Table:
    """One row of `SCORES`.

    Args:
        unit_id: The unit.
        chunk: Number of the chunk within the unit, from 0.
        last: Whether the unit ends with it.
        members: A dict of `MEMBER`'s fields for each member of the unit.
        frames: An array `[n]` for each of `FRAME`'s fields, in the order of frames.
        moments: A dict of `MOMENT`'s fields for each picture of an unusual moment.
        views: A dict of `VIEW`'s fields for each picture of what the camera looks at.
        decode_s: Seconds spent waiting for decoded frames.
        score_s: Seconds spent scoring.
    """
    columns = [pa.array(frames[field.name], field.type) for field in FRAME]
    count = len(columns[0])
    values = pa.StructArray.from_arrays(columns, fields=list(FRAME))
    return pa.table(
        [
            pa.array([unit_id]),
            pa.array([chunk], pa.int32()),
            pa.array([last]),
            pa.array([members], pa.list_(MEMBER)),
            pa.ListArray.from_arrays(pa.array([0, count], pa.int32()), values),
            pa.array([moments], pa.list_(MOMENT)),
            pa.array([views], pa.list_(VIEW)),
            pa.array([decode_s]),
            pa.array([score_s]),
        ],
        schema=SCORES,
    )


def file_name(unit_id: str, chunk: int, last: bool) -> str:
    return f"{unit_id}.{chunk:05d}{'.last' if last else ''}.parquet"


def save(table: pa.Table, folder: str) -> None:
    """Writes one row create-only: of two attempts at the same chunk the first one stands."""
    name = file_name(table["unit_id"][0].as_py(), table["chunk"][0].as_py(), table["last"][0].as_py())
    storage.create_bytes(storage.join(folder, name), to_bytes(table))


def to_bytes(table: pa.Table) -> bytes:
    """A score file's content."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def load(uri: str, columns: Sequence[str] | None = None) -> pa.Table:
    """One row of `SCORES`.

    Args:
        uri: Of a score file.
        columns: Names of columns to read; all by default.

    Raises:
        DamagedSweep: It is not what `save` wrote.
    """
    content = io.BytesIO(storage.read_bytes(uri))
    with undamaged(uri, "a unit's scores", "without it the same command scores the unit again"):
        schema = SCORES if columns is None else pa.schema([SCORES.field(name) for name in columns])
        return pq.read_table(content, columns=schema.names).cast(schema)


def complete_units(folder: str) -> pa.Table:
    """What is scored whole: `unit_id` (string) and `chunks` (int32), how many, of each complete unit.

    A million units take some 100 MB.

    Args:
        folder: Where score files are.
    """
    names = storage.list_names(folder, _HEX)
    ids: list[pa.Array] = []
    long: dict[str, set[int]] = {}
    ends: dict[str, int] = {}
    while batch := list(itertools.islice(names, _NAMES_AT_ONCE)):
        parsed = pc.extract_regex(pa.array(batch), _FILE_NAME).drop_null()
        unit, chunk = parsed.field("unit"), pc.cast(parsed.field("chunk"), pa.int32())
        last = pc.equal(parsed.field("last"), ".last")
        whole = pc.and_(last, pc.equal(chunk, 0))  # nearly all
        ids.append(unit.filter(whole))
        rest = pc.invert(whole)
        for name, number, ends_unit in zip(
            *(values.filter(rest).to_pylist() for values in (unit, chunk, last)), strict=True
        ):
            long.setdefault(name, set()).add(number)
            if ends_unit:
                ends[name] = number
    one = [pa.repeat(pa.scalar(1, pa.int32()), len(part)) for part in ids]
    done = {unit: end + 1 for unit, end in ends.items() if long[unit].issuperset(range(end + 1))}
    return pa.table(
        {
            "unit_id": pa.chunked_array([*ids, pa.array(list(done), pa.string())], pa.string()),
            "chunks": pa.chunked_array([*one, pa.array(list(done.values()), pa.int32())], pa.int32()),
        }
    )


def chunks_there(folder: str, unit_id: str) -> int:
    """How many first chunks of a unit are there, without a gap."""
    there = set(storage.list_names(folder, [f"{unit_id}."]))
    return next(chunk for chunk in itertools.count() if file_name(unit_id, chunk, False) not in there)


def file_names(unit_id: str, chunks: int) -> list[str]:
    """Names of a complete unit's score files, in order."""
    return [file_name(unit_id, chunk, chunk == chunks - 1) for chunk in range(chunks)]


def frames_of(row: pa.Table) -> dict[str, Any]:
    """Arrays `[n]` for each of `FRAME`'s fields of a one-row table."""
    values = row["frames"].combine_chunks().flatten()
    return {field.name: values.field(i).to_numpy(zero_copy_only=False) for i, field in enumerate(FRAME)}
