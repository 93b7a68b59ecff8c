"""Where an event's footage is, as the sweep that found it saw it."""

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

MOST_COLUMNS = 1280
_FRAME = "frame_index, time_s, score, p_value, anomalous, peak_x, peak_y"


@dataclass(frozen=True)
class Footage:
    """An event, and what the report knows of the seconds around it.

    Args:
        event: Its row of `events`, with its `sweep`.
        row: Its object's row of `objects`.
        unit: The plan's first row of the object.
        frames: Rows of `frames` in the span, by time: `frame_index`, `time_s`, `score`, `p_value`, `anomalous`,
            `peak_x`, `peak_y`.
    """

    event: dict[str, Any]
    row: dict[str, Any]
    unit: dict[str, Any]
    frames: pa.Table

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of its pictures: the original's, at most 1280 columns, even."""
        rows, columns = self.row["height"], self.row["width"]
        scale = min(1.0, MOST_COLUMNS / columns)
        return max(2, round(rows * scale / 2) * 2), max(2, round(columns * scale / 2) * 2)


def find_footage(
    connection: duckdb.DuckDBPyConnection, report_uri: str, event: str, before_s: float, after_s: float
) -> Footage:
    """Finds an event's footage.

    Args:
        connection: Of `vadray.report.sql.database`.
        report_uri: Root of the report.
        event: The event's id, or the beginning of it.
        before_s: Seconds before its first frame.
        after_s: Seconds after its last.

    Raises:
        RequestError: There is no such event, or the sweep's frames or plan are gone.
    """
    found = find_event(connection, event)
    own = [found["sweep"], found["object_uri"]]
    where = "WHERE sweep = ? AND object_uri = ?"
    (row,) = read_rows(connection, f"SELECT * FROM objects {where}", own).to_pylist()
    span = [found["start_s"] - before_s - TIME_TOLERANCE_S, found["end_s"] + after_s + TIME_TOLERANCE_S]
    frames = read_rows(
        connection,
        f"SELECT {_FRAME} FROM frames {where} AND time_s BETWEEN ? AND ? ORDER BY frame_index",
        [*own, *span],
    )
    if not frames.num_rows:
        raise RequestError(
            f"event {found['event_id']}: expected the frames of sweep {found['sweep']}, found none; "
            "`compact frames_days=` drops those of old sweeps"
        )
    return Footage(found, row, _planned(report_uri, found), frames)


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


def decode_footage(footage: Footage, decoder: IsolatedDecoder, clip_fps: float):
    """The pictures of the span, in their original size or at most 1280 columns.

    Args:
        footage: Of `find_footage`.
        decoder: Decodes what may be damaged or hostile.
        clip_fps: Frames per second that the sweep took folders of numbered frames to have.

    Yields:
        Seconds in the object, and uint8 `[rows, columns, 3]` RGB.

    Raises:
        RequestError: The object is gone, is another version by now, or no longer decodes.
    """
    rows, columns = footage.size
    shape = FrameShape(rows, columns, channels=3, lead_frames=1, chunk_frames=32, clip_fps=clip_fps)
    request = _ranged(decode_request(footage.unit, shape), footage, decoder)
    times = footage.frames["time_s"].to_numpy()
    first_s, last_s = times[0] - TIME_TOLERANCE_S, times[-1] + TIME_TOLERANCE_S
    try:
        for chunk in decoder.decode(request):
            for time_s, picture in zip(chunk.time_s, chunk.frames[chunk.lead :], strict=True):
                if first_s <= time_s <= last_s:
                    yield float(time_s), picture
            if chunk.members[0].error and not len(chunk.time_s):
                raise UnreadableMedia(chunk.members[0].error_type or "", chunk.members[0].error)
            if len(chunk.time_s) and chunk.time_s[-1] > last_s:
                return
    except UnreadableMedia as error:
        raise RequestError(
            f"{footage.event['object_uri']}: expected it as it was swept, {error.error_type}: {error.message}"
        ) from error


def _ranged(request: DecodeRequest, footage: Footage, decoder: IsolatedDecoder) -> DecodeRequest:
    """The part of the object that is wanted, where its index tells where that is; else all of it."""
    whole = replace(request, start_pts=None, lead_pts=None, end_pts=None)
    found = decoder.probe(request.sources[0])
    if found.timestamps is None or not len(found.timestamps):
        return whole
    second = found.fps if found.time_base is None else 1 / float(found.time_base)
    ticks = (
        found.timestamps[0]
        + np.array([footage.frames["time_s"][0].as_py(), footage.frames["time_s"][-1].as_py()]) * second
    )
    # a frame more on either side: which of them are wanted is decided by their times
    first = int(np.searchsorted(found.timestamps, np.floor(ticks[0]), side="left")) - 2
    return replace(whole, start_pts=int(found.timestamps[first])) if first > 0 else whole
