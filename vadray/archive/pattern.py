"""What a path says: camera and time of capture, by a pattern and by hive-style `key=value` folders."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from urllib.parse import unquote

from vadray.errors import RequestError

_DIRECTIVES = {
    "Y": r"\d{4}",
    "y": r"\d{2}",
    "m": r"\d{2}",
    "d": r"\d{2}",
    "H": r"\d{2}",
    "I": r"\d{2}",
    "M": r"\d{2}",
    "S": r"\d{2}",
    "j": r"\d{3}",
    "f": r"\d{1,6}",
    "z": r"(?:Z|[+-]\d{2}:?\d{2})",
    "b": r"[^\W\d_]+",
    "B": r"[^\W\d_]+",
    "p": r"[AaPp][Mm]",
    "%": "%",
}
_FIELD = re.compile(r"\{([^{}]*)\}")
_CAMERA_KEYS = ("camera", "cam", "camera_id")
_TIME_KEYS = ("captured_at", "date", "dt", "day")


class PathPattern:
    """A compiled pattern; `compile_pattern` makes it."""

    def __init__(self, text: str | None, expression: re.Pattern | None, formats: tuple[str | None, ...]):
        self.text = text
        self._expression = expression
        self._formats = formats

    def match(self, relative_path: str) -> tuple[str | None, datetime | None]:
        """Camera and time of capture (UTC, aware) that a path names; None for what it does not name.

        Args:
            relative_path: Path below the archive's root; of a clip its folder with a slash at the end.
        """
        camera, captured_at = self._by_pattern(relative_path)
        if "=" in relative_path and (camera is None or captured_at is None):
            hive_camera, hive_time = _by_hive(relative_path.rpartition("/")[0])
            camera, captured_at = camera or hive_camera, captured_at or hive_time
        return camera, captured_at

    def _by_pattern(self, path: str) -> tuple[str | None, datetime | None]:
        if self._expression is None or not (found := self._expression.fullmatch(path)):
            return None, None
        groups = found.groupdict()
        texts = [groups[f"time{index}"] for index in range(len(self._formats))]
        return groups.get("camera"), _parse_times(texts, self._formats)


def compile_pattern(text: str | None) -> PathPattern:
    """Compiles a pattern such as `"{camera}/{captured_at:%Y-%m-%d}/{...}"`, which must fit a whole path.

    `{camera}` and any other `{name}` stand for text without a slash, `{...}` for anything, slashes included.
    `{captured_at:FORMAT}` is a time in `strptime` directives, and may stand more than once, say a date in a
    folder and the hour in the file name; `{captured_at}` alone is ISO 8601. Times without an offset are UTC.
    With or without a pattern, folders `camera=…` (`cam=`, `camera_id=`) and `date=…` (`dt=`, `captured_at=`,
    `day=` with a whole ISO date, or `year=`, `month=` and `day=`; `hour=` and `minute=` add) are understood.

    Raises:
        RequestError: The pattern is malformed; the message says where.
    """
    if text is None:
        return PathPattern(None, None, ())
    expression, position = "", 0
    formats: list[str | None] = []
    names: set[str] = set()
    for field in _FIELD.finditer(text):
        expression += _literal(text, position, field.start())
        position = field.end()
        name, colon, time_format = field[1].partition(":")
        if name == "captured_at":
            piece = _time_expression(time_format, text) if colon else r"[^/]+?"
            expression += f"(?P<time{len(formats)}>{piece})"
            formats.append(time_format if colon else None)
        elif name == "...":
            expression += "(?s:.*)"
        elif not name.isidentifier():
            raise _wrong(
                text, f"expected a name, captured_at:FORMAT or ... in braces, received {{{field[1]}}}"
            )
        elif colon:
            raise _wrong(text, f"only captured_at takes a format, received {{{field[1]}}}")
        elif name == "camera":
            if "camera" in names:
                raise _wrong(text, "{camera} stands twice")
            expression += r"(?P<camera>[^/]+?)"
        else:
            expression += r"[^/]+?"
        names.add(name)
    expression += _literal(text, position, len(text))
    if not names & {"camera", "captured_at"}:
        raise _wrong(text, "it names neither {camera} nor {captured_at:FORMAT}")
    if None in formats and len(formats) > 1:
        raise _wrong(text, "{captured_at} without a format may stand only once")
    return PathPattern(text, re.compile(expression), tuple(formats))


def parse_time(text: str, argument: str) -> datetime:
    """An ISO 8601 time as an aware UTC datetime; without an offset it is UTC.

    Raises:
        RequestError: `text` is no such time; names `argument`.
    """
    try:
        return _utc(datetime.fromisoformat(text))
    except ValueError as error:
        raise RequestError(
            f"`{argument}`: expected an ISO time such as 2026-11-22T18:00. Received: {text}"
        ) from error


def _literal(text: str, start: int, end: int) -> str:
    piece = text[start:end]
    if "{" in piece or "}" in piece:
        raise _wrong(text, f"unbalanced braces near {piece!r}")
    return re.escape(piece)


def _time_expression(time_format: str, text: str) -> str:
    if not time_format:
        raise _wrong(text, "{captured_at:} has an empty format")
    expression, letters = "", iter(time_format)
    for letter in letters:
        if letter != "%":
            expression += re.escape(letter)
            continue
        directive = next(letters, "")
        if directive not in _DIRECTIVES:
            known = " ".join(f"%{known}" for known in _DIRECTIVES)
            raise _wrong(text, f"unknown directive %{directive} in captured_at, expected one of {known}")
        expression += _DIRECTIVES[directive]
    return expression


def _wrong(text: str, what: str) -> RequestError:
    return RequestError(f"`pattern`: {what}. Received: {text}")


def _parse_times(texts: list[str], formats: tuple[str | None, ...]) -> datetime | None:
    if not formats:
        return None
    try:
        if formats[0] is None:
            return _utc(datetime.fromisoformat(texts[0]))
        return _utc(datetime.strptime("\n".join(texts), "\n".join(str(piece) for piece in formats)))
    except ValueError:
        return None  # shaped like a time but none, such as month 13: the object has no known time


@lru_cache(maxsize=1024)  # objects of one folder come one after the other
def _by_hive(folder: str) -> tuple[str | None, datetime | None]:
    pairs = (part.partition("=") for part in folder.split("/"))
    values = {key.lower(): value for key, _, value in pairs if value}
    camera = next((values[key] for key in _CAMERA_KEYS if key in values), None)
    return camera, _hive_time(values)


def _hive_time(values: dict[str, str]) -> datetime | None:
    numbers = {
        key: int(values[key])
        for key in ("year", "month", "day", "hour", "minute")
        if _is_number(values.get(key))
    }
    day = next((time for key in _TIME_KEYS if (time := _iso(values.get(key)))), None)
    try:
        if day is None and {"year", "month", "day"} <= numbers.keys():
            day = datetime(numbers["year"], numbers["month"], numbers["day"], tzinfo=UTC)
        if day is not None and day.hour == day.minute == day.second == 0:
            day += timedelta(hours=numbers.get("hour", 0), minutes=numbers.get("minute", 0))
    except (ValueError, OverflowError):
        return None
    return day


def _is_number(text: str | None) -> bool:
    return text is not None and text.isascii() and text.isdigit() and len(text) <= 4


def _iso(text: str | None) -> datetime | None:
    if text is None or len(text) < len("20261122"):
        return None
    try:
        return _utc(datetime.fromisoformat(unquote(text)))  # hive writers percent-encode the colons of a time
    except ValueError:
        return None


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
