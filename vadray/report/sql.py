"""SQL over a report's committed sweeps, by DuckDB: the tables as views, and their rows into files."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any, get_type_hints

import duckdb
import pyarrow as pa
from deltalake import DeltaTable

from vadray import storage
from vadray.errors import RequestError
from vadray.health.nights import CAMERAS
from vadray.report.health import nights_of, stretches
from vadray.report.labels import Label, read_labels
from vadray.report.schemas import PARTITION, PICTURES, TABLES, TIMESTAMP
from vadray.report.tables import Commit, committed_sweeps

FORMATS = {".jsonl": "(FORMAT json)", ".csv": "(FORMAT csv, HEADER)", ".parquet": "(FORMAT parquet)"}
_COUNTS = ("objects", "scored", "partial", "quarantined", "unchanged", "skipped", "frames", "events")
_SWEEPS = pa.schema(
    [
        pa.field(PARTITION, pa.string()),
        pa.field("committed_at", TIMESTAMP),
        pa.field("archive", pa.string()),
        *(pa.field(name, pa.int64()) for name in _COUNTS),
        *(pa.field(name, pa.float64()) for name in ("wall_s", "decode_s", "score_s")),
    ]
)
_HEALTH = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in (PARTITION, "camera", "object_uri", "condition")),
        *(pa.field(name, pa.float64()) for name in ("start_s", "end_s")),
        pa.field("started_at", TIMESTAMP),
    ]
)
_ARROW = {int: pa.int64(), float: pa.float64()}
_LABELS = pa.schema([(name, _ARROW.get(kind, pa.string())) for name, kind in get_type_hints(Label).items()])


@contextmanager
def database(report_uri: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory with the views `frames`, `events`, `objects`, `sweeps`, `labels`, `cameras` and `health`.

    The first three are the report's tables with the column `sweep`, of committed sweeps alone, streamed from storage
    as far as a query needs them; `sweeps` has a row for each `commit.json`, its counts and seconds; `labels` one for
    each event that was judged; `cameras` one for each sweep, camera and hour of the day; `health` one for each stretch
    in which a camera was dark, frozen, blurred or moved.

    Raises:
        RequestError: Nothing is committed in this report.
    """
    commits = committed_sweeps(report_uri)
    if not commits:
        raise RequestError(f"report: expected a report with a committed sweep, received {report_uri}")
    with duckdb.connect(config={"python_enable_replacements": "false"}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("sweeps", _sweeps(commits))
        connection.register(
            "labels", pa.Table.from_pylist([asdict(one) for one in read_labels(report_uri)], _LABELS)
        )
        names = [name for name, _ in commits]
        connection.register("cameras", _cameras(report_uri, names))
        connection.register("health", _health(report_uri, names))
        for table in TABLES:
            uri = storage.join(report_uri, table)
            delta = DeltaTable(uri, storage_options=storage.delta_options(uri))
            connection.register(f"_{table}", delta.to_pyarrow_dataset())
            # a sweep is in its tables shortly before it is committed
            connection.execute(
                f"CREATE VIEW {table} AS SELECT * FROM _{table} SEMI JOIN sweeps USING ({PARTITION})"
            )
        yield connection


def _sweeps(commits: list[tuple[str, Commit]]) -> pa.Table:
    rows = [
        {
            PARTITION: sweep_id,
            "committed_at": datetime.fromisoformat(commit["committed_at"]),
            "archive": commit.get("archive"),
            **{name: commit.get("counts", {}).get(name) for name in _COUNTS},
            **{name: commit.get(name) for name in ("wall_s", "decode_s", "score_s")},
        }
        for sweep_id, commit in commits
    ]
    return pa.Table.from_pylist(rows, _SWEEPS)


def _cameras(report_uri: str, sweeps: list[str]) -> pa.Table:
    schema = pa.schema([pa.field(PARTITION, pa.string()), *CAMERAS])
    return pa.Table.from_pylist(
        [
            {PARTITION: sweep, **row}
            for sweep in sweeps
            for night in nights_of(report_uri, [sweep])
            for row in night
        ],
        schema,
    )


def _health(report_uri: str, sweeps: list[str]) -> pa.Table:
    rows = [
        {
            PARTITION: sweep,
            **asdict(one),
            "started_at": one.started_at and datetime.fromisoformat(one.started_at),
        }
        for sweep in sweeps
        for one in stretches(report_uri, sweep)
    ]
    return pa.Table.from_pylist(rows, _HEALTH)


def select(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.DuckDBPyRelation:
    """The rows that a statement asks for, not yet read.

    Raises:
        RequestError: It is not SQL that DuckDB understands, or asks for no rows.
    """
    with explained():
        relation = connection.sql(sql)
    if relation is None:
        raise RequestError(f"sql: expected a statement that gives rows, as SELECT does, received {sql!r}")
    return relation


@contextmanager
def explained() -> Iterator[None]:
    """DuckDB's errors as a wrong request."""
    try:
        yield
    except duckdb.Error as error:
        raise RequestError(f"sql: {error}") from error


def read_rows(connection: duckdb.DuckDBPyConnection, sql: str, parameters: list[Any]) -> pa.Table:
    """All rows of a statement of ours, whose `?` stand for the parameters."""
    relation = connection.sql(sql, params=parameters)
    assert relation is not None, "a SELECT"
    return relation.to_arrow_table()


def sweep_rows(
    connection: duckdb.DuckDBPyConnection, table: str, sweep_id: str | None, pictures: bool
) -> duckdb.DuckDBPyRelation:
    """All rows of a sweep, events by severity; `pictures` of events too.

    Raises:
        RequestError: The sweep is not committed.
    """
    if not connection.execute("SELECT 1 FROM sweeps WHERE sweep = ?", [sweep_id]).fetchall():
        raise RequestError(f"sweep_id: expected a committed sweep of the report, received {sweep_id!r}")
    rows = connection.view(table).filter(
        duckdb.ColumnExpression(PARTITION) == duckdb.ConstantExpression(sweep_id)
    )
    if table != "events":
        return rows
    columns = [name for name in rows.columns if pictures or name not in PICTURES]
    return rows.order("p_value, peak_score DESC, event_id").select(*columns)


def first_rows(relation: duckdb.DuckDBPyRelation, most: int) -> tuple[list[dict[str, Any]], bool]:
    """The first rows, and whether there are more.

    Raises:
        RequestError: Reading the rows fails.
    """
    with explained():
        rows = relation.limit(most + 1).to_arrow_table().to_pylist()
    return rows[:most], len(rows) > most


def write_rows(connection: duckdb.DuckDBPyConnection, relation: duckdb.DuckDBPyRelation, uri: str) -> int:
    """Writes rows into one file, streamed; replaces what is there.

    JSON Lines and CSV hold pictures in base64 and times in ISO 8601, UTC.

    Args:
        connection: Of `database`.
        relation: Of `select`.
        uri: Ends in .jsonl, .csv or .parquet.

    Returns:
        How many rows.

    Raises:
        RequestError: Another kind of file, or reading the rows fails.
    """
    extension = storage.checked_ending(uri, "out", FORMATS)
    columns = [
        _as_text(name, str(kind)) if extension != ".parquet" else _quoted(name)
        for name, kind in zip(relation.columns, relation.types, strict=True)
    ]
    with tempfile.TemporaryDirectory(prefix="vadray-rows-") as folder, explained():
        path = os.path.join(folder, f"rows{extension}")
        relation.create_view("_rows")
        ((count,),) = connection.execute(
            f"COPY (SELECT {', '.join(columns)} FROM _rows) TO '{path}' {FORMATS[extension]}"
        ).fetchall()
        storage.upload(path, uri)
    return count


def _as_text(name: str, kind: str) -> str:
    column = _quoted(name)
    if kind == "BLOB":
        return f"to_base64({column}) AS {column}"
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime({column}, '%Y-%m-%dT%H:%M:%S.%fZ') AS {column}"
    return column


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
