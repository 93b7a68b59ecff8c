"""`vadray label`: an event of a report is judged right or wrong."""

from datetime import UTC, datetime

from vadray.errors import RequestError
from vadray.report.labels import Label, keep_label
from vadray.report.sql import database

_OF_EVENT = ("object_uri", "camera", "start_frame", "end_frame", "start_s", "end_s", "sweep")


def label_event(
    report_uri: str, event: str, verdict: str, by: str | None = None, note: str | None = None
) -> Label:
    """Judges an event of the report.

    Args:
        report_uri: Root of the report.
        event: The event's id, or as much of its beginning as names one event alone.
        verdict: One of `labels.VERDICTS`.
        by: Who says so.
        note: Why.

    Raises:
        RequestError: There is no such event, or there are several.
    """
    with database(report_uri) as connection:
        found = connection.execute(
            f"SELECT event_id, {', '.join(_OF_EVENT)} FROM events JOIN sweeps USING (sweep) "
            "WHERE starts_with(event_id, ?) ORDER BY committed_at",
            [event],
        ).fetchall()
    ids = sorted({row[0] for row in found})
    if len(ids) != 1 or not event:
        received = f"{event!r}, with which {len(ids):,} begin" if ids else repr(event)
        raise RequestError(f"event: expected the id of an event of {report_uri}, received {received}")
    own = dict(zip(_OF_EVENT, found[-1][1:], strict=True))
    label = Label(ids[0], verdict, **own, at=datetime.now(UTC).isoformat(), by=by, note=note)
    keep_label(report_uri, label)
    return label
