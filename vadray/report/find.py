"""An event of a report, by its id."""

from typing import Any

import duckdb

from vadray.errors import RequestError
from vadray.report.sql import read_rows


def find_event(connection: duckdb.DuckDBPyConnection, event: str) -> dict[str, Any]:
    """The row of `events` with that id, and its `sweep`; of several sweeps that found it, of the newest.

    Args:
        connection: Of `vadray.report.sql.database`.
        event: The event's id, or as much of its beginning as names one event alone.

    Raises:
        RequestError: There is no such event, or there are several.
    """
    found = read_rows(
        connection,
        "SELECT events.* FROM events JOIN sweeps USING (sweep) WHERE starts_with(event_id, ?) ORDER BY committed_at",
        [event],
    ).to_pylist()
    ids = {row["event_id"] for row in found}
    if len(ids) != 1 or not event:
        received = f"{event!r}, with which {len(ids):,} begin" if ids else repr(event)
        raise RequestError(f"event: expected the id of an event of the report, received {received}")
    return found[-1]
