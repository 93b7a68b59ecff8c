"""A comparison as one Markdown table and one HTML page: mean and spread over seeds, published figures beside them."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from vadray.evaluation.published import PAPER_MARGINS, PED2_AUC

COLUMNS = (
    ("auc_micro", "AUC micro"),
    ("auc_macro", "AUC macro"),
    ("auc_micro_raw", "AUC micro, raw"),
    ("auc_micro_legacy", "AUC micro, legacy"),
    ("auc_macro_legacy", "AUC macro, legacy"),
    ("eer", "EER"),
    ("precision", "precision"),
    ("recall", "recall"),
    ("f1", "F1"),
    ("accuracy", "accuracy"),
    ("best_f1", "best F1"),
    ("best_f1_precision", "precision at best F1"),
    ("best_f1_recall", "recall at best F1"),
    ("best_f1_accuracy", "accuracy at best F1"),
    ("psnr_db", "PSNR, dB"),
    ("pixel_auroc", "pixel AUROC"),
    ("aupro", "AUPRO"),
    ("rbdc", "RBDC"),
    ("event_precision", "event precision"),
    ("event_recall", "event recall"),
    ("false_alarms_per_hour", "false alarms/h"),
    ("train_s", "training, s"),
)
PAPERS_DETECTOR = "stae"


def comparison_markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The table, and the paper's margins where its detectors are there.

    Args:
        rows: One a cell: `entry`, `detector`, `seed`, `train_s` and the fields of `Figures`.
    """
    header, *body = _table(rows)
    lines = [" | ".join(header), " | ".join(["---"] + ["---:"] * (len(header) - 1))]
    lines += [" | ".join(row) for row in body]
    text = "\n".join(f"| {line} |" for line in lines) + "\n"
    margins = paper_margins(rows)
    if margins:
        header, *body = margins
        text += (
            "\nPoints by which stae is above the three that the paper compares with, ours (the paper's):\n\n"
        )
        lines = [" | ".join(header), " | ".join(["---"] + ["---:"] * (len(header) - 1))]
        lines += [" | ".join(row) for row in body]
        text += "\n".join(f"| {line} |" for line in lines) + "\n"
    return text


def comparison_html(
    rows: Sequence[dict[str, Any]], title: str, plots: Mapping[str, bytes] | None = None
) -> str:
    """The same as one page without outside references, and plots (PNG) by their titles."""
    images = {name: base64.b64encode(png).decode() for name, png in (plots or {}).items()}
    environment = Environment(
        loader=PackageLoader("vadray.evaluation", "."), autoescape=True, undefined=StrictUndefined
    )
    template = environment.get_template("comparison.html.j2")
    return template.render(title=title, table=_table(rows), margins=paper_margins(rows), plots=images)


def paper_margins(rows: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Header and rows of our margins at best F1 beside the paper's; empty where there is nothing to compare.

    The margins are of the best F1's figures: at a calibrated threshold precision and recall answer first of all to
    the tolerated rate of false alarms, which the paper has not.
    """
    means = {entry: _mean(own) for entry, own in _by_entry(rows).items()}
    ours = means.get(PAPERS_DETECTOR)
    if ours is None or not any(name in means for name in PAPER_MARGINS):
        return []
    figures = ("precision", "recall", "f1", "accuracy")
    table = [["over", *figures]]
    for name, claimed in PAPER_MARGINS.items():
        if name in means:
            cells = []
            for figure in figures:
                key = "best_f1" if figure == "f1" else f"best_f1_{figure}"
                mine, theirs = ours.get(key), means[name].get(key)
                margin = "–" if mine is None or theirs is None else f"{100 * (mine - theirs):+.1f}"
                cells.append(f"{margin} ({claimed[figure]:+g})")
            table.append([name, *cells])
    return table


def _table(rows: Sequence[dict[str, Any]]) -> list[list[str]]:
    groups = _by_entry(rows)
    shown = [(key, title) for key, title in COLUMNS if any(row.get(key) is not None for row in rows)]
    cited = ["published Ped2 AUC"] if any(entry in PED2_AUC for entry in groups) else []
    table = [["detector", "seeds", *(title for _, title in shown), *cited]]
    order = sorted(groups, key=lambda entry: -(_mean(groups[entry]).get("auc_micro") or 0.0))
    for entry in order:
        own = groups[entry]
        published = PED2_AUC.get(entry)
        table.append(
            [
                entry,
                str(len(own)),
                *(_spread([row[key] for row in own if row.get(key) is not None], key) for key, _ in shown),
            ]
            + ([f"{published[0]:.3f} ({published[1]})" if published else "–"] if cited else [])
        )
    return table


def _by_entry(rows: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["entry"], []).append(row)
    return groups


def _mean(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    return {
        key: float(np.mean(values))
        for key, _ in COLUMNS
        if (values := [row[key] for row in rows if row.get(key) is not None])
    }


def _spread(values: Sequence[float], key: str) -> str:
    """Mean and, of several, the standard deviation."""
    if not values:
        return "–"
    digits = {"psnr_db": 1, "false_alarms_per_hour": 1, "train_s": 0}.get(key, 3)
    text = f"{np.mean(values):.{digits}f}"
    return text if len(values) == 1 else f"{text} ± {np.std(values, ddof=1):.{digits}f}"
