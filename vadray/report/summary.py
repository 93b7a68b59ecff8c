"""What the report page shows, gathered from a sweep's tables in one pass each and bounded memory."""

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from vadray.report.cameras import Cameras, Row
from vadray.report.curves import CURVE_COLUMNS, Curve, build_curves
from vadray.report.schemas import PICTURES
from vadray.report.tables import iter_table

LISTED_EVENTS = 5000
PICTURED_EVENTS = 200
PICTURED_BYTES = 14_000_000  # of pictures: the page stays below 25 MB with all else
LISTED_OBJECTS = 1000
CURVES = 40

TROUBLE = ("quarantined", "partial", "skipped")  # in the order in which they want a look
OBJECT_COLUMNS = (
    "object_uri",
    "camera",
    "kind",
    "status",
    "error_type",
    "error",
    "frames_declared",
    "frames_scored",
    "duration_s",
    "anomalous_frames",
    "max_score",
)
EVENT_COLUMNS = (
    "event_id",
    "object_uri",
    "camera",
    "start_frame",
    "end_frame",
    "start_s",
    "end_s",
    "started_at",
    "peak_frame",
    "peak_score",
    "p_value",
    "box_x",
    "box_y",
    "box_w",
    "box_h",
    "rule",
)


@dataclass(frozen=True)
class Pictures:
    """Of one event: bytes of a JPEG, and of what else there is of it, see `schemas.EVENTS`."""

    thumbnail: bytes
    heat: bytes | None
    strip: bytes | None


@dataclass(frozen=True)
class Events:
    """`total` events, of which `listed` are the most severe (lowest p, then highest score), that one first.

    `pictures` has those of the first of them, by `event_id`.
    """

    total: int
    listed: list[Row]
    pictures: dict[str, Pictures]


@dataclass(frozen=True)
class Objects:
    """Counts over all objects, the videos to draw (those with events first) and the objects to look at."""

    by_status: Counter[str]
    by_reason: Counter[tuple[str, str]]
    frames_scored: int
    anomalous_frames: int
    footage_s: float
    videos: list[Row]
    video_count: int
    trouble: list[Row]
    trouble_count: int


def _severity(event: Row) -> tuple[float, float, str]:
    return event["p_value"], -event["peak_score"], event["event_id"]


def _rows(report_uri: str, table: str, sweep_id: str, columns: tuple[str, ...]) -> Iterator[Row]:
    for batch in iter_table(report_uri, table, sweep_id, columns, batch_rows=8192):
        yield from batch.to_pylist()


def gather_events(report_uri: str, sweep_id: str, cameras: Cameras) -> Events:
    """The events to list, and pictures of the first of them; all are counted by camera."""
    total = 0

    def counted() -> Iterator[Row]:
        nonlocal total
        for row in _rows(report_uri, "events", sweep_id, EVENT_COLUMNS):
            total += 1
            cameras.add_event(row)
            yield row

    listed = heapq.nsmallest(LISTED_EVENTS, counted(), key=_severity)
    wanted = {event["event_id"] for event in listed[:PICTURED_EVENTS]}
    pictures: dict[str, Pictures] = {}
    for batch in iter_table(report_uri, "events", sweep_id, ["event_id", *PICTURES], batch_rows=256):
        for row, event_id in enumerate(batch.column("event_id").to_pylist()):
            if event_id in wanted and batch.column("thumbnail")[row].is_valid:
                pictures[event_id] = Pictures(**{name: batch.column(name)[row].as_py() for name in PICTURES})
    return Events(total, listed, _within(PICTURED_BYTES, pictures, listed))


def _within(most_bytes: int, pictures: dict[str, Pictures], listed: list[Row]) -> dict[str, Pictures]:
    """The pictures of the most severe events, as many as there is room for; their thumbnails before all else."""
    kept = {}
    shown = [event["event_id"] for event in listed[:PICTURED_EVENTS] if event["event_id"] in pictures]
    for event_id in shown:
        picture = pictures[event_id]
        if len(picture.thumbnail) <= most_bytes:
            kept[event_id] = Pictures(picture.thumbnail, None, None)
            most_bytes -= len(picture.thumbnail)
    for event_id in kept:
        more = pictures[event_id]
        size = len(more.heat or b"") + len(more.strip or b"")
        if size <= most_bytes:
            kept[event_id] = more
            most_bytes -= size
    return kept


def gather_objects(report_uri: str, sweep_id: str, events: Events, cameras: Cameras) -> Objects:
    """One pass over the objects; all are counted by camera."""
    rank = {event["object_uri"]: number for number, event in reversed(list(enumerate(events.listed)))}
    by_status: Counter[str] = Counter()
    by_reason: Counter[tuple[str, str]] = Counter()
    frames_scored = anomalous_frames = video_count = 0
    footage_s = 0.0
    videos: list[tuple[tuple[float, float, str], int, Row]] = []  # heaps, the least wanted on top
    trouble: list[tuple[tuple[int, str], int, Row]] = []
    for number, row in enumerate(_rows(report_uri, "objects", sweep_id, OBJECT_COLUMNS)):
        status = row["status"]
        by_status[status] += 1
        cameras.add_object(row)
        frames_scored += row["frames_scored"]
        anomalous_frames += row["anomalous_frames"]
        if status in TROUBLE:
            by_reason[status, row["error_type"] or ""] += 1
            order = (-TROUBLE.index(status), _reversed(row["object_uri"]))
            _keep(trouble, LISTED_OBJECTS, (order, number, row))
        if row["kind"] != "image" and row["frames_scored"] > 0:
            video_count += 1
            footage_s += row["duration_s"]
            wanted = (-rank.get(row["object_uri"], LISTED_EVENTS), row["max_score"])
            _keep(videos, CURVES, ((*wanted, _reversed(row["object_uri"])), number, row))
    return Objects(
        by_status=by_status,
        by_reason=by_reason,
        frames_scored=frames_scored,
        anomalous_frames=anomalous_frames,
        footage_s=footage_s,
        videos=[row for _, _, row in sorted(videos, key=lambda item: item[0], reverse=True)],
        video_count=video_count,
        trouble=[row for _, _, row in sorted(trouble, key=lambda item: item[0], reverse=True)],
        trouble_count=sum(by_reason.values()),
    )


def _reversed(text: str) -> str:
    """Text that sorts the other way round, so that a heap of the largest keeps the first names."""
    return "".join(chr(0x10FFFF - ord(letter)) for letter in text) + "\U0010ffff"


def _keep(heap: list, limit: int, item: tuple) -> None:
    if len(heap) < limit:
        heapq.heappush(heap, item)
    else:
        heapq.heappushpop(heap, item)


def gather_curves(report_uri: str, sweep_id: str, videos: list[Row]) -> dict[str, Curve]:
    """One pass over the frames, for the videos to draw alone; none when there is nothing to draw."""
    if not videos:
        return {}
    frames_of = {row["object_uri"]: row["frames_scored"] for row in videos}
    return build_curves(iter_table(report_uri, "frames", sweep_id, CURVE_COLUMNS), frames_of)
