"""One object's scores over time, streamed into rows of `frames` and `events` and its row of `objects`."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from vadray.calibration.calibration import Calibration
from vadray.calibration.events import runs
from vadray.calibration.hours import hours_of
from vadray.calibration.rules import NO_RULE, DroppedEvents, FrameRules
from vadray.health.conditions import Stretch
from vadray.report.schemas import FRAMES
from vadray.sweep.scene import scene_of

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
    "rule",  # its number, of `FrameRules`
    "dropped",
)
_OUT_OF_EVENTS = np.finfo(np.float64).min  # the smoothed score of a frame that no event may have


class ObjectTimeline:
    """Takes an object's unit scores in order; holds only the frames that are not decided yet.

    Args:
        unit: The plan row that the object comes from.
        member: Its entry in `unit["members"]`.
        calibration: Of the bundle that scored it.
        rules: Which frames may be in events.
        stretches: Of this object, in which its camera saw nothing: no frame of them is in an event.
    """

    def __init__(
        self,
        unit: dict[str, Any],
        member: dict[str, Any],
        calibration: Calibration,
        rules: FrameRules,
        stretches: Sequence[Stretch] = (),
    ):
        self.unit, self._member = unit, member
        self._rules, self.stretches = rules, stretches
        self._calibration = calibration
        self.camera: str = member["camera"] or ""
        self._by_hour = calibration.by_hour(self.camera)
        self._is_image = unit["kind"] == "image"
        self._smoother = calibration.smoother()
        self._kept_smoother = calibration.rules.kept_smoother()
        self._builder = calibration.event_builder(self.camera)
        asks = rules.decide_anything or bool(stretches)
        self._unruled = calibration.event_builder(self.camera) if asks else None  # to know what was dropped
        self._dropped = DroppedEvents()
        self._pending: dict[str, np.ndarray] = {}
        self._smoothed = np.zeros(0)
        self._own = np.zeros(0)  # smoothed over the frames that rules keep
        self._decided = 0  # frames already given out
        self._moments: list[dict[str, Any]] = []
        self._open: dict[str, Any] | None = None
        self._first_s = self._last_s = 0.0
        self._anomalous = 0
        self._max_score = 0.0
        self._frames = 0
        self._infos: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []

    @property
    def dropped(self) -> Counter[str]:
        """Events that would have been, by what dropped them; complete once finished."""
        return self._dropped.counts

    @property
    def captured_at(self) -> datetime | None:
        return self._member["captured_at"]

    def push(
        self, info: dict[str, Any], frames: dict[str, np.ndarray], moments: list[dict[str, Any]]
    ) -> pa.Table:
        """Takes the next scores.

        Args:
            info: The member's entry in the score row.
            frames: Arrays `[n]` of `scores.FRAME`'s fields, this member's frames only.
            moments: Of `scores.MOMENT`, whose `frame` indexes `frames`.

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
        self._moments += [{**moment, "frame": self._frames + moment["frame"]} for moment in moments]
        self._frames += count
        decided, reasons = self._ask_rules(info, frames)
        frames = {**frames, "rule": decided, "dropped": reasons != ""}
        for name in _KEPT:
            before = self._pending.get(name)
            self._pending[name] = frames[name] if before is None else np.concatenate([before, frames[name]])
        smoothed = self._smoother.push(frames["time_s"], frames["score"])
        own = smoothed
        if self._unruled is not None:
            own = self._kept_smoother.push(frames["time_s"], frames["score"], ~frames["dropped"])
        return self._decide(smoothed, own, self._build(smoothed, own, reasons))

    def finish(self) -> pa.Table:
        """The rows of `frames` that are left. `events` and `object_row` are complete afterwards."""
        smoothed = own = self._smoother.finish()
        if self._unruled is not None:
            own = self._kept_smoother.finish()
        flags = self._build(smoothed, own, np.zeros(0, object))
        last = self._builder.finish()
        if self._unruled is not None:
            self._dropped.push(self._unruled.finish(), last, np.zeros(0, object))
            self._dropped.finish()
        rows = self._decide(smoothed, own, np.concatenate([flags, last]))
        self._close()
        return rows

    def _ask_rules(
        self, info: dict[str, Any], frames: dict[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The number of the rule that decides each frame, and what dropped it, "" of those that may be in events."""
        time_s = frames["time_s"]
        if self._unruled is None:
            return np.full(len(time_s), NO_RULE), np.full(len(time_s), "", object)
        scene = scene_of(self.camera, self.captured_at, self._rules.time_zone, info, frames)
        decided, kept = self._rules.decide(scene)
        names = np.array([*(rule.name for rule in self._rules.rules), "no rule"], object)
        reasons = np.where(kept, "", names[decided]).astype(object)
        for stretch in self.stretches:
            reasons[(time_s >= stretch.start_s) & (time_s < stretch.end_s)] = f"camera {stretch.condition}"
        return decided, reasons

    def _build(self, smoothed: np.ndarray, own: np.ndarray, reasons: np.ndarray) -> np.ndarray:
        """Flags of the frames that became decided."""
        start = len(self._smoothed)
        new = slice(start, start + len(smoothed))
        time_s, dropped = (
            (self._pending[name][new] for name in ("time_s", "dropped"))
            if self._pending
            else (np.zeros(0), np.zeros(0, bool))
        )
        hour = hours_of(self.captured_at, time_s)
        levels = self._by_hour.levelled(own, hour)
        flags = self._builder.push(time_s, np.where(dropped, _OUT_OF_EVENTS, levels))
        if self._unruled is not None:
            without = self._unruled.push(time_s, self._by_hour.levelled(smoothed, hour))
            self._dropped.push(without, flags, reasons)
        return flags

    def _decide(self, smoothed: np.ndarray, own: np.ndarray, flags: np.ndarray) -> pa.Table:
        self._smoothed = np.concatenate([self._smoothed, smoothed])
        self._own = np.concatenate([self._own, own])
        count = len(flags)
        if count == 0:
            return FRAMES.empty_table()
        decided = {name: values[:count] for name, values in self._pending.items()}
        hour = hours_of(self.captured_at, decided["time_s"])
        decided["p_value"] = self._by_hour.p_value(self._smoothed[:count], hour)
        own_p = (
            decided["p_value"]
            if self._unruled is None
            else np.where(decided["dropped"], 1.0, self._by_hour.p_value(self._own[:count], hour))
        )
        self._pending = {name: values[count:] for name, values in self._pending.items()}
        self._smoothed, self._own = self._smoothed[count:], self._own[count:]
        self._gather_events({**decided, "own_p": own_p}, flags)
        self._anomalous += int(flags.sum())
        index = np.arange(self._decided, self._decided + count)
        self._decided += count
        return self._frame_rows(index, decided, flags)

    def _frame_rows(self, index: np.ndarray, decided: dict[str, np.ndarray], flags: np.ndarray) -> pa.Table:
        columns: dict[str, Any] = {
            **decided,
            "object_uri": np.full(len(index), self._member["object_uri"], object),
            "camera": np.full(len(index), self.camera, object),
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
            within = slice(first, last + 1)
            score = np.where(decided["dropped"][within], -np.inf, decided["score"][within])
            peak = first + int(score.argmax())
            rule = int(decided["rule"][peak])
            part = {
                "start_frame": self._decided + first,
                "end_frame": self._decided + last,
                "start_s": float(decided["time_s"][first]),
                "end_s": float(decided["time_s"][last]),
                "peak_frame": self._decided + peak,
                "peak_score": float(score.max()),
                "p_value": float(decided["own_p"][within].min()),
                "rule": None if rule == NO_RULE else self._rules.rules[rule].name,
                **{name: int(decided[name][peak]) for name in ("box_x", "box_y", "box_w", "box_h")},
            }
            if self._open is None:
                self._open = part
            else:
                self._open = _joined(self._open, part)
            if last < len(flags) - 1:
                self._close()
        if self._open is None:  # pictures of decided frames outside of events will not be asked for
            self._moments = [one for one in self._moments if one["frame"] >= self._decided + len(flags)]

    def _close(self) -> None:
        if self._open is None:
            return
        event, self._open = self._open, None
        within = [one for one in self._moments if event["start_frame"] <= one["frame"] <= event["end_frame"]]
        # the peak's own picture where there is one, else the nearest in the event
        nearest = min(
            within, key=lambda one: (abs(one["frame"] - event["peak_frame"]), one["frame"]), default={}
        )
        started = self._captured_at(np.array([event["start_s"]]))[0].as_py()
        identity = f"{self._member['object_uri']}\0{self.unit['scoring_digest']}\0{event['start_frame']}"
        self.events.append(
            {
                **event,
                "event_id": hashlib.blake2b(identity.encode(), digest_size=8).hexdigest(),
                "object_uri": self._member["object_uri"],
                "camera": self.camera,
                "started_at": started,
                "thumbnail": nearest.get("jpeg"),
                "heat": nearest.get("heat"),
                "strip": nearest.get("strip"),
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
            self.unit,
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
