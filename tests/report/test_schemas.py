import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vadray.report.schemas import EVENTS, FRAMES, OBJECTS, TABLES, VERSION_KEY, empty

CONTRACT = {
    "frames": "object_uri camera frame_index time_s captured_at score p_value anomalous peak_x peak_y "
    "brightness sharpness motion",
    "events": "event_id object_uri camera start_frame end_frame start_s end_s started_at peak_frame "
    "peak_score p_value box_x box_y box_w box_h rule thumbnail heat strip",
    "objects": "object_uri camera kind status error_type error bytes etag scoring_digest codec width height "
    "fps frames_declared frames_scored duration_s anomalous_frames max_score",
}
NULLABLE = {
    "frames": {"captured_at"},
    "events": {"started_at", "rule", "thumbnail", "heat", "strip"},
    "objects": {"error_type", "error", "scoring_digest", "frames_declared"},
}


@pytest.mark.parametrize("table", TABLES)
def test_fields_and_nulls_are_those_of_the_contract(table):
    assert TABLES[table].names == CONTRACT[table].split()
    assert {field.name for field in TABLES[table] if field.nullable} == NULLABLE[table]


def test_types_are_those_of_the_contract():
    assert FRAMES.field("captured_at").type == pa.timestamp("us", tz="UTC")
    assert EVENTS.field("started_at").type == pa.timestamp("us", tz="UTC")
    assert FRAMES.field("score").type == pa.float32()
    assert FRAMES.field("time_s").type == pa.float64()
    assert FRAMES.field("peak_x").type == pa.int32()
    assert EVENTS.field("thumbnail").type == pa.binary()
    assert OBJECTS.field("status").type == pa.string()
    assert OBJECTS.field("frames_declared").type == pa.int64()


@pytest.mark.parametrize("table", TABLES)
def test_the_version_travels_in_the_file_metadata(table, tmp_path):
    pq.write_table(empty(TABLES[table]), tmp_path / "empty.parquet")
    stored = pq.read_schema(tmp_path / "empty.parquet")
    assert stored.equals(TABLES[table], check_metadata=False)
    assert stored.metadata[VERSION_KEY] == b"2"
