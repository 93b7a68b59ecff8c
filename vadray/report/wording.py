"""How the report page writes figures: filters of its templates."""

from datetime import UTC, datetime


def short(uri: str, archive: str) -> str:
    """A URI without the archive that it is in."""
    return uri.removeprefix(archive.rstrip("/") + "/") if archive else uri


def clock(moment: datetime | None) -> str:
    """`2026-11-22 01:30:00 UTC`; nothing where it is not known."""
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def seconds(value: float) -> str:
    """A place in a video: `3.4 s`, `2:05` (minutes), `26:05:09` (hours)."""
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(int(value), 60)  # cut off, as clocks are
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def duration(value: float) -> str:
    """A length of time: `50.0 s`, `1.2 min`, `26.1 h`."""
    if value < 60:
        return f"{value:.1f} s"
    return f"{value / 60:.1f} min" if value < 3600 else f"{value / 3600:.1f} h"


def number(value: float) -> str:
    """Thousands apart by a thin space; four significant digits for what is not whole."""
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return f"{value:.4g}"


def p_value(value: float) -> str:
    """Two significant digits."""
    return f"{value:.2g}"
