"""The report page: one self-contained HTML file made from a sweep's tables, its `commit.json` and labels alone.

No script, font or picture is fetched; the one script that runs is the page's own, named by its digest; everything that
comes from the archive is escaped. Without scripts all of it is readable, and cannot be sorted.
"""

import base64
import hashlib
import itertools
import json
import shlex
from datetime import datetime
from importlib import resources
from typing import Any

import jinja2

import vadray
from vadray import storage
from vadray.errors import RequestError
from vadray.health.conditions import MEANING
from vadray.health.nights import NIGHTS as NIGHTS_OF_DRIFT
from vadray.report import wording
from vadray.report.cameras import Cameras
from vadray.report.curves import Curve, svg_points
from vadray.report.health import Drift, drifts, nights_of, reading, stretches
from vadray.report.labels import Label, read_labels
from vadray.report.summary import Events, Objects, Row, gather_curves, gather_events, gather_objects
from vadray.report.tables import Commit, check_names, committed_sweeps, sweep_folder

CURVE_SIZE = (800, 90)  # of the drawing; the page stretches it
DIFFERENCE = "difference.json"  # in a sweep's folder
NIGHTS = 14  # that are shown beside each other

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
    commits = committed_sweeps(report_uri)
    latest = commits[0][0] if commits else None
    sweep_id = sweep_id if sweep_id is not None else latest
    if sweep_id is None:
        raise RequestError(f"`report`: expected a report with a committed sweep. Received: {report_uri!r}")
    page = _page(report_uri, sweep_id, commits).encode()
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
    return _page(report_uri, sweep_id, committed_sweeps(report_uri))


def _page(report_uri: str, sweep_id: str, commits: list[tuple[str, Commit]]) -> str:
    check_names(report_uri, sweep_id)
    commit = dict(commits).get(sweep_id)
    if commit is None:
        raise RequestError(
            f"`sweep_id`: expected a committed sweep of {report_uri}. "
            f"Received: {sweep_id!r}, which has no commit.json"
        )
    cameras = Cameras()
    events = gather_events(report_uri, sweep_id, cameras)
    objects = gather_objects(report_uri, sweep_id, events, cameras)
    curves = gather_curves(report_uri, sweep_id, objects.videos)
    archive = str(commit.get("archive", ""))
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vadray.report", "page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        short=lambda uri: wording.short(uri, archive),
        clock=wording.clock,
        seconds=wording.seconds,
        duration=wording.duration,
        number=wording.number,
        p=wording.p_value,
        quoted=shlex.quote,
        committed_at=_committed_at,
        base64=lambda picture: base64.b64encode(picture).decode(),
        iso=lambda text: wording.clock(datetime.fromisoformat(text) if text else None),
        reading=reading,
    )
    script = _part("report.js")
    return environment.get_template("report.html.j2").render(
        sweep_id=sweep_id,
        report=report_uri,
        archive=archive,
        commit=commit,
        committed_at=_committed_at(commit),
        tiles=_tiles(commit, events, objects),
        events=events,
        pictures=events.pictures,
        stretches=stretches(report_uri, sweep_id),
        condition_meaning=MEANING,
        dropped=commit.get("dropped", {}),
        difference=_difference(report_uri, sweep_id),
        drifts=_drifts(report_uri, sweep_id, commits, commit),
        verdicts=_verdicts(events, read_labels(report_uri)),
        cameras=cameras.by_events(),
        nights=_nights(commits, sweep_id, commit),
        usual_events=_usual_events(commits, sweep_id, commit),
        objects=objects,
        status_meaning=STATUS_MEANING,
        charts=_charts(objects.videos, curves, events),
        curve_size=CURVE_SIZE,
        style=_part("report.css"),
        script=script,
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        vadray_version=vadray.__version__,
    )


def _part(name: str) -> str:
    return resources.files("vadray.report").joinpath("page", name).read_text()


def _verdicts(events: Events, labels: list[Label]) -> dict[str, str]:
    """What people said of the listed events, by `event_id`; a judgement of the same moment under another id counts."""
    by_object: dict[str, list[Label]] = {}
    for label in labels:
        by_object.setdefault(label.object_uri, []).append(label)
    found = {}
    for event in events.listed:
        meeting = [
            label
            for label in by_object.get(event["object_uri"], [])
            if label.meets(event["object_uri"], event["start_s"], event["end_s"])
        ]
        if meeting:
            found[event["event_id"]] = max(meeting, key=lambda label: label.at).verdict
    return found


def _nights(commits: list[tuple[str, Commit]], sweep_id: str, commit: Commit) -> list[tuple[str, Commit]]:
    """This sweep and those that were committed before it, the newest first; none where there is only one."""
    earlier = [
        (name, other)
        for name, other in commits
        if name != sweep_id and other["committed_at"] <= commit["committed_at"]
    ]
    return [(sweep_id, commit), *earlier[: NIGHTS - 1]] if earlier else []


def _drifts(report_uri: str, sweep_id: str, commits: list[tuple[str, Commit]], commit: Commit) -> list[Drift]:
    tonight = next(nights_of(report_uri, [sweep_id]), [])
    earlier = (name for name, _ in _nights(commits, sweep_id, commit)[1:])
    return drifts(tonight, itertools.islice(nights_of(report_uri, earlier), NIGHTS_OF_DRIFT))


def _difference(report_uri: str, sweep_id: str) -> dict[str, Any] | None:
    """What a canary found otherwise, on its own page."""
    uri = sweep_folder(report_uri, sweep_id, DIFFERENCE)
    return json.loads(storage.read_bytes(uri)) if storage.exists(uri) else None


def _usual_events(commits: list[tuple[str, Commit]], sweep_id: str, commit: Commit) -> dict[str, float]:
    """By camera the mean count of events in earlier sweeps that saw it."""
    counts: dict[str, list[int]] = {}
    for _, other in _nights(commits, sweep_id, commit)[1:]:
        for camera, figures in other.get("cameras", {}).items():
            if figures["frames"] and "events" in figures:
                counts.setdefault(camera, []).append(figures["events"])
    return {camera: sum(events) / len(events) for camera, events in counts.items()}


def _tiles(commit: dict[str, Any], events: Events, objects: Objects) -> list[tuple[str, str, str]]:
    """Figure, what it counts, and a class for its colour; what commit.json leaves out is left out here."""
    status = objects.by_status
    tiles = [
        (
            wording.number(events.total),
            "events",
            "alert" if events.total else "calm" if objects.frames_scored else "",
        ),
        (wording.number(objects.frames_scored), "frames scored", ""),
        (wording.number(objects.anomalous_frames), "anomalous frames", ""),
        (wording.number(status["scored"] + status["partial"]), "objects scored", ""),
        (wording.number(status["partial"]), "partial", "warn" if status["partial"] else ""),
        (wording.number(status["quarantined"]), "quarantined", "warn" if status["quarantined"] else ""),
        (wording.number(status["unchanged"]), "unchanged", ""),
        (wording.number(status["skipped"]), "skipped", ""),
    ]
    if objects.footage_s > 0:
        tiles.append((wording.duration(objects.footage_s), "of footage", ""))
    wall_s = commit.get("wall_s")
    if wall_s:
        tiles.append((wording.duration(wall_s), "wall time", ""))
        if objects.frames_scored:
            tiles.append((wording.number(round(objects.frames_scored / wall_s)), "frames a second", ""))
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
