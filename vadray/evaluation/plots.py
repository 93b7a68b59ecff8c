"""Plots of an evaluation as PNG images, drawn without a display and without matplotlib's global state."""

from collections.abc import Mapping
from io import BytesIO

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import roc_auc_score, roc_curve

from vadray.calibration.events import runs

MAX_POINTS = 4000  # more than a plot can show; longer series are drawn by the maximum of each bin


def roc_png(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]], title: str = "ROC, all frames pooled"
) -> bytes:
    """Receiver operating characteristic of one or several sets of scores.

    Args:
        curves: Labels (bool `[n]`) and scores (float `[n]`) by name. One that lacks a class is named in the
            legend as undefined.
        title: Above the plot.

    Returns:
        PNG bytes.
    """
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    for name, (labels, score) in curves.items():
        labels = np.asarray(labels, dtype=bool)
        if labels.all() or not labels.any():
            axes.plot([], [], label=f"{name}: undefined, one class only")
            continue
        false_positive, true_positive, _ = roc_curve(labels, score)
        axes.plot(false_positive, true_positive, label=f"{name}: AUC {roc_auc_score(labels, score):.3f}")
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle=":", label="chance")
    axes.set(
        xlabel="false positive rate", ylabel="true positive rate", title=title, xlim=(0, 1), ylim=(0, 1.01)
    )
    axes.legend(loc="lower right")
    return _png(figure)


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
