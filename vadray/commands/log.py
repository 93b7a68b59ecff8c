"""Where commands speak to people: a terminal, or with `VADRAY_LOG=json` a log that programs read."""

import contextlib
import io
import json
import os
import re
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from vadray.errors import RequestError

VARIABLE = "VADRAY_LOG"
CHOICES = ("text", "json")
ERROR, WARNING = "red", "yellow"  # styles, and what they are in a log
_LEVELS = {ERROR: "error", WARNING: "warning"}
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_STDERR = 2
_LAST_LINES_S = 1.0  # waited for at the end


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
    """Each print is a line of JSON: `time` (ISO 8601, UTC), `level` (info, warning or error), `message`, and what `about`
    holds.

    Attributes:
        about: What every line says from now on, as `sweep_id`.
    """

    def __init__(self) -> None:
        super().__init__(stderr=True, force_terminal=False, width=200, highlight=False)
        self.about: dict[str, Any] = {}
        self._writing = threading.Lock()
        self._place: int | None = None  # where lines go while `others` takes stderr

    def print(self, *objects: Any, style: Any = None, markup: bool | None = None, **others: Any) -> None:
        text = io.StringIO()
        Console(file=text, width=self.width, highlight=False, soft_wrap=True).print(*objects, markup=markup)
        self.write(text.getvalue().strip(), level=_LEVELS.get(style, "info"))

    def write(self, message: str, level: str = "info", **fields: Any) -> None:
        """Writes a line with fields of its own."""
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        content = {"time": time, "level": level, "message": message, **self.about, **fields}
        line = json.dumps(content, default=str) + "\n"
        with self._writing:
            if self._place is None:
                sys.stderr.write(line)
                sys.stderr.flush()
            else:
                os.write(self._place, line.encode())

    @contextlib.contextmanager
    def others(self) -> Iterator[None]:
        """What libraries, in whatever language, and workers write to stderr becomes lines of JSON too, `source` "other"."""
        sys.stderr.flush()
        self._place = os.dup(_STDERR)
        read, write = os.pipe()
        os.dup2(write, _STDERR)
        os.close(write)
        reader = threading.Thread(target=self._wrap, args=(read,), daemon=True)
        reader.start()
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(self._place, _STDERR)
            # a child that lives on keeps its end of the pipe, so the end of it may never come
            reader.join(_LAST_LINES_S)
            with self._writing:
                place, self._place = self._place, None
                os.close(place)

    def _wrap(self, read: int) -> None:
        with open(read, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if text := _COLOURS.sub("", line).strip():
                    self.write(text, source="other")


def wrapped(console: Console) -> contextlib.AbstractContextManager[None]:
    """Where the log is JSON, `JsonLog.others`; else nothing, nor where stderr is no file descriptor but, say, a notebook's."""
    try:
        plain = sys.stderr.fileno() == _STDERR
    except OSError:
        plain = False
    return console.others() if plain and isinstance(console, JsonLog) else contextlib.nullcontext()


def tell(console: Console, message: str, **fields: Any) -> None:
    """Writes a line of single things, as of each unreadable object, which in a terminal would be too many."""
    if isinstance(console, JsonLog):
        console.write(message, **fields)


def about(console: Console, **fields: Any) -> None:
    """What every line of a JSON log says from now on."""
    if isinstance(console, JsonLog):
        console.about.update(fields)
