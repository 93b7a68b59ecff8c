"""`vadray clip`: the seconds around an event as a film, with its box and its scores."""

import math
import os
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from vadray import storage
from vadray.config import ClipOptions
from vadray.errors import RequestError
from vadray.media.film import write_film
from vadray.media.isolation import IsolatedDecoder
from vadray.media.overlay import Curve, Overlay
from vadray.report.sql import database
from vadray.sweep.units import FrameShape
from vadray.viewing.footage import Footage, decode_span, find_footage, frames_around

DEFAULT_FPS = 25.0
LEAST_COLUMNS, MOST_COLUMNS = 320, 1280  # what is written under the picture wants room


def clip(options: ClipOptions) -> dict[str, Any]:
    """Cuts an event's film, in the size of the original, or with 320 to 1280 columns.

    Returns:
        `event_id`, `object_uri`, `out`, `frames`, and the seconds `from_s` and `to_s` in the object.

    Raises:
        RequestError: There is no such event, it is of an image, or its object cannot be read as it was swept.
    """
    if options.out:
        storage.checked_ending(options.out, "out", [".mp4"])
    report = storage.folder(options.report, "report")
    with database(report) as connection:
        footage = find_footage(connection, report, options.event)
        frames = frames_around(connection, footage, options.before_s, options.after_s)
    event = footage.event
    frames = _around_peak(frames, event["peak_frame"], options.most_s)
    if footage.unit["kind"] == "image":
        raise RequestError(f"event {event['event_id']}: expected one of a video, received one of an image")
    out = options.out or f"{event['event_id']}.mp4"
    rows, columns = film_size(footage.row["height"], footage.row["width"])
    shape = FrameShape(rows, columns, 3, lead_frames=1, chunk_frames=32, clip_fps=options.clip_fps)
    times = frames["time_s"].to_numpy()
    with (
        IsolatedDecoder(options.decode_memory_mib * 2**20, options.decode_timeout_s) as decoder,
        tempfile.TemporaryDirectory(prefix="vadray-clip-") as folder,
    ):
        film = os.path.join(folder, "clip.mp4")
        pictures = decode_span(footage, times[0], times[-1], shape, decoder)
        drawn = _drawn(footage, frames, pictures, (rows, columns))
        count = write_film(film, drawn, footage.row["fps"] or DEFAULT_FPS)
        if not count:
            raise RequestError(f"{event['object_uri']}: expected the event's frames, decoded none of them")
        storage.upload(film, out)
    return {
        "event_id": event["event_id"],
        "object_uri": event["object_uri"],
        "out": storage.absolute(out),
        "frames": count,
        "from_s": float(times[0]),
        "to_s": float(times[-1]),
    }


def _around_peak(frames: pa.Table, peak_frame: int, most_s: float) -> pa.Table:
    """At most `most_s` seconds of the frames, with the peak in their middle where there is enough on both sides."""
    time_s = frames["time_s"].to_numpy()
    if time_s[-1] - time_s[0] <= most_s:
        return frames
    peak_s = time_s[np.searchsorted(frames["frame_index"].to_numpy(), peak_frame)]
    begin_s = np.clip(peak_s - most_s / 2, time_s[0], time_s[-1] - most_s)
    return frames.filter(pa.array((time_s >= begin_s) & (time_s <= begin_s + most_s)))


def film_size(rows: int, columns: int) -> tuple[int, int]:
    """A picture's size, even as H.264 wants it: smaller ones many times as large, larger ones of 1280 columns."""
    scale = (
        min(1.0, MOST_COLUMNS / columns) if columns >= LEAST_COLUMNS else math.ceil(LEAST_COLUMNS / columns)
    )
    return max(2, round(rows * scale / 2) * 2), max(2, round(columns * scale / 2) * 2)


def _drawn(
    footage: Footage, frames: pa.Table, pictures: Iterator[tuple[float, np.ndarray]], size: tuple[int, int]
) -> Iterator[tuple[float, np.ndarray]]:
    """Pictures with what the report says of each; boxes and peaks are pixels of the original."""
    rows, columns = size
    scale = np.array([columns / footage.row["width"], rows / footage.row["height"]])
    table = {name: frames[name].to_numpy() for name in frames.column_names}
    event = footage.event
    corner, extent = (
        (np.array([event[x], event[y]]) * scale).astype(int)
        for x, y in (("box_x", "box_y"), ("box_w", "box_h"))
    )
    curve = Curve(table["time_s"], table["score"], table["anomalous"])
    overlay = Overlay(curve, (*corner.tolist(), *extent.tolist()), columns)
    for time_s, picture in pictures:
        place = int(np.abs(table["time_s"] - time_s).argmin())
        inside = event["start_frame"] <= table["frame_index"][place] <= event["end_frame"]
        peak = np.array([table["peak_x"][place], table["peak_y"][place]]) * scale
        text = f"{time_s:.2f} s   score {table['score'][place]:.4g}   p {table['p_value'][place]:.2g}"
        yield (
            time_s,
            overlay.draw(picture, time_s, tuple(peak.astype(int).tolist()) if inside else None, text),
        )
