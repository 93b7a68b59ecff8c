"""Score rows as rules want to see them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from vadray.calibration.rules import Scene, shares

_MINUTES_OF_A_DAY = 24 * 60


def scene_of(
    camera: str,
    captured_at: datetime | None,
    time_zone: str,
    info: Mapping[str, Any],
    frames: Mapping[str, np.ndarray],
) -> Scene:
    """What rules are asked about.

    Args:
        camera: Of the object, "" if unknown.
        captured_at: When its first frame was captured, or None.
        time_zone: The rules'.
        info: The object's entry in the score row: width and height.
        frames: Arrays `[n]` of `scores.FRAME`'s fields, of this object alone.
    """
    peak, box = shares(frames, info["width"] or 0, info["height"] or 0)
    minute = weekday = None
    if captured_at is not None:
        local = captured_at.astimezone(ZoneInfo(time_zone))
        since = np.floor(local.hour * 60 + local.minute + (local.second + frames["time_s"]) / 60)
        since = since.astype(np.int64)
        minute = since % _MINUTES_OF_A_DAY
        weekday = (local.weekday() + since // _MINUTES_OF_A_DAY) % 7
    return Scene(camera, peak, box, frames["motion"], minute, weekday)
