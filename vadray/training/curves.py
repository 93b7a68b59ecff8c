"""The loss curves of a training run as a picture."""

import io
from typing import Any


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
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    return picture.getvalue()
