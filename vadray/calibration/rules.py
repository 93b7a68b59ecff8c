"""Rules beside the model, applied: which frames may be in events, and what became of the others. Pure functions."""

import fnmatch
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import time
from typing import Any

import numpy as np
from matplotlib.path import Path as Outline

from vadray.calibration.events import runs

NO_RULE = -1  # of a frame that none fits


@dataclass(frozen=True)
class Scene:
    """Frames of one object that rules are asked about.

    Args:
        camera: Its camera, "" if unknown.
        peak: float64 `[n, 2]`, x and y of each frame's peak, in shares of width and height.
        box: float64 `[n, 4]`, left, top, right and bottom of its box, in the same shares.
        motion: float32 `[n]`, mean change from the frame before, in grey levels.
        minute: int64 `[n]`, of the day, in the rules' time zone; None where it is not known when they were captured.
        weekday: int64 `[n]`, 0 is Monday; None likewise.
    """

    camera: str
    peak: np.ndarray
    box: np.ndarray
    motion: np.ndarray
    minute: np.ndarray | None
    weekday: np.ndarray | None


@dataclass(frozen=True)
class Places:
    """Where events were before.

    Args:
        box: float64 `[k, 4]`, left, top, right, bottom in shares.
        group: int64 `[k]`, the sweep of each, or a number of its own.
        least: In how many different groups a box must meet one.
        overlap: Intersection over union from which they meet.
    """

    box: np.ndarray
    group: np.ndarray
    least: int
    overlap: float

    def meet(self, boxes: np.ndarray) -> np.ndarray:
        """Which of the boxes `[n, 4]` were there before, bool `[n]`."""
        met = _overlap(boxes, self.box) >= self.overlap
        sweeps = [met[:, self.group == group].any(axis=1) for group in np.unique(self.group)]
        return np.sum(sweeps, axis=0) >= self.least if sweeps else np.zeros(len(boxes), bool)


@dataclass(frozen=True)
class FrameRule:
    """A rule, ready to be asked. What is None or empty is not asked for.

    Args:
        name: Of the rule.
        keep: Whether frames that fit may be in events.
        cameras: Globs.
        polygons: float64 `[corners, 2]` each.
        mask: bool `[rows, columns]`.
        area: Bounds of the box's area as a share of the picture: above the first, below the second.
        span: From and until, minutes of the day; over midnight where from is the later.
        weekdays: Numbers, 0 is Monday.
        motion: Bounds, above and below.
        places: By camera.
    """

    name: str
    keep: bool
    cameras: Sequence[str] = ()
    polygons: Sequence[np.ndarray] = ()
    mask: np.ndarray | None = None
    area: tuple[float, float] = (-np.inf, np.inf)
    span: tuple[int, int] | None = None
    weekdays: Sequence[int] = ()
    motion: tuple[float, float] = (-np.inf, np.inf)
    places: Mapping[str, Places] | None = None

    def is_for(self, camera: str) -> bool:
        return not self.cameras or any(fnmatch.fnmatchcase(camera, glob) for glob in self.cameras)

    def fits(self, scene: Scene) -> np.ndarray:
        """Of which frames all is true that the rule says, bool `[n]`."""
        count = len(scene.peak)
        if not self.is_for(scene.camera):
            return np.zeros(count, bool)
        fits = np.ones(count, bool)
        if self.polygons:
            fits &= np.any(
                [Outline(corners).contains_points(scene.peak) for corners in self.polygons], axis=0
            )
        if self.mask is not None:
            rows, columns = self.mask.shape
            x, y = (np.clip((scene.peak * (columns, rows)).astype(int), 0, (columns - 1, rows - 1))).T
            fits &= self.mask[y, x]
        area = (scene.box[:, 2] - scene.box[:, 0]) * (scene.box[:, 3] - scene.box[:, 1])
        fits &= (area > self.area[0]) & (area < self.area[1])
        fits &= (scene.motion > self.motion[0]) & (scene.motion < self.motion[1])
        if self.span is not None:
            fits &= _within(scene.minute, self.span, count)
        if self.weekdays:
            fits &= np.zeros(count, bool) if scene.weekday is None else np.isin(scene.weekday, self.weekdays)
        if self.places is not None:
            places = self.places.get(scene.camera)
            fits &= np.zeros(count, bool) if places is None else places.meet(scene.box)
        return fits


@dataclass(frozen=True)
class FrameRules:
    """Rules in the order in which they are tried.

    Args:
        rules: The first that fits a frame decides.
        keep_others: What becomes of frames that none fits.
        time_zone: Of hours and weekdays.
    """

    rules: Sequence[FrameRule] = ()
    keep_others: bool = True
    time_zone: str = "UTC"

    @property
    def decide_anything(self) -> bool:
        """Whether there is a rule, or frames are dropped for want of one."""
        return bool(self.rules) or not self.keep_others

    def decide(self, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
        """Which rule decides each frame, its number or `NO_RULE`, int64 `[n]`; and whether it is kept, bool `[n]`."""
        decided = np.full(len(scene.peak), NO_RULE)
        for number, rule in enumerate(self.rules):
            decided[(decided == NO_RULE) & rule.fits(scene)] = number
        keeps = np.array([*(rule.keep for rule in self.rules), self.keep_others])
        return decided, keeps[decided]  # NO_RULE is the last of them


def minutes_of(span: tuple[time, time]) -> tuple[int, int]:
    """A span of the day in minutes."""
    return tuple(moment.hour * 60 + moment.minute for moment in span)  # type: ignore[return-value]


def _within(minute: np.ndarray | None, span: tuple[int, int], count: int) -> np.ndarray:
    if minute is None:
        return np.zeros(count, bool)
    begin, end = span
    inside = (minute >= begin, minute < end)
    return inside[0] & inside[1] if begin < end else inside[0] | inside[1]


def _overlap(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union, float64 `[n, k]`."""
    one, two = boxes[:, None], others[None]
    sides = np.minimum(one[..., 2:], two[..., 2:]) - np.maximum(one[..., :2], two[..., :2])
    common = np.maximum(sides, 0).prod(axis=-1)
    areas = [np.maximum(part[..., 2:] - part[..., :2], 0).prod(axis=-1) for part in (one, two)]
    union = areas[0] + areas[1] - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


@dataclass
class DroppedEvents:
    """Counts events that would have been, had no frame been dropped, and of which nothing is left.

    Frames come in order, from two event builders that decide them at different times.

    Args:
        counts: By what dropped most of an event's frames.
    """

    counts: Counter[str] = field(default_factory=Counter)
    _without: list[np.ndarray] = field(default_factory=list)
    _kept: list[np.ndarray] = field(default_factory=list)
    _reasons: list[np.ndarray] = field(default_factory=list)
    _open: Counter[str] | None = None
    _lives: bool = False

    def push(self, without: np.ndarray, kept: np.ndarray, reasons: np.ndarray) -> None:
        """Takes what became known.

        Args:
            without: Flags of the builder that knows of no rules, bool `[n]`.
            kept: Flags of the one that does, bool `[m]`.
            reasons: What dropped a frame, text or "" of those kept, object `[k]`; not later than either flag.
        """
        for held, new in ((self._without, without), (self._kept, kept), (self._reasons, reasons)):
            if len(new):
                held.append(new)
        held = [
            np.concatenate(one) if one else np.zeros(0, bool)
            for one in (self._without, self._kept, self._reasons)
        ]
        count = min(len(held[0]), len(held[1]))
        self._without, self._kept, self._reasons = ([one[count:]] if len(one) > count else [] for one in held)
        if count:
            self._count(*(one[:count] for one in held))

    def finish(self) -> None:
        """Counts the last event."""
        self._close()

    def _count(self, without: np.ndarray, kept: np.ndarray, reasons: np.ndarray) -> None:
        if not without[0]:
            self._close()
        for first, last in runs(without):
            if self._open is None:
                self._open, self._lives = Counter(), False
            self._open.update(reason for reason in reasons[first : last + 1].tolist() if reason)
            self._lives |= bool(kept[first : last + 1].any())
            if last < len(without) - 1:
                self._close()

    def _close(self) -> None:
        event, self._open = self._open, None
        if event and not self._lives:
            self.counts[max(sorted(event), key=event.__getitem__)] += 1


def shares(frames: Mapping[str, Any], width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Peaks `[n, 2]` and boxes `[n, 4]` (left, top, right, bottom) in shares of the picture, from pixels.

    Args:
        frames: Arrays `[n]` by name: peak_x, peak_y, box_x, box_y, box_w, box_h.
        width: Columns of the picture, 0 if unknown.
        height: Its rows.
    """
    size = np.array([max(width, 1), max(height, 1)], float)
    peak = (np.stack([frames["peak_x"], frames["peak_y"]], axis=1) + 0.5) / size
    corner = np.stack([frames["box_x"], frames["box_y"]], axis=1).astype(float)
    extent = np.stack([frames["box_w"], frames["box_h"]], axis=1)
    return peak, np.concatenate([corner, corner + extent], axis=1) / np.concatenate([size, size])
