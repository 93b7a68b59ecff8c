"""What an examination found."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "fault"]
ORDER: tuple[Level, ...] = ("fault", "warning", "ok")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Args:
        what: The thing.
        level: `fault`: a sweep would fail; `warning`: it would be slow, or lack something.
        found: What there is.
        advice: What to change; empty where nothing is.
    """

    what: str
    level: Level
    found: str
    advice: str = ""


def worst(findings: Iterable[Finding]) -> Level:
    """The gravest level among them."""
    return min((finding.level for finding in findings), key=ORDER.index, default="ok")
