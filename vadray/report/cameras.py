"""Figures of each camera for the report page, counted while its tables are read."""

from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]


@dataclass
class CameraFigures:
    """What a night saw of one camera.

    Args:
        objects: Videos, clips and images.
        quarantined: Of them, those that could not be read.
        frames: Frames scored.
        footage_s: Seconds of video scored.
        events: Events, listed on the page or not.
        lowest_p: The most severe event's p-value, None without an event.
    """

    objects: int = 0
    quarantined: int = 0
    frames: int = 0
    footage_s: float = 0.0
    events: int = 0
    lowest_p: float | None = None

    @property
    def events_per_hour(self) -> float | None:
        """Events for each hour of video; None without video."""
        return self.events / (self.footage_s / 3600) if self.footage_s > 0 else None


@dataclass
class Cameras:
    """Figures by camera; "" is what no camera is known of."""

    figures: dict[str, CameraFigures] = field(default_factory=dict)

    def add_object(self, row: Row) -> None:
        """Counts a row of `objects`."""
        one = self._of(row)
        one.objects += 1
        one.quarantined += row["status"] == "quarantined"
        one.frames += row["frames_scored"]
        if row["kind"] != "image":
            one.footage_s += row["duration_s"]

    def add_event(self, row: Row) -> None:
        """Counts a row of `events`."""
        one = self._of(row)
        one.events += 1
        one.lowest_p = row["p_value"] if one.lowest_p is None else min(one.lowest_p, row["p_value"])

    def by_events(self) -> list[tuple[str, CameraFigures]]:
        """Those with most events first."""
        return sorted(self.figures.items(), key=lambda item: (-item[1].events, item[0]))

    def _of(self, row: Row) -> CameraFigures:
        return self.figures.setdefault(row["camera"], CameraFigures())
