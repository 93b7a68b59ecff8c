"""One object's scores over time, streamed into rows of `frames` and `events` and its row of `objects`."""

import hashlib
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from vadray.calibration.calibration import Calibration
from vadray.calibration.events import runs
from vadray.report.schemas import FRAMES

_KEPT = (
    "time_s",
    "score",
    "peak_x",
    "peak_y",
    "box_x",
    "box_y",
    "box_w",
    "box_h",
    "brightness",
    "sharpness",
    "motion",
)


class ObjectTimeline:
    """Takes an object's unit scores in order; holds only the frames that are not decided yet.

    Args:
        unit: The plan row that the object comes from.
        member: Its entry in `unit["members"]`.
        calibration: Of the bundle that scored it.
    """

    def __init__(self, unit: dict[str, Any], member: dict[str, Any], calibration: Calibration):
        self._unit, self._member = unit, member
        self._calibration = calibration
        self._camera: str = member["camera"] or ""
        self._own = calibration.for_camera(self._camera)
        self._is_image = unit["kind"] == "image"
        self._smoother = calibration.smoother()
        self._builder = calibration.event_builder(self._camera)
        self._pending: dict[str, np.ndarray] = {}
        self._smoothed = np.zeros(0)
        self._decided = 0  # frames already given out
        self._pictures: list[tuple[int, bytes]] = []
        self._open: dict[str, Any] | None = None
        self._first_s = self._last_s = 0.0
        self._anomalous = 0
        self._max_score = 0.0
        self._frames = 0
        self._infos: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []

    @property
    def captured_at(self) -> datetime | None:
        return self._member["captured_at"]

    def push(
        self, info: dict[str, Any], frames: dict[str, np.ndarray], pictures: list[tuple[int, bytes]]
    ) -> pa.Table:
        """Takes the next scores.

        Args:
            info: The member's entry in the score row.
            frames: Arrays `[n]` of `scores.FRAME`'s fields, this member's frames only.
            pictures: Index into `frames` and JPEG.

        Returns:
            Rows of `frames` that became decided.
        """
        self._infos.append(info)
        count = len(frames["score"])
        if count == 0:
            return FRAMES.empty_table()
        if self._frames == 0:
            self._first_s = float(frames["time_s"][0])
            self._max_score = float(frames["score"][0])
        self._last_s = float(frames["time_s"][-1])
        self._max_score = max(self._max_score, float(frames["score"].max()))
        self._pictures += [(self._frames + index, jpeg) for index, jpeg in pictures]
        self._frames += count
        for name in _KEPT:
            before = self._pending.get(name)
            self._pending[name] = frames[name] if before is None else np.concatenate([before, frames[name]])
        smoothed = self._smoother.push(frames["time_s"], frames["score"])
        return self._decide(smoothed, self._builder.push(self._new_times(smoothed), smoothed))

    def finish(self) -> pa.Table:
        """The rows of `frames` that are left. `events` and `object_row` are complete afterwards."""
        smoothed = self._smoother.finish()
        flags = self._builder.push(self._new_times(smoothed), smoothed)
        rows = self._decide(smoothed, np.concatenate([flags, self._builder.finish()]))
        self._close()
        return rows

    def _new_times(self, smoothed: np.ndarray) -> np.ndarray:
        start = len(self._smoothed)
        return self._pending["time_s"][start : start + len(smoothed)] if self._pending else np.zeros(0)

    def _decide(self, smoothed: np.ndarray, flags: np.ndarray) -> pa.Table:
        self._smoothed = np.concatenate([self._smoothed, smoothed])
        count = len(flags)
        if count == 0:
            return FRAMES.empty_table()
        decided = {name: values[:count] for name, values in self._pending.items()}
        decided["p_value"] = self._own.p_value(self._smoothed[:count])
        self._pending = {name: values[count:] for name, values in self._pending.items()}
        self._smoothed = self._smoothed[count:]
        self._gather_events(decided, flags)
        self._anomalous += int(flags.sum())
        index = np.arange(self._decided, self._decided + count)
        self._decided += count
        return self._frame_rows(index, decided, flags)

    def _frame_rows(self, index: np.ndarray, decided: dict[str, np.ndarray], flags: np.ndarray) -> pa.Table:
        columns: dict[str, Any] = {
            **decided,
            "object_uri": np.full(len(index), self._member["object_uri"], object),
            "camera": np.full(len(index), self._camera, object),
            "frame_index": index,
            "captured_at": self._captured_at(decided["time_s"]),
            "anomalous": flags,
        }
        arrays = [pa.array(columns[f.name]).cast(f.type) for f in FRAMES]
        return pa.Table.from_arrays(arrays, schema=FRAMES)

    def _captured_at(self, time_s: np.ndarray) -> pa.Array:
        captured: datetime | None = self._member["captured_at"]
        if captured is None:
            return pa.nulls(len(time_s), pa.timestamp("us", tz="UTC"))
        start = np.datetime64(captured.replace(tzinfo=None), "us")
        return pa.array(start + np.round(time_s * 1e6).astype("timedelta64[us]")).cast(
            pa.timestamp("us", tz="UTC")
        )

    def _gather_events(self, decided: dict[str, np.ndarray], flags: np.ndarray) -> None:
        if self._open is not None and not flags[0]:
            self._close()
        for first, last in runs(flags):
            peak = first + int(decided["score"][first : last + 1].argmax())
            part = {
                "start_frame": self._decided + first,
                "end_frame": self._decided + last,
                "start_s": float(decided["time_s"][first]),
                "end_s": float(decided["time_s"][last]),
                "peak_frame": self._decided + peak,
                "peak_score": float(decided["score"][peak]),
                "p_value": float(decided["p_value"][first : last + 1].min()),
                **{name: int(decided[name][peak]) for name in ("box_x", "box_y", "box_w", "box_h")},
            }
            if self._open is None:
                self._open = part
            else:
                self._open = _joined(self._open, part)
            if last < len(flags) - 1:
                self._close()
        if self._open is None:  # pictures of decided frames outside of events will not be asked for
            self._pictures = [(i, jpeg) for i, jpeg in self._pictures if i >= self._decided + len(flags)]

    def _close(self) -> None:
        if self._open is None:
            return
        event, self._open = self._open, None
        within = [(i, jpeg) for i, jpeg in self._pictures if event["start_frame"] <= i <= event["end_frame"]]
        # the peak's own picture where there is one, else the nearest in the event
        nearest = min(within, key=lambda pair: (abs(pair[0] - event["peak_frame"]), pair[0]), default=None)
        started = self._captured_at(np.array([event["start_s"]]))[0].as_py()
        identity = f"{self._member['object_uri']}\0{self._unit['scoring_digest']}\0{event['start_frame']}"
        self.events.append(
            {
                **event,
                "event_id": hashlib.blake2b(identity.encode(), digest_size=8).hexdigest(),
                "object_uri": self._member["object_uri"],
                "camera": self._camera,
                "started_at": started,
                "rule": None,
                "thumbnail": nearest[1] if nearest else None,
            }
        )

    def object_row(self) -> dict[str, Any]:
        """The object's row of `objects`."""
        info = next((info for info in self._infos if info["width"]), self._infos[0])
        failed = next((info for info in self._infos if info["error"]), None)
        damaged = any(info["status"] != "scored" for info in self._infos)
        error_type = failed["error_type"] if failed else None
        error = failed["error"] if failed else None
        if self._frames:
            status = "partial" if damaged else "scored"
        else:
            status = "quarantined"
            if not error:
                error_type, error = "NoFrames", "expected at least one frame, the file decodes to none"
        fps = info["fps"] or 0.0
        duration_s = 0.0
        if not self._is_image and self._frames:
            duration_s = self._last_s - self._first_s + (1 / fps if fps else 0.0)
        return object_row(
            self._unit,
            self._member,
            status=status,
            error_type=error_type,
            error=error,
            codec=info["codec"] or "",
            width=info["width"] or 0,
            height=info["height"] or 0,
            fps=fps,
            frames_declared=info["frames_declared"],
            frames_scored=self._frames,
            duration_s=duration_s,
            anomalous_frames=self._anomalous,
            max_score=self._max_score,
        )


def object_row(unit: dict[str, Any], member: dict[str, Any], **figures: Any) -> dict[str, Any]:
    """A row of `objects`; without figures that of an object that was not opened."""
    return {
        "object_uri": member["object_uri"],
        "camera": member["camera"] or "",
        "kind": unit["kind"],
        "status": unit["status"],
        "error_type": unit["error_type"],
        "error": unit["error"],
        "bytes": member["bytes"],
        "etag": member["etag"],
        "scoring_digest": unit["scoring_digest"],
        "codec": "",
        "width": 0,
        "height": 0,
        "fps": 0.0,
        "frames_declared": None,
        "frames_scored": 0,
        "duration_s": 0.0,
        "anomalous_frames": 0,
        "max_score": 0.0,
        **figures,
    }


def _joined(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Two parts of one event, the second following the first."""
    peak = after if after["peak_score"] > before["peak_score"] else before
    return {
        **peak,
        "start_frame": before["start_frame"],
        "start_s": before["start_s"],
        "end_frame": after["end_frame"],
        "end_s": after["end_s"],
        "p_value": min(before["p_value"], after["p_value"]),
    }
