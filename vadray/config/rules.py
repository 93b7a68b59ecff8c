"""Rules beside the model, as a person writes them in YAML: what may be an event, where, when and how large."""

import re
from datetime import time
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, field_validator, model_validator

from vadray.config.options import Listed, Options

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _in_picture(point: tuple[float, float]) -> tuple[float, float]:
    if not all(0 <= value <= 1 for value in point):
        raise ValueError(
            "expected x and y as shares of width and height, from 0 (left, top) to 1 (right, bottom)"
        )
    return point


Point = Annotated[tuple[float, float], AfterValidator(_in_picture)]
Polygon = Annotated[list[Point], Field(min_length=3)]


class Repeats(Options):
    """What was there before: in the same place of the same camera."""

    of: Literal["wrong", "events"] = Field(
        "wrong", description="events that were judged wrong, or all events of earlier sweeps"
    )
    sweeps: int = Field(7, ge=1, description="of: events: how many of the newest committed sweeps count")
    least: int = Field(3, ge=1, description="of: events: in how many of them it must have been there")
    overlap: float = Field(0.5, gt=0, le=1, description="of the two boxes, intersection over union")


class Rule(Options):
    """A frame that scores fits a rule when all that the rule says is true of it. The first that fits decides."""

    name: str = Field(min_length=1, description="what it is called in events and in counts")
    then: Literal["keep", "drop"] = Field(description="whether such frames may be in events")
    cameras: Listed[str] = Field(default_factory=list, description="globs; default: all")
    polygons: list[Polygon] = Field(
        default_factory=list,
        description="the peak lies in one of them; x and y in shares of width and height",
    )
    mask: str | None = Field(
        None, description="a PNG, stretched over the picture: the peak lies where it is white"
    )
    area_below: float | None = Field(
        None, gt=0, le=1, description="the box is smaller, as a share of the picture"
    )
    area_above: float | None = Field(None, ge=0, lt=1, description="the box is larger")
    hours: str | None = Field(None, description="22:00-06:00, in the rules' time zone")
    weekdays: Listed[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] = Field(
        default_factory=list, description="mon, tue, wed, thu, fri, sat, sun"
    )
    motion_below: float | None = Field(
        None, gt=0, description="mean change from the frame before, in grey levels of 255"
    )
    motion_above: float | None = Field(None, ge=0, description="the same")
    repeats: Repeats | None = Field(None, description="the box is where others were before")

    @field_validator("hours")
    @classmethod
    def _a_span(cls, value: str | None) -> str | None:
        if value is not None:
            span_of(value)
        return value


class Rules(Options):
    """Content of the file that `rules` names."""

    time_zone: str = Field("UTC", description="of hours and weekdays, as Europe/Berlin")
    rules: list[Rule] = Field(min_length=1, description="in the order in which they are tried")
    otherwise: Literal["keep", "drop"] = Field("keep", description="what becomes of frames that no rule fits")

    @field_validator("time_zone")
    @classmethod
    def _a_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError("expected the name of a time zone, as Europe/Berlin or UTC") from error
        return value

    @model_validator(mode="after")
    def _names_differ(self) -> "Rules":
        names = [rule.name for rule in self.rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"rules: expected names that differ, received {', '.join(twice)} twice")
        return self


def span_of(text: str) -> tuple[time, time]:
    """From and until of `22:00-06:00`.

    Raises:
        ValueError: It is no such span.
    """
    found = re.fullmatch(r"\s*(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})\s*", text)
    if found is None:
        raise ValueError("expected a span of the day, as 22:00-06:00")
    hour, minute, until_hour, until_minute = map(int, found.groups())
    return time(hour, minute), time(until_hour % 24 if until_minute == 0 else until_hour, until_minute)
