"""Which units are scored whole, from the names of score files alone."""

import pytest

from vadray import storage
from vadray.sweep import scores

A, B, C, D = (letter * 32 for letter in "abc1")


@pytest.fixture(params=["local", "s3"])
def folder(request, tmp_path):
    if request.param == "local":
        return str(tmp_path / "scores")
    return f"{request.getfixturevalue('s3_server').uri}/{tmp_path.name}/scores"


def found(folder: str) -> dict[str, int]:
    table = scores.complete_units(folder)
    return dict(zip(table["unit_id"].to_pylist(), table["chunks"].to_pylist(), strict=True))


def test_a_unit_is_complete_with_its_last_chunk_and_all_before(folder):
    for unit, chunk, last in [
        *((A, 0, True), (B, 0, False), (B, 1, False), (B, 2, True)),
        *((C, 0, False), (C, 2, True), (D, 0, False), (D, 1, False)),
    ]:
        storage.write_bytes(storage.join(folder, scores.file_name(unit, chunk, last)), b"")
    storage.write_bytes(storage.join(folder, "ffff.partial"), b"")
    assert found(folder) == {A: 1, B: 3}
    storage.write_bytes(storage.join(folder, scores.file_name(C, 1, False)), b"")
    assert found(folder) == {A: 1, B: 3, C: 3}
    assert scores.file_names(B, 3) == [f"{B}.00000.parquet", f"{B}.00001.parquet", f"{B}.00002.last.parquet"]


def test_nothing_is_scored_where_there_is_nothing(folder):
    assert found(folder) == {}
    assert scores.complete_units(folder).schema.names == ["unit_id", "chunks"]
