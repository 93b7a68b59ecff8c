"""Figures as text for people and as JSON for programs."""

import json
from collections.abc import Mapping

from vadray.evaluation.metrics import Figures


def figures_table(figures: Mapping[str, Figures]) -> str:
    """A Markdown table, aligned to be read as plain text too: a row per figure, a column per bundle.

    Figures that are None for every bundle are left out.

    Args:
        figures: By the name of the bundle.
    """
    columns = {name: one.to_dict() for name, one in figures.items()}
    rows = [["figure", *(name.replace("|", "\\|") for name in columns)]]
    for figure in next(iter(columns.values()), {}):
        values = [column[figure] for column in columns.values()]
        if any(value is not None for value in values):
            rows.append([figure, *(_text(figure, value) for value in values)])
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    rows.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    return "\n".join(
        "| " + " | ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) + " |"
        for row in rows
    )


def figures_json(figures: Figures) -> str:
    """The figures as one line of flat JSON; null where undefined."""
    return json.dumps(figures.to_dict(), allow_nan=False)


def _text(figure: str, value: float | int | None) -> str:
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.2f}" if figure.startswith("psnr") else f"{value:.4f}"
