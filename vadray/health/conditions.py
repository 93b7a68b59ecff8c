"""Cameras that see nothing worth judging: dark, frozen, blurred or moved, from figures of ten seconds each. Pure.

A camera is compared with what is usual for it: at the same hour of earlier nights where there are some, else over all
that is known of it. Thresholds were chosen on 12 hours of one real indoor camera, day and night, of which nothing is
named, and on synthetic cameras.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from vadray.health.figures import STEP_S

Condition = Literal["dark", "frozen", "blurred", "moved"]
CONDITIONS: tuple[Condition, ...] = ("dark", "frozen", "blurred", "moved")  # the first that holds is named
LEAST_S: dict[Condition, float] = {"dark": 60.0, "frozen": 120.0, "blurred": 300.0, "moved": 120.0}
MEANING: dict[str, str] = {
    "dark": "hardly any light where there is some at other times",
    "frozen": "the same picture again and again",
    "blurred": "far fewer details than usual",
    "moved": "looks elsewhere than before",
}

BLACK, USUALLY_BLACK = 10.0, 12.0  # grey levels of 255
DARK_SHARE, DARK_AT_MOST, DARK_DETAIL = (
    0.3,
    40.0,
    0.3,
)  # of the usual brightness, grey levels, of the usual sharpness
STILL_SHARE, USUALLY_STILL = 0.9, 0.5
BLURRED_SHARE, BLURRED_SHARE_AT_ANY_HOUR = 0.4, 0.2  # night and day differ by a factor of three
LIT_SHARE = 0.6  # of the usual brightness: with less light there are fewer details in any case
GAP_S = 60.0


@dataclass(frozen=True)
class Usual:
    """What is usual of a camera.

    Args:
        brightness: Mean grey level, 0 to 255.
        sharpness: Variance of the Laplacian.
        still: Share of the time in which nothing changes from frame to frame.
        same_hour: Whether it is of the same hour of the day.
    """

    brightness: float
    sharpness: float
    still: float
    same_hour: bool


@dataclass(frozen=True)
class Stretch:
    """A span of an object in which its camera was not well.

    Args:
        condition: One of `CONDITIONS`.
        start_s: Seconds from the object's first frame.
        end_s: The same, exclusive.
    """

    condition: str
    start_s: float
    end_s: float


def conditions_of(steps: np.ndarray, usual: Usual) -> np.ndarray:
    """The condition in each step of one hour of an object: its number in `CONDITIONS`, -1 for none.

    Args:
        steps: Of `figures.STEP`, `[n]`.
        usual: Of the camera at that hour.
    """
    brightness, sharpness = steps["brightness"], steps["sharpness"]
    black = brightness <= (-1 if usual.same_hour and usual.brightness <= USUALLY_BLACK else BLACK)
    darker = (brightness <= DARK_SHARE * usual.brightness) & (brightness <= DARK_AT_MOST)
    few = BLURRED_SHARE if usual.same_hour else BLURRED_SHARE_AT_ANY_HOUR
    holds = {
        "dark": black | (darker & (sharpness <= DARK_DETAIL * usual.sharpness)),
        "frozen": (steps["still"] >= STILL_SHARE) & np.full(len(steps), usual.still < USUALLY_STILL),
        "blurred": (sharpness <= few * usual.sharpness) & (brightness >= LIT_SHARE * usual.brightness),
        "moved": steps["moved"],
    }
    return np.select([holds[name] for name in CONDITIONS], range(len(CONDITIONS)), -1)


def stretches(steps: np.ndarray, conditions: np.ndarray) -> list[Stretch]:
    """Spans of one object that lasted long enough to be named.

    Args:
        steps: Of `figures.STEP`, `[n]`, in order.
        conditions: Of `conditions_of`, `[n]`.
    """
    found: list[Stretch] = []
    for number, name in enumerate(CONDITIONS):
        spans: list[list[float]] = []
        for step in steps[conditions == number]:
            start, end = float(step["start_s"]), float(step["start_s"] + step["seconds"])
            if spans and start - spans[-1][1] <= GAP_S:
                spans[-1][1] = end
            else:
                spans.append([start, end])
        # a step may be short of its ten seconds by a frame
        found += [Stretch(name, *span) for span in spans if span[1] - span[0] >= LEAST_S[name] - STEP_S / 2]
    return sorted(found, key=lambda one: one.start_s)
