"""Tables of what a benchmark has found, for people; programs read the JSON."""

from collections.abc import Iterable
from typing import Any

Table = tuple[str, list[str], list[list[Any]]]


def tables_of(name: str, found: dict[str, Any]) -> list[Table]:
    """Title, columns and rows of each: figures by themselves first, then what was measured of several things.

    Args:
        name: Of the benchmark.
        found: What it returned: figures, and figures of things by name or one after another.
    """
    alone = {key: value for key, value in found.items() if not isinstance(value, dict | list)}
    things = {key: value for key, value in found.items() if isinstance(value, dict)}
    made: list[Table] = []
    if alone:
        made.append((name, ["figure", "value"], [[key, value] for key, value in alone.items()]))
    by_name = {key: value for key, value in things.items() if not _holds_things(value)}
    if by_name:
        made.append(_table(name, by_name.items()))
    for key, value in found.items():
        if key in things and key not in by_name:
            made.append(_table(key, value.items()))
        elif isinstance(value, list):
            made.append(_table(key, ((str(place + 1), one) for place, one in enumerate(value))))
    return made


def _holds_things(value: dict[str, Any]) -> bool:
    return bool(value) and all(isinstance(one, dict) for one in value.values())


def _table(title: str, things: Iterable[tuple[str, Any]]) -> Table:
    """A row a thing, or a column a thing where there are more figures than things."""
    flat = {name: _flat(value) for name, value in things}
    figures = list(dict.fromkeys(figure for one in flat.values() for figure in one))
    if len(figures) > len(flat):
        rows = [[figure, *(one.get(figure, "") for one in flat.values())] for figure in figures]
        return title, ["", *flat], rows
    return title, ["", *figures], [[name, *(one.get(f, "") for f in figures)] for name, one in flat.items()]


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Figures in figures by joined names."""
    if isinstance(value, dict):
        return {
            name: figure
            for key, one in value.items()
            for name, figure in _flat(one, f"{prefix}{key} ").items()
        }
    if isinstance(value, list):
        return {
            name: figure
            for place, one in enumerate(value)
            for name, figure in _flat(one, f"{prefix}{place + 1} ").items()
        }
    return {prefix.strip() or "value": value}
