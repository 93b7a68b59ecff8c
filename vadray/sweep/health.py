"""Looks at cameras before the tables are written: what is dark, frozen, blurred or moved is named, and makes no events."""

import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from vadray import storage
from vadray.calibration.hours import hours_of
from vadray.health.conditions import STILL_SHARE, Stretch, Usual, conditions_of, stretches
from vadray.health.figures import STEP, StepFigures
from vadray.health.found import Health, HourFigures, NamedStretch
from vadray.health.nights import CARRIED_AT_MOST, NIGHTS, UsualCamera, usual_of
from vadray.health.track import UsualView, ViewTrack, is_shifted
from vadray.media.view import shift_of
from vadray.report import tables
from vadray.report.health import nights_of
from vadray.sweep import scores

NIGHTS_LOOKED_AT = 30  # of which some may have seen none of these cameras
GOES_ON_S = 900.0  # from the end of one video to the beginning of the camera's next, to compare their views

Key = tuple[str, str]  # camera and scoring digest


@dataclass
class ObjectFigures:
    """One video.

    Args:
        uri: The object.
        camera: Its camera, "" if unknown.
        scoring_digest: Of the bundle that scored it.
        captured_at: When its first frame was captured, or None.
        steps: Of `figures.STEP`.
        hours: Hour of the day of each step, UTC; None where it is not known.
        views: What the camera looked at first in each hour, and when.
        first: Its first view, None without one.
        rest: The last one that was not moved.
        compared: Hours whose views were compared with those of earlier nights.
        alike: Likeness of a minute with the next.
    """

    uri: str
    camera: str
    scoring_digest: str
    captured_at: datetime | None
    steps: np.ndarray
    hours: list[int | None]
    views: dict[int | None, tuple[float, bytes]] = field(default_factory=dict)
    first: bytes | None = None
    rest: bytes | None = None
    compared: set[int | None] = field(default_factory=set)
    alike: float = 0.0

    @property
    def key(self) -> Key:
        return self.camera, self.scoring_digest


def usual_cameras(report: str, sweep_id: str) -> dict[Key, UsualCamera]:
    """What is usual by the newest committed sweeps of the report."""
    newest = tables.committed_sweeps(report)[:NIGHTS_LOOKED_AT]
    earlier = (other for other, _ in newest if other != sweep_id)
    return usual_of(itertools.islice(nights_of(report, earlier), NIGHTS))


def gather(
    plan: Iterator[dict[str, Any]], scores_folder: str, manifest: pa.Table, usual: dict[Key, UsualCamera]
) -> list[ObjectFigures]:
    """Figures of a part's videos.

    Args:
        plan: The part's rows of the plan.
        scores_folder: Where score files are.
        manifest: The part's rows of the manifest.
        usual: Of `usual_cameras`.
    """
    chunks = dict(zip(manifest["unit_id"].to_pylist(), manifest["chunks"].to_pylist(), strict=True))
    found = []
    for unit in plan:
        if unit["status"] != "planned" or unit["kind"] == "image":
            continue
        if unit["unit_index"] == 0:
            key = unit["members"][0]["camera"] or "", unit["scoring_digest"]
            one = _Gathering(unit["members"][0], key, usual.get(key, UsualCamera()))
        for name in scores.file_names(unit["unit_id"], chunks[unit["unit_id"]]):
            one.push(scores.load(storage.join(scores_folder, name), ["frames", "views"]))
        if unit["unit_index"] == unit["unit_count"] - 1:
            found.append(one.finish())
    return found


class _Gathering:
    """Figures of one video, from its score rows in order."""

    def __init__(self, member: dict[str, Any], key: Key, usual: UsualCamera):
        self._member, self._key, self._usual = member, key, usual
        self._figures = StepFigures()
        self._steps: list[np.ndarray] = []
        self._track = ViewTrack()
        self._moved: dict[int, bool] = {}  # by minute
        self._views: dict[int | None, tuple[float, bytes]] = {}
        self._compared: set[int | None] = set()
        self._first: bytes | None = None

    def push(self, row: pa.Table) -> None:
        frames = scores.frames_of(row)
        self._steps += self._figures.push(frames)
        for view in row["views"][0].as_py():
            time_s = float(frames["time_s"][view["frame"]])
            self._look(time_s, view["jpeg"])

    def _look(self, time_s: float, view: bytes) -> None:
        hour = self._hour(time_s)
        moved = self._track.look(view)
        usual = None if hour is None else self._usual.views.get(hour)  # night and day look unlike
        if usual is not None:
            moved = usual.is_left(view)
            self._compared.add(hour)
        self._moved[int(time_s // 60)] = moved
        self._first = self._first or view
        self._views.setdefault(hour, (time_s, view))

    def _hour(self, time_s: float) -> int | None:
        hour = hours_of(self._member["captured_at"], np.array([time_s]))
        return None if hour is None else int(hour[0])

    def finish(self) -> ObjectFigures:
        self._steps += self._figures.finish()
        steps = np.array(self._steps, STEP)
        for step in steps:
            step["moved"] = self._moved.get(int(step["start_s"] // 60), False)
        return ObjectFigures(
            self._member["object_uri"],
            *self._key,
            self._member["captured_at"],
            steps,
            [self._hour(float(start)) for start in steps["start_s"]],
            self._views,
            self._first,
            self._track.rest,
            self._compared,
            self._track.alike,
        )


def decide(objects: list[ObjectFigures], usual: dict[Key, UsualCamera]) -> Health:
    """What to name, of all videos of a sweep.

    Args:
        objects: In any order.
        usual: What they are compared with; a camera without earlier nights is compared with itself.
    """
    by_camera: dict[Key, list[ObjectFigures]] = {}
    for one in objects:
        by_camera.setdefault(one.key, []).append(one)
    health = Health()
    for key in sorted(by_camera):
        # ties, and unknown times, in the order of names
        own = sorted(by_camera[key], key=lambda one: (str(one.captured_at or "~"), one.uri))
        _mark_moves(own)
        known = usual.get(key, UsualCamera())
        itself = _by_itself(own)
        for one in own:
            named = _named(one, known, itself)
            health.stretches.extend(_whose(one, stretch) for stretch in named)
            _add_hours(health, one, known, named)
    return health


def _mark_moves(objects: list[ObjectFigures]) -> None:
    """A camera that is moved between two videos that follow each other; earlier nights say more where there are any."""
    rest: bytes | None = None
    until: datetime | None = None
    for one in objects:
        begins = one.captured_at
        follows = until is not None and begins is not None and (begins - until).total_seconds() <= GOES_ON_S
        if follows and rest and one.first and not one.compared and is_shifted(shift_of(rest, one.first)):
            one.steps["moved"] = True
        else:
            rest = one.rest
        if begins is not None and len(one.steps):
            last = one.steps[-1]
            until = begins + timedelta(seconds=float(last["start_s"] + last["seconds"]))


def _by_itself(objects: list[ObjectFigures]) -> Usual | None:
    steps = np.concatenate([one.steps for one in objects])
    if len(steps) == 0:
        return None
    still = float((steps["still"] >= STILL_SHARE).mean())
    # not the median: a camera may not have been well for most of the night
    brightness, sharpness = (float(np.quantile(steps[name], 0.75)) for name in ("brightness", "sharpness"))
    return Usual(brightness, sharpness, still, False)


def _named(one: ObjectFigures, known: UsualCamera, itself: Usual | None) -> list[Stretch]:
    conditions = np.full(len(one.steps), -1)
    hours = np.array([-1 if hour is None else hour for hour in one.hours])
    for hour in set(one.hours):
        usual = known.at(hour) or itself
        mine = hours == (-1 if hour is None else hour)
        if usual is not None:
            conditions[mine] = conditions_of(one.steps[mine], usual)
    return stretches(one.steps, conditions)


def _whose(one: ObjectFigures, stretch: Stretch) -> NamedStretch:
    started = one.captured_at + timedelta(seconds=stretch.start_s) if one.captured_at else None
    return NamedStretch(
        **asdict(stretch),
        object_uri=one.uri,
        camera=one.camera,
        started_at=started.isoformat() if started else None,
    )


def _add_hours(health: Health, one: ObjectFigures, known: UsualCamera, named: list[Stretch]) -> None:
    for step, hour in zip(one.steps, one.hours, strict=True):
        figures = health.hours.setdefault((*one.key, hour), HourFigures())
        figures.frames += int(step["frames"])
        figures.seconds += float(step["seconds"])
        figures.still_s += float(step["seconds"]) * bool(step["still"] >= STILL_SHARE)
    for hour, (time_s, view) in one.views.items():
        figures = health.hours[(*one.key, hour)]
        ill = next((span.condition for span in named if span.start_s <= time_s < span.end_s), None)
        before = known.views.get(hour)
        if ill is None and (figures.view is None or figures.view is before):
            figures.view = UsualView(view, one.alike)
        elif ill is not None and before is not None and figures.view is None:
            figures.view = _carried_on(before, view, one.alike) if ill == "moved" else before


def _carried_on(before: UsualView, view: bytes, alike: float) -> UsualView:
    """What a camera that was moved is compared with the next night: for a week what it looked at before."""
    if before.carried >= CARRIED_AT_MOST:
        return UsualView(view, alike)
    return UsualView(before.view, before.alike, before.carried + 1)
