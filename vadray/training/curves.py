"""The loss curves of a training run, and of a search, as pictures."""

import io
from typing import Any

import numpy as np

from vadray.training.trials import START, TrialRecord


def loss_curves(history: list[dict[str, Any]]) -> bytes:
    """A PNG of training and validation loss by epoch, and of the learning rate, on an axis of its own."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    epochs = [row["epoch"] for row in history]
    axes.plot(epochs, [row["loss"] for row in history], label="training")
    axes.plot(epochs, [row["validation_loss"] for row in history], label="validation (held out)")
    axes.set(xlabel="epoch", ylabel="loss", yscale="log")
    axes.grid(alpha=0.3)
    rates = axes.twinx()
    rates.plot(
        epochs, [row["learning_rate"] for row in history], color="grey", linestyle=":", label="learning rate"
    )
    rates.set(ylabel="learning rate (mean of the epoch)", ylim=(0, None))
    lines = list(axes.get_lines()) + list(rates.get_lines())
    axes.legend(lines, [str(line.get_label()) for line in lines])
    return _png(figure)


def tuning_curves(records: list[TrialRecord], best: int) -> bytes:
    """A PNG of each trial's validation loss by epoch, and of the lowest so far by trial.

    Args:
        records: Of all trials.
        best: Number of the best one.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(11, 4), layout="constrained")
    FigureCanvasAgg(figure)
    by_epoch, by_trial = figure.subplots(1, 2, sharey=True)
    styles = {best: ("tab:green", f"best (trial {best})"), START: ("black", "start")}
    for record in records:
        colour, label = styles.get(record.number, ("lightgrey", None))
        by_epoch.plot(
            [row["epoch"] for row in record.history],
            [row["validation_loss"] for row in record.history],
            color=colour,
            label=label,
            marker=".",
            zorder=2 if label else 1,
        )
    by_epoch.set(xlabel="epoch", ylabel="validation loss (held out)", yscale="log")
    known = [
        (record.number, record.validation_loss) for record in records if record.validation_loss is not None
    ]
    numbers, losses = zip(*known, strict=True)
    by_trial.scatter(numbers, losses, color="grey", label="best epoch of a trial")
    by_trial.step(numbers, np.minimum.accumulate(losses), where="post", label="lowest so far")
    by_trial.set(xlabel="trial", yscale="log")
    for axes in (by_epoch, by_trial):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    return _png(figure)


def _png(figure: Any) -> bytes:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    return picture.getvalue()
