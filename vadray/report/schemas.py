"""Schemas of the report's three tables: one module, so that writer, reader and tests cannot drift apart.

Only fields marked `nullable` may hold null. `camera` is an empty string when it is not known, and an object
that was never opened (skipped, unchanged, quarantined) has codec "" and zeros for its figures. The partition
column `sweep` lives in the path (`sweep=<sweep_id>/part-00000.parquet`), never in a file.

Version 2 has `heat` and `strip` in `events`: nullable columns, which rows of version 1 read as null.
"""

import pyarrow as pa

SCHEMA_VERSION = 2
VERSION_KEY = b"vadray.schema_version"
PARTITION = "sweep"

TIMESTAMP = pa.timestamp("us", tz="UTC")


def _field(name: str, kind: pa.DataType, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=nullable)


def _schema(*fields: pa.Field) -> pa.Schema:
    return pa.schema(fields, metadata={VERSION_KEY: str(SCHEMA_VERSION).encode()})


FRAMES = _schema(  # a row per decoded frame or image
    _field("object_uri", pa.string()),
    _field("camera", pa.string()),
    _field("frame_index", pa.int64()),
    _field("time_s", pa.float64()),
    _field("captured_at", TIMESTAMP, nullable=True),
    _field("score", pa.float32()),
    _field("p_value", pa.float32()),
    _field("anomalous", pa.bool_()),
    _field("peak_x", pa.int32()),
    _field("peak_y", pa.int32()),
    _field("brightness", pa.float32()),
    _field("sharpness", pa.float32()),
    _field("motion", pa.float32()),
)

EVENTS = _schema(  # a row per run of anomalous frames
    _field("event_id", pa.string()),
    _field("object_uri", pa.string()),
    _field("camera", pa.string()),
    _field("start_frame", pa.int64()),
    _field("end_frame", pa.int64()),
    _field("start_s", pa.float64()),
    _field("end_s", pa.float64()),
    _field("started_at", TIMESTAMP, nullable=True),
    _field("peak_frame", pa.int64()),
    _field("peak_score", pa.float32()),
    _field("p_value", pa.float32()),
    _field("box_x", pa.int32()),
    _field("box_y", pa.int32()),
    _field("box_w", pa.int32()),
    _field("box_h", pa.int32()),
    _field("rule", pa.string(), nullable=True),
    _field("thumbnail", pa.binary(), nullable=True),  # JPEG of the peak with the box
    _field(
        "heat", pa.binary(), nullable=True
    ),  # PNG with transparency, of the peak's error map, to lay over it
    _field("strip", pa.binary(), nullable=True),  # JPEG: the seconds around the peak side by side
)

OBJECTS = _schema(  # a row per object
    _field("object_uri", pa.string()),
    _field("camera", pa.string()),
    _field("kind", pa.string()),
    _field("status", pa.string()),
    _field("error_type", pa.string(), nullable=True),
    _field("error", pa.string(), nullable=True),
    _field("bytes", pa.int64()),
    _field("etag", pa.string()),
    _field("scoring_digest", pa.string(), nullable=True),
    _field("codec", pa.string()),
    _field("width", pa.int32()),
    _field("height", pa.int32()),
    _field("fps", pa.float64()),
    _field("frames_declared", pa.int64(), nullable=True),
    _field("frames_scored", pa.int64()),
    _field("duration_s", pa.float64()),
    _field("anomalous_frames", pa.int64()),
    _field("max_score", pa.float32()),
)

PICTURES = ("thumbnail", "heat", "strip")  # columns of `events`

TABLES: dict[str, pa.Schema] = {"frames": FRAMES, "events": EVENTS, "objects": OBJECTS}


def empty(schema: pa.Schema) -> pa.Table:
    """A table of no rows with exactly `schema`, metadata included: what a sweep without rows writes."""
    return schema.empty_table()


def conformed(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Rows of an earlier version's file with the columns of `schema`, null where the file had none."""
    if batch.schema.names == schema.names:
        return batch
    names = set(batch.schema.names)
    columns = [batch[f.name] if f.name in names else pa.nulls(batch.num_rows, f.type) for f in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
