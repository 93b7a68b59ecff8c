"""What was found of a sweep's cameras before its tables were written: `health.json` in the sweep's folder."""

import base64
import json
from dataclasses import asdict, dataclass, field

from vadray.health.conditions import Stretch
from vadray.health.nights import KEY
from vadray.health.track import UsualView

HEALTH = "health.json"


@dataclass
class HourFigures:
    """What a night adds to what is known of a camera at an hour, but for what the tables tell."""

    frames: int = 0
    seconds: float = 0.0
    still_s: float = 0.0
    view: UsualView | None = None


@dataclass(frozen=True)
class NamedStretch(Stretch):
    """A stretch, and whose it is.

    Args:
        object_uri: The video.
        camera: Its camera, "" if unknown.
        started_at: When it began, ISO 8601, or None.
    """

    object_uri: str
    camera: str
    started_at: str | None


@dataclass(frozen=True)
class Health:
    """What was found, frozen before the tables are written.

    Args:
        stretches: By camera, in the order of time.
        hours: By camera, scoring digest and hour.
    """

    stretches: list[NamedStretch] = field(default_factory=list)
    hours: dict[tuple[str, str, int | None], HourFigures] = field(default_factory=dict)

    def by_object(self) -> dict[str, list[Stretch]]:
        """Stretches of each object that has one."""
        found: dict[str, list[Stretch]] = {}
        for one in self.stretches:
            found.setdefault(one.object_uri, []).append(one)
        return found

    def by_camera(self) -> dict[str, dict[str, float]]:
        """Seconds of each condition, by camera."""
        found: dict[str, dict[str, float]] = {}
        for one in self.stretches:
            own = found.setdefault(one.camera, {})
            own[one.condition] = round(own.get(one.condition, 0.0) + one.end_s - one.start_s, 1)
        return found


def to_json(health: Health) -> bytes:
    """The content of `health.json`."""
    hours = [
        {
            **dict(zip(KEY, key, strict=True)),
            "frames": figures.frames,
            "seconds": figures.seconds,
            "still_s": figures.still_s,
            "view": figures.view
            and {**asdict(figures.view), "view": base64.b64encode(figures.view.view).decode()},
        }
        for key, figures in health.hours.items()
    ]
    named = [asdict(one) for one in health.stretches]
    return json.dumps({"schema_version": 1, "stretches": named, "hours": hours}).encode()


def from_json(content: bytes) -> Health:
    """The inverse of `to_json`."""
    data = json.loads(content)
    health = Health([NamedStretch(**one) for one in data["stretches"]])
    for one in data["hours"]:
        view = one["view"] and UsualView(**{**one["view"], "view": base64.b64decode(one["view"]["view"])})
        health.hours[tuple(one[name] for name in KEY)] = HourFigures(
            one["frames"], one["seconds"], one["still_s"], view
        )
    return health
