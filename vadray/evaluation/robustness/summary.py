"""A robustness study as a table, a plot, and a few numbers."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from matplotlib.figure import Figure

from vadray.evaluation.robustness.study import CLEAN, RobustnessRow

FAMILIES = (("corruption", "strength"), ("attack", "budget ε, grey levels"))
FIGURES = (
    ("auc_micro", "AUC micro"),
    ("auc_macro", "AUC macro"),
    ("flagged_normal", "normal frames flagged"),
    ("flagged_anomalous", "anomalous frames flagged"),
)


def robustness_table(rows: Sequence[RobustnessRow]) -> str:
    """Two Markdown tables: micro AUC by strength at a glance, then every figure of every case.

    Args:
        rows: As `study` gives them.
    """
    strengths = range(1 + max((row.strength for row in rows), default=0))
    clean = next((row for row in rows if row.name == CLEAN), None)
    glance = [["AUC micro at strength", *map(str, strengths), "mean of 1 on"]]
    for name, own in by_name(rows).items():
        by_strength = {0: clean, **{row.strength: row for row in own}}
        found = [by_strength.get(strength) for strength in strengths]
        mean = mean_auc(own)
        glance.append([name, *(_figure(row.auc_micro if row else None) for row in found), _figure(mean)])
    every = [["case", "level", *(title for _, title in FIGURES)]]
    for row in rows:
        level = "" if row.name == CLEAN else f"{row.level:g} {row.unit}"
        every.append([row.name, level, *(_figure(getattr(row, key)) for key, _ in FIGURES)])
    return f"{_markdown(glance, 1)}\n\n{_markdown(every, 2)}\n"


def robustness_png(rows: Sequence[RobustnessRow], title: str = "Robustness") -> bytes:
    """Micro AUC against strength, a line a corruption, and against the budget, a line an attack.

    Args:
        rows: As `study` gives them. Those without an AUC are left out.
        title: Above the plot.

    Returns:
        PNG bytes.
    """
    clean = next((row for row in rows if row.name == CLEAN), None)
    families = [pair for pair in FAMILIES if any(row.family == pair[0] for row in rows)] or [FAMILIES[0]]
    figure = Figure(figsize=(6 * len(families), 5), layout="constrained")
    figure.suptitle(title)
    for axes, (family, xlabel) in zip(
        figure.subplots(1, len(families), sharey=True, squeeze=False)[0], families, strict=True
    ):
        for index, (name, own) in enumerate(by_name(rows, family).items()):
            points = [
                (row.level if family == "attack" else row.strength, row.auc_micro)
                for row in [*([clean] if clean else []), *own]
                if row.auc_micro is not None
            ]
            x, y = zip(*points, strict=True) if points else ((), ())
            axes.plot(x, y, marker=".", color=f"C{index % 10}", linewidth=1.2, label=name)
        axes.axhline(0.5, color="grey", linewidth=0.8, linestyle=":", label="chance")
        axes.set(xlabel=xlabel, ylabel="AUC micro", ylim=(0, 1.02))
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=4, fontsize="small")
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def robustness_figures(rows: Sequence[RobustnessRow]) -> dict[str, float | None]:
    """Micro AUC of clean frames, and of each corruption and attack its mean over strengths: for a command's JSON."""
    clean = {f"auc_micro {CLEAN}": row.auc_micro for row in rows if row.name == CLEAN}
    return {**clean, **{f"auc_micro {name}": mean_auc(own) for name, own in by_name(rows).items()}}


def by_name(rows: Sequence[RobustnessRow], family: str | None = None) -> dict[str, list[RobustnessRow]]:
    """Rows of each corruption and attack, mild to severe; all families, or one."""
    names: dict[str, list[RobustnessRow]] = {}
    for row in sorted(rows, key=lambda row: row.strength):
        if row.name != CLEAN and family in (None, row.family):
            names.setdefault(row.name, []).append(row)
    return names


def mean_auc(rows: Sequence[RobustnessRow]) -> float | None:
    """Mean of their micro AUC, None where none has one."""
    values = [row.auc_micro for row in rows if row.auc_micro is not None]
    return float(np.mean(values)) if values else None


def _markdown(rows: Sequence[Sequence[str]], text_columns: int) -> str:
    header, *body = rows
    marks = ["---"] * text_columns + ["---:"] * (len(header) - text_columns)
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, marks, *body))


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
