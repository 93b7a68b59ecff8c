"""Commands that read a report: its rows by SQL, into files, and what people say of its events."""

import base64
import math
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import Any

from rich.console import Console

from vadray import config, storage
from vadray.commands.command import Result, table

NARROWEST = 12  # letters that a column needs; where that is too much each row becomes a table of its own


def run_report(options: config.ReportOptions, console: Console) -> Result:
    from vadray.report.html import write_report
    from vadray.report.tables import latest_sweep

    report = storage.folder(options.report, "report")
    sweep_id = options.sweep_id or latest_sweep(report)
    page, latest = write_report(report, sweep_id)
    console.print(f"wrote {page}", markup=False)
    return 0, {"sweep_id": sweep_id, "page": page, "latest": latest}


def run_query(options: config.QueryOptions, console: Console) -> Result:
    from vadray.report import sql

    report = storage.folder(options.report, "report")
    if options.out:
        storage.checked_ending(options.out, "out", sql.FORMATS)
    with sql.database(report) as connection:
        relation = sql.select(connection, options.sql)
        if options.out:
            return _written(sql.write_rows(connection, relation, options.out), options.out, console)
        rows, more = sql.first_rows(relation, options.limit)
        columns = relation.columns
    _print_rows(columns, rows, console)
    console.print(f"{len(rows):,} row{'s' if len(rows) != 1 else ''}", markup=False)
    if more:
        console.print(
            f"there are more than {options.limit:,} rows: limit= shows more, out= writes them all",
            markup=False,
        )
    return 0, {
        "columns": columns,
        "rows": len(rows),
        "more": more,
        "data": [{name: _plain(value) for name, value in row.items()} for row in rows],
    }


def run_export(options: config.ExportOptions, console: Console) -> Result:
    from vadray.report import sql
    from vadray.report.tables import latest_sweep

    report = storage.folder(options.report, "report")
    storage.checked_ending(options.out, "out", sql.FORMATS)
    sweep_id = options.sweep_id or latest_sweep(report)
    with sql.database(report) as connection:
        rows = sql.sweep_rows(connection, options.table, sweep_id, options.pictures)
        status, written = _written(sql.write_rows(connection, rows, options.out), options.out, console)
    return status, {"sweep_id": sweep_id, "table": options.table, **written}


def _written(rows: int, out: str, console: Console) -> Result:
    console.print(f"wrote {rows:,} rows to {out}", markup=False)
    return 0, {"rows": rows, "out": storage.absolute(out)}


def run_label(options: config.LabelOptions, console: Console) -> Result:
    from vadray.report.labelling import label_event

    report = storage.folder(options.report, "report")
    label = label_event(report, options.event, options.verdict, options.by, options.note)
    said = "is no longer judged" if label.verdict == "none" else f"is {label.verdict}"
    console.print(
        f"event {label.event_id} of {label.object_uri}, {label.start_s:.1f} to {label.end_s:.1f} s, {said}",
        markup=False,
    )
    return 0, asdict(label)


def run_clip(options: config.ClipOptions, console: Console) -> Result:
    from vadray.viewing.clip import clip

    made = clip(options)
    console.print(
        f"wrote {made['out']}: {made['frames']:,} frames from {made['from_s']:.1f} to {made['to_s']:.1f} s of "
        f"{made['object_uri']}",
        markup=False,
    )
    return 0, made


def run_explain(options: config.ExplainOptions, console: Console) -> Result:
    from vadray.viewing.explain import explain

    made = explain(options)
    again = "the same again" if made["same"] else f"recorded as {made['recorded_score']:.6g}"
    console.print(
        f"wrote {made['out']}: frame {made['frame_index']:,} at {made['time_s']:.1f} s of {made['object_uri']}, "
        f"score {made['score']:.6g}, {again}",
        markup=False,
    )
    return 0, made


def _print_rows(columns: list[str], rows: list[dict[str, Any]], console: Console) -> None:
    if len(columns) * NARROWEST <= console.width:
        console.print(table("", columns, [[_shown(row[name]) for name in columns] for row in rows]))
        return
    for number, row in enumerate(rows, 1):
        console.print(table(f"row {number}", ["column", ""], [[name, _shown(row[name])] for name in columns]))


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return f"<{len(value):,} bytes>"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    """A value of a row as JSON has it: times in ISO 8601, bytes in base64, what is not finite null."""
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Decimal):  # whole numbers too: a sum of int64 has 128 bits
        value = int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
