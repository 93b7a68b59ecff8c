"""Where commands speak to people: a terminal, or with `VADRAY_LOG=json` a log that programs read."""

import io
import json
import os
import sys
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from vadray.errors import RequestError

VARIABLE = "VADRAY_LOG"
CHOICES = ("text", "json")


def console() -> Console:
    """The console on stderr.

    Raises:
        RequestError: `VADRAY_LOG` is neither text nor json.
    """
    chosen = os.environ.get(VARIABLE) or "text"
    if chosen not in CHOICES:
        raise RequestError(f"{VARIABLE}: expected one of {', '.join(CHOICES)}, received {chosen!r}")
    return JsonLog() if chosen == "json" else Console(stderr=True, highlight=False, soft_wrap=True)


class JsonLog(Console):
    """Each print is a line of JSON: `time` (ISO 8601, UTC), `level` (info or error), `message`, and what `about` holds.

    Attributes:
        about: What every line says from now on, as `sweep_id`.
    """

    def __init__(self) -> None:
        super().__init__(stderr=True, force_terminal=False, width=200, highlight=False)
        self.about: dict[str, Any] = {}

    def print(self, *objects: Any, style: Any = None, markup: bool | None = None, **others: Any) -> None:
        text = io.StringIO()
        Console(file=text, width=self.width, highlight=False, soft_wrap=True).print(*objects, markup=markup)
        self.write(text.getvalue().strip(), level="error" if style == "red" else "info")

    def write(self, message: str, level: str = "info", **fields: Any) -> None:
        """Writes a line with fields of its own."""
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        content = {"time": time, "level": level, "message": message, **self.about, **fields}
        sys.stderr.write(json.dumps(content, default=str) + "\n")
        sys.stderr.flush()


def tell(console: Console, message: str, **fields: Any) -> None:
    """Writes a line of single things, as of each unreadable object, which in a terminal would be too many."""
    if isinstance(console, JsonLog):
        console.write(message, **fields)


def about(console: Console, **fields: Any) -> None:
    """What every line of a JSON log says from now on."""
    if isinstance(console, JsonLog):
        console.about.update(fields)
