"""Where an event's footage is, as the sweep that found it saw it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from vadray.archive.plan_files import read_part
from vadray.calibration.timeline import TIME_TOLERANCE_S
from vadray.errors import RequestError, UnreadableMedia
from vadray.media.isolation import IsolatedDecoder
from vadray.media.request import DecodeRequest
from vadray.report.find import find_event
from vadray.report.sql import read_rows
from vadray.report.tables import sweep_folder
from vadray.sweep import plan_store
from vadray.sweep.units import FrameShape, decode_request

_FRAME = "frame_index, time_s, score, p_value, anomalous, peak_x, peak_y"
_OWN = "sweep = ? AND object_uri = ?"


@dataclass(frozen=True)
class Footage:
    """An event, and the object that it is in.

    Args:
        event: Its row of `events`, with its `sweep`.
        row: Its object's row of `objects`.
        unit: The plan's first row of the object.
    """

    event: dict[str, Any]
    row: dict[str, Any]
    unit: dict[str, Any]

    @property
    def own(self) -> list[str]:
        """The sweep and the object: what its rows in the tables are found by."""
        return [self.event["sweep"], self.event["object_uri"]]


def find_footage(connection: duckdb.DuckDBPyConnection, report_uri: str, event: str) -> Footage:
    """Finds an event's footage.

    Args:
        connection: Of `vadray.report.sql.database`.
        report_uri: Root of the report.
        event: The event's id, or the beginning of it.

    Raises:
        RequestError: There is no such event, or the sweep's plan is gone.
    """
    found = find_event(connection, event)
    own = [found["sweep"], found["object_uri"]]
    (row,) = read_rows(connection, f"SELECT * FROM objects WHERE {_OWN}", own).to_pylist()
    return Footage(found, row, _planned(report_uri, found))


def frames_around(
    connection: duckdb.DuckDBPyConnection, footage: Footage, before_s: float, after_s: float
) -> pa.Table:
    """Rows of `frames` from `before_s` before the event to `after_s` after it, in order; columns as in `_FRAME`.

    Raises:
        RequestError: The sweep's frames are gone.
    """
    event = footage.event
    span = [event["start_s"] - before_s - TIME_TOLERANCE_S, event["end_s"] + after_s + TIME_TOLERANCE_S]
    return _frames(connection, footage, "time_s BETWEEN ? AND ?", span)


def frames_numbered(
    connection: duckdb.DuckDBPyConnection, footage: Footage, first: int, last: int
) -> pa.Table:
    """The same for the frames from number `first` to `last`, those that there are."""
    return _frames(connection, footage, "frame_index BETWEEN ? AND ?", [first, last])


def _frames(
    connection: duckdb.DuckDBPyConnection, footage: Footage, which: str, parameters: list[Any]
) -> pa.Table:
    frames = read_rows(
        connection,
        f"SELECT {_FRAME} FROM frames WHERE {_OWN} AND {which} ORDER BY frame_index",
        [*footage.own, *parameters],
    )
    if not frames.num_rows:
        event = footage.event
        raise RequestError(
            f"event {event['event_id']}: expected the frames of sweep {event['sweep']}, found none; "
            "`compact frames_days=` drops those of old sweeps"
        )
    return frames


def _planned(report_uri: str, event: dict[str, Any]) -> dict[str, Any]:
    """The plan's first row of an event's object."""
    plan = plan_store.load(sweep_folder(report_uri, event["sweep"]))
    if plan is not None:
        for part in plan.parts:
            for batch in read_part(plan.uri(part)):
                for unit in batch.to_pylist():
                    members = [one for one in unit["members"] if one["object_uri"] == event["object_uri"]]
                    if members:
                        return {**unit, "members": members}
    raise RequestError(
        f"event {event['event_id']}: expected its object in the plan of sweep {event['sweep']}, found it in none"
    )


def decode_span(
    footage: Footage, first_s: float, last_s: float, shape: FrameShape, decoder: IsolatedDecoder
) -> Iterator[tuple[float, np.ndarray]]:
    """The pictures of a span of the object.

    Args:
        footage: Of `find_footage`.
        first_s: Time of the first frame.
        last_s: Time of the last.
        shape: The pictures wanted.
        decoder: Decodes what may be damaged or hostile.

    Yields:
        Seconds in the object, and uint8 `[rows, columns, channels]`.

    Raises:
        RequestError: The object is gone, is another version by now, or no longer decodes.
    """
    request = _ranged(decode_request(footage.unit, shape), first_s, decoder)
    begin_s, end_s = first_s - TIME_TOLERANCE_S, last_s + TIME_TOLERANCE_S
    try:
        for chunk in decoder.decode(request):
            info = chunk.members[0]
            if info.error and not len(chunk.time_s):
                raise UnreadableMedia(info.error_type or "Unreadable", info.error)
            for time_s, picture in zip(chunk.time_s, chunk.frames[chunk.lead :], strict=True):
                if begin_s <= time_s <= end_s:
                    yield float(time_s), picture
            if len(chunk.time_s) and chunk.time_s[-1] > end_s:
                return
    except UnreadableMedia as error:
        raise RequestError(
            f"{footage.event['object_uri']}: expected it as it was swept, {error.error_type}: {error.message}"
        ) from error


def _ranged(request: DecodeRequest, first_s: float, decoder: IsolatedDecoder) -> DecodeRequest:
    """The object from shortly before a time on, where its index tells where that is; else from its beginning."""
    whole = replace(request, start_pts=None, lead_pts=None, end_pts=None)
    found = decoder.probe(request.sources[0])
    if found.timestamps is None or not len(found.timestamps):
        return whole
    ticks_of_second = found.fps if found.time_base is None else 1 / float(found.time_base)
    tick = found.timestamps[0] + first_s * ticks_of_second
    # two frames early: which of them are wanted is decided by their times
    first = int(np.searchsorted(found.timestamps, tick)) - 2
    return replace(whole, start_pts=int(found.timestamps[first])) if first > 0 else whole
