"""The report page: one self-contained HTML file made from a sweep's tables and its `commit.json` alone.

No script, no font and no picture is fetched; everything that comes from the archive is escaped.
"""

import base64
from datetime import UTC, datetime
from typing import Any

import jinja2

import vadray
from vadray import storage
from vadray.errors import RequestError
from vadray.report.curves import Curve, svg_points
from vadray.report.summary import Events, Objects, Row, gather_curves, gather_events, gather_objects
from vadray.report.tables import check_names, latest_sweep, read_commit

CURVE_SIZE = (800, 90)  # of the drawing; the page stretches it

STATUS_MEANING = {
    "scored": "every frame scored",
    "partial": "damaged; what could be decoded was scored",
    "quarantined": "could not be decoded",
    "unchanged": "scored by an earlier sweep",
    "skipped": "no bundle for it",
}


def write_report(report_uri: str, sweep_id: str | None = None) -> tuple[str, str]:
    """Write a committed sweep's page, and the copy `report.html` when the sweep is the latest.

    Args:
        report_uri: Root of the report.
        sweep_id: The sweep; the latest committed one by default.

    Returns: URIs of `report-<sweep_id>.html` and of `report.html`.

    Raises:
        RequestError: the sweep is not committed, or nothing is.
    """
    latest = latest_sweep(report_uri)
    sweep_id = sweep_id if sweep_id is not None else latest
    if sweep_id is None:
        raise RequestError(f"`report`: expected a report with a committed sweep. Received: {report_uri!r}")
    page = render(report_uri, sweep_id).encode()
    page_uri = storage.join(report_uri, f"report-{sweep_id}.html")
    latest_uri = storage.join(report_uri, "report.html")
    storage.write_bytes(page_uri, page)
    if sweep_id == latest:
        storage.write_bytes(latest_uri, page)
    return page_uri, latest_uri


def render(report_uri: str, sweep_id: str) -> str:
    """The page of a committed sweep, as text.

    Raises:
        RequestError: the sweep is not committed.
    """
    check_names(report_uri, sweep_id)
    commit = read_commit(report_uri, sweep_id)
    if commit is None:
        raise RequestError(
            f"`sweep_id`: expected a committed sweep of {report_uri}. "
            f"Received: {sweep_id!r}, which has no commit.json"
        )
    events = gather_events(report_uri, sweep_id)
    objects = gather_objects(report_uri, sweep_id, events)
    curves = gather_curves(report_uri, sweep_id, objects.videos)
    archive = str(commit.get("archive", ""))
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vadray.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        short=lambda uri: _short(uri, archive), clock=_clock, seconds=_seconds, number=_number, p=_p
    )
    return environment.get_template("report.html.j2").render(
        sweep_id=sweep_id,
        archive=archive,
        commit=commit,
        committed_at=_committed_at(commit),
        tiles=_tiles(commit, events, objects),
        events=events,
        pictured=[(event, _picture(events, event)) for event in events.listed if _has_picture(events, event)],
        plain=[event for event in events.listed if not _has_picture(events, event)],
        objects=objects,
        status_meaning=STATUS_MEANING,
        charts=_charts(objects.videos, curves, events),
        curve_size=CURVE_SIZE,
        vadray_version=vadray.__version__,
    )


def _has_picture(events: Events, event: Row) -> bool:
    return event["event_id"] in events.thumbnails


def _picture(events: Events, event: Row) -> str:
    return base64.b64encode(events.thumbnails[event["event_id"]]).decode()


def _tiles(commit: dict[str, Any], events: Events, objects: Objects) -> list[tuple[str, str, str]]:
    """Figure, what it counts, and a class for its colour; what commit.json leaves out is left out here."""
    status = objects.by_status
    tiles = [
        (_number(events.total), "events", "alert" if events.total else "calm"),
        (_number(objects.frames_scored), "frames scored", ""),
        (_number(objects.anomalous_frames), "anomalous frames", ""),
        (_number(status["scored"] + status["partial"]), "objects scored", ""),
        (_number(status["partial"]), "partial", "warn" if status["partial"] else ""),
        (_number(status["quarantined"]), "quarantined", "warn" if status["quarantined"] else ""),
        (_number(status["unchanged"]), "unchanged", ""),
        (_number(status["skipped"]), "skipped", ""),
    ]
    if objects.footage_s > 0:
        tiles.append((_duration(objects.footage_s), "of footage", ""))
    wall_s = commit.get("wall_s")
    if wall_s:
        tiles.append((_duration(wall_s), "wall time", ""))
        tiles.append((_number(round(objects.frames_scored / wall_s)), "frames a second", ""))
    return tiles


def _charts(videos: list[Row], curves: dict[str, Curve], events: Events) -> list[dict[str, Any]]:
    marks: dict[str, list[Row]] = {}
    for event in events.listed:
        marks.setdefault(event["object_uri"], []).append(event)
    return [
        _chart(video, curves[video["object_uri"]], marks.get(video["object_uri"], []))
        for video in videos
        if video["object_uri"] in curves
    ]


def _chart(video: Row, curve: Curve, events: list[Row]) -> dict[str, Any]:
    width, _ = CURVE_SIZE
    duration_s = max(float(curve.time_s.max()), video["duration_s"], 1e-9)
    low, high = float(curve.score.min()), float(curve.score.max())
    spans = []
    for event in events:
        left = min(event["start_s"] / duration_s, 1.0) * width
        right = min(event["end_s"] / duration_s, 1.0) * width
        # an event of a second in a day would be too thin to see
        spans.append((f"{left:.1f}", f"{max(right - left, 3.0):.1f}"))
    return {
        "video": video,
        "points": svg_points(curve, duration_s, low, high, CURVE_SIZE),
        "spans": spans,
        "low": low,
        "high": high,
        "duration_s": duration_s,
        "events": len(events),
    }


def _committed_at(commit: dict[str, Any]) -> datetime | None:
    text = commit.get("committed_at")
    return datetime.fromisoformat(text) if text else None


def _short(uri: str, archive: str) -> str:
    root = archive.rstrip("/") + "/"
    return uri.removeprefix(root) if archive else uri


def _clock(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _seconds(seconds: float) -> str:
    """`3.4 s`, `2:05` (minutes), `26:05:09` (hours)."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def _duration(seconds: float) -> str:
    """`50.0 s`, `1.2 min`, `26.1 h`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def _number(value: float) -> str:
    """Thousands apart by a thin space; four significant digits for what is not whole."""
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return f"{value:.4g}"


def _p(value: float) -> str:
    return f"{value:.2g}"
