"""`vadray query` and `export`, on a folder and on S3."""

import base64
import csv
import json
import re
from pathlib import Path

import duckdb
import pytest

from tests.report.rows import (
    NIGHT,
    event_row,
    frame_row,
    object_row,
    thumbnail,
    write_commit,
    write_tables,
)
from tests.running import run
from vadray import storage

README = (Path(__file__).parents[2] / "README.md").read_text()
QUERIES = re.findall(r'^vadray query report "([^"]+)"$', README, re.MULTILINE)
URI = '/data/a "b".mp4'
EVENTS = [
    event_row(URI, 1, p_value=0.01, peak_score=1.0),
    event_row(URI, 20, p_value=0.001, peak_score=3.0, thumbnail=thumbnail()),
    event_row(URI, 40, p_value=0.001, peak_score=2.0, started_at=None),
]

WHEREVER = pytest.mark.parametrize("swept", ["folder", "s3"], indirect=True)


def write_sweeps(folder) -> None:
    """Two committed sweeps, and one whose tables are written and that is not committed."""
    for number, sweep in enumerate(("monday", "tuesday", "running")):
        frames = [frame_row(URI, i, score=number + i / 10) for i in range(5)]
        write_tables(folder, sweep, frames, EVENTS if sweep != "monday" else [], [object_row(URI)])
        if sweep != "running":
            write_commit(folder, sweep, NIGHT.replace(day=20 + number), counts={"frames": 5}, wall_s=1.5)


@pytest.fixture
def swept(request, report):
    """A report's URI; on S3 where a test says so by its parameter."""
    write_sweeps(report)
    if getattr(request, "param", "folder") == "folder":
        return str(report)
    server = request.getfixturevalue("s3_server")
    uri = f"{server.uri}/a report é"
    for file in report.rglob("*"):
        if file.is_file():
            storage.upload(str(file), storage.join(uri, str(file.relative_to(report))))
    return uri


@WHEREVER
def test_committed_sweeps_alone_are_seen(swept, capsys):
    question = "SELECT sweep, count(*) AS n, max(score) AS top FROM frames GROUP BY sweep ORDER BY sweep"
    status, result, shown = run(capsys, "query", swept, question)
    assert status == 0
    assert [(row["sweep"], row["n"]) for row in result["data"]] == [("monday", 5), ("tuesday", 5)]
    assert result["data"][1]["top"] == pytest.approx(1.4)
    assert "monday" in shown and "running" not in shown
    _, sweeps, _ = run(capsys, "query", swept, "SELECT * FROM sweeps ORDER BY committed_at DESC")
    assert [row["sweep"] for row in sweeps["data"]] == ["tuesday", "monday"]
    assert sweeps["data"][0]["frames"] == 5 and sweeps["data"][0]["events"] is None


def test_values_of_every_kind_become_json(swept, capsys):
    question = "SELECT thumbnail, started_at, 'nan'::DOUBLE AS odd, [1, 2] AS list, 1.5::DECIMAL(3, 1) AS exact, sum(start_frame) OVER () AS whole FROM events ORDER BY p_value, peak_score DESC LIMIT 1"
    status, result, shown = run(capsys, "query", swept, question)
    (row,) = result["data"]
    assert status == 0 and base64.b64decode(row["thumbnail"]) == thumbnail()
    assert row["started_at"] == "2026-11-22T01:30:00+00:00"
    assert row["odd"] is None and row["list"] == [1, 2] and row["exact"] == 1.5
    assert row["whole"] == 61 and isinstance(row["whole"], int)
    assert f"<{len(thumbnail()):,} bytes>" in shown


def test_more_rows_than_asked_for_are_told(swept, capsys):
    status, result, shown = run(capsys, "query", swept, "FROM frames", "limit=3")
    assert status == 0 and result["rows"] == len(result["data"]) == 3 and result["more"]
    assert "more than 3 rows" in shown and "row 3" in shown
    _, all_of_them, _ = run(capsys, "query", swept, "FROM frames", "limit=10")
    assert all_of_them["rows"] == 10 and not all_of_them["more"]


@WHEREVER
def test_rows_go_into_a_file_where_that_is_asked_for(swept, capsys, tmp_path):
    out = (
        storage.join(swept, "answers", "low.parquet") if storage.is_s3(swept) else str(tmp_path / "a.parquet")
    )
    status, result, _ = run(capsys, "query", swept, "SELECT score FROM frames WHERE score > 1", "--out", out)
    assert status == 0 and result == {"rows": 4, "out": out}
    (tmp_path / "copy.parquet").write_bytes(storage.read_bytes(out))
    assert duckdb.sql(f"SELECT count(*) FROM '{tmp_path}/copy.parquet'").fetchall() == [(4,)]


def test_a_sweep_is_exported_by_severity(swept, capsys, tmp_path):
    lines, sheet = tmp_path / "events.jsonl", tmp_path / "events.csv"
    status, result, _ = run(capsys, "export", swept, str(lines), "pictures=true")
    assert status == 0 and (result["sweep_id"], result["rows"]) == ("tuesday", 3)
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [row["event_id"] for row in rows] == [
        EVENTS[1]["event_id"],
        EVENTS[2]["event_id"],
        EVENTS[0]["event_id"],
    ]
    assert rows[0]["object_uri"] == URI and base64.b64decode(rows[0]["thumbnail"]) == thumbnail()
    assert rows[0]["started_at"] == "2026-11-22T01:30:00.000000Z" and rows[1]["started_at"] is None
    assert run(capsys, "export", swept, str(sheet))[0] == 0
    with open(sheet, newline="") as file:
        first = next(csv.DictReader(file))
    assert first["object_uri"] == URI and first["sweep"] == "tuesday" and "thumbnail" not in first


def test_an_empty_sweep_is_an_empty_file(swept, capsys, tmp_path):
    status, result, _ = run(capsys, "export", swept, str(tmp_path / "e.jsonl"), "sweep_id=monday")
    assert status == 0 and result["rows"] == 0 and (tmp_path / "e.jsonl").read_text() == ""
    run(capsys, "export", swept, str(tmp_path / "f.csv"), "sweep_id=monday", "table=frames")
    assert len((tmp_path / "f.csv").read_text().splitlines()) == 6


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["query", "REPORT", "SELEC 1"], "sql: Parser Error"),
        (["query", "REPORT", "SELECT nothing FROM frames"], "nothing"),
        (["query", "REPORT", "SELECT error('at row 3') FROM frames"], "at row 3"),
        (["query", "REPORT", "/* nothing */"], "gives rows"),
        (["query", "REPORT", "SELECT 1", "out=rows.xls"], "ends in .jsonl, .csv, .parquet"),
        (["query", "REPORT/none", "SELECT 1"], "a report with a committed sweep"),
        (["export", "REPORT", "rows.jsonl", "sweep_id=running"], "expected a committed sweep"),
        (["export", "REPORT", "rows"], "ends in"),
    ],
)
def test_what_is_wrong_is_said(report, capsys, arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_sweeps(report)
    status, result, shown = run(capsys, *(word.replace("REPORT", str(report)) for word in arguments))
    assert status == 2 and not result and said in shown
    assert not [file for file in tmp_path.iterdir() if file.suffix]


def test_the_readme_has_queries():
    assert len(QUERIES) >= 4


@pytest.mark.parametrize("query", QUERIES)
def test_queries_of_the_readme_are_understood(report, capsys, query):
    write_sweeps(report)
    status, result, shown = run(capsys, "query", str(report), query)
    assert status == 0, shown
    assert result["columns"]
