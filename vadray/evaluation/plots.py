"""Plots of an evaluation as PNG images, drawn without a display and without matplotlib's global state."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from vadray.calibration.events import runs

MAX_POINTS = 4000  # more than a plot can show; longer series are drawn by the maximum of each bin
MOST_IN_PLOT = 6  # names in a legend that hides no curve; with more it stands beside the plot


# labels (bool `[n]`) and scores (float `[n]`)
Curve = tuple[np.ndarray, np.ndarray]


def roc_png(curves: Mapping[str, Curve], title: str = "ROC, all frames pooled") -> bytes:
    """Receiver operating characteristic of one or several sets of scores.

    Args:
        curves: Labels (bool `[n]`) and scores (float `[n]`) by name. One that lacks a class is named in the
            legend as undefined.
        title: Above the plot.

    Returns:
        PNG bytes.
    """
    return _png(_curves_figure({name: [curve] for name, curve in curves.items()}, "roc", title))


def pr_png(curves: Mapping[str, Curve], title: str = "Precision and recall, all frames pooled") -> bytes:
    """Precision over recall of one or several sets of scores; see `roc_png`."""
    return _png(_curves_figure({name: [curve] for name, curve in curves.items()}, "pr", title))


def grouped_png(groups: Mapping[str, Sequence[Curve]], kind: str, title: str) -> bytes:
    """Many detectors in one picture, each with a curve a training: one colour a detector, the best first.

    Args:
        groups: By the detector's name, its curves as in `roc_png`, for example one a seed.
        kind: "roc" or "pr".
        title: Above the plot.

    Returns:
        PNG bytes.

    Raises:
        ValueError: `kind` is neither.
    """
    return _png(_curves_figure(groups, kind, title))


def confusion_png(labels: np.ndarray, flags: np.ndarray, title: str = "Frames") -> bytes:
    """Counts of what is true against what was found, with the part of each true class.

    Args:
        labels: Anomalous in truth, bool `[n]`.
        flags: Found anomalous, bool `[n]`.
        title: Above the plot.

    Returns:
        PNG bytes.
    """
    return _png(_confusion_figure(labels, flags, title))


def scores_png(
    score: np.ndarray,
    *,
    title: str,
    time_s: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    flags: np.ndarray | None = None,
    threshold: float | None = None,
    ylabel: str = "score",
) -> bytes:
    """The score of one video over time, with what is true and what was found.

    Args:
        score: Float `[n]`.
        title: Above the plot.
        time_s: Seconds `[n]`; frames are counted when None.
        labels: Anomalous in truth, bool `[n]`; shaded.
        flags: Found anomalous, bool `[n]`; a bar at the top.
        threshold: A dashed line.
        ylabel: What the score is.

    Returns:
        PNG bytes.
    """
    figure = Figure(figsize=(10, 3), layout="constrained")
    axes = figure.subplots()
    x = np.arange(len(score)) if time_s is None else np.asarray(time_s)
    axes.plot(*_thinned(x, np.asarray(score, dtype=np.float64)), linewidth=0.9, label=ylabel)
    spans = [(labels, 0.0, 1.0, "tab:red", 0.15, "anomalous in truth")]
    spans += [(flags, 0.96, 1.0, "tab:orange", 1.0, "found anomalous")]
    for values, low, high, colour, alpha, label in spans:
        for index, (first, last) in enumerate(runs(values) if values is not None else ()):
            end = x[min(last + 1, len(x) - 1)]
            axes.axvspan(
                x[first],
                end,
                low,
                high,
                color=colour,
                alpha=alpha,
                linewidth=0,
                label=label if index == 0 else None,
            )
    if threshold is not None:
        axes.axhline(threshold, color="black", linewidth=0.8, linestyle="--", label="threshold")
    axes.set(xlabel="frame" if time_s is None else "time (s)", ylabel=ylabel, title=title)
    axes.margins(x=0)
    axes.legend(loc="upper left", fontsize="small")
    return _png(figure)


def _curves_figure(groups: Mapping[str, Sequence[Curve]], kind: str, title: str) -> Figure:
    if kind not in _KINDS:
        raise ValueError(f"`kind` must be one of {', '.join(_KINDS)}. Received: {kind!r}")
    points, area_of, area_name, xlabel, ylabel = _KINDS[kind]
    drawn = []
    for name, curves in groups.items():
        both = [(labels, score) for labels, score in curves if np.any(labels) and not np.all(labels)]
        drawn.append((name, both, [float(area_of(labels, score)) for labels, score in both]))
    # of many the best come first; one picture of one bundle keeps the order that it was given
    if any(len(curves) > 1 for curves in groups.values()):
        drawn.sort(key=lambda group: -float(np.mean(group[2])) if group[2] else np.inf)

    many = len(drawn) > MOST_IN_PLOT
    figure = Figure(figsize=(8, 5) if many else (5, 5), layout="constrained")
    axes = figure.subplots()
    for index, (name, both, areas) in enumerate(drawn):
        if not both:
            axes.plot([], [], label=f"{name}: undefined, one class only")
            continue
        label = f"{name}: {area_name} {np.mean(areas):.3f}"
        if len(areas) > 1:
            label += f" ± {np.std(areas, ddof=1):.3f}"
        for number, (labels, score) in enumerate(both):
            axes.plot(
                *_sparse(*points(labels, score)),
                color=f"C{index % 10}",
                linestyle=_LINES[index // 10 % len(_LINES)],
                linewidth=1.5 if len(both) == 1 else 0.9,
                label=label if number == 0 else None,
            )
    chance = _chance(kind, [float(np.mean(labels)) for _, both, _ in drawn for labels, _ in both])
    if chance is not None:
        axes.plot([0, 1], chance, color="grey", linewidth=0.8, linestyle=":", label="chance")
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title, xlim=(0, 1), ylim=(0, 1.01))
    if many:
        figure.legend(loc="outside right upper", fontsize="small")
    else:
        axes.legend(loc="lower right" if kind == "roc" else "lower left")
    return figure


def _chance(kind: str, anomalous: Sequence[float]) -> tuple[float, float] | None:
    """Ends of the line of a detector that guesses; of precision there is one only where all have the same labels."""
    if kind == "roc":
        return 0.0, 1.0
    return (anomalous[0], anomalous[0]) if len(set(anomalous)) == 1 else None


def _roc_points(labels: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    false_positive, true_positive, _ = roc_curve(labels, score)
    return false_positive, true_positive


def _pr_points(labels: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    precision, recall, _ = precision_recall_curve(labels, score, drop_intermediate=True)
    return recall, precision


# points of the curve, area under it, what that is called, and the axes
_KINDS: dict[str, tuple[Any, Any, str, str, str]] = {
    "roc": (_roc_points, roc_auc_score, "AUC", "false positive rate", "true positive rate"),
    "pr": (_pr_points, average_precision_score, "AP", "recall", "precision"),
}
_LINES = ("-", "--", "-.", ":")


def _confusion_figure(labels: np.ndarray, flags: np.ndarray, title: str) -> Figure:
    counts = confusion_matrix(np.asarray(labels, bool), np.asarray(flags, bool), labels=[False, True])
    parts = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.subplots()
    axes.imshow(parts, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(2, 2):
        axes.text(
            column,
            row,
            f"{counts[row, column]:,}\n{100 * parts[row, column]:.1f} %",
            ha="center",
            va="center",
            color="white" if parts[row, column] > 0.5 else "black",
        )
    names = ("normal", "anomalous")
    axes.set(xticks=(0, 1), xticklabels=names, yticks=(0, 1), yticklabels=names, title=title)
    axes.set(xlabel="found", ylabel="true")
    return figure


def _sparse(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A curve by at most `MAX_POINTS` of its points, both ends among them."""
    if len(x) <= MAX_POINTS:
        return x, y
    kept = np.linspace(0, len(x) - 1, MAX_POINTS).round().astype(int)
    return x[kept], y[kept]


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The highest point of each bin, so that a short peak is never lost."""
    if len(y) <= MAX_POINTS:
        return x, y
    starts = np.linspace(0, len(y), MAX_POINTS, endpoint=False).astype(int)
    return x[starts], np.maximum.reduceat(y, starts)


def _png(figure: Figure) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
