"""`vadray label`: an event of a report is judged right or wrong."""

from datetime import UTC, datetime

from vadray.report.find import find_event
from vadray.report.labels import Label, keep_label
from vadray.report.sql import database

_OF_EVENT = ("event_id", "object_uri", "camera", "start_frame", "end_frame", "start_s", "end_s", "sweep")


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
        found = find_event(connection, event)
    own = {name: found[name] for name in _OF_EVENT}
    label = Label(verdict=verdict, **own, at=datetime.now(UTC).isoformat(), by=by, note=note)
    keep_label(report_uri, label)
    return label
