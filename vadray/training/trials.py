"""What came of each trial of a search: pure records, and the table that they make."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from vadray.training.space import Changes, in_words

START = 0
FAILED, DIVERGED = "failed", "diverged"


@dataclass(frozen=True)
class TrialRecord:
    """One trial.

    Args:
        number: `START` for the starting point.
        changes: What it has else than the start.
        history: A row for each epoch, with its `validation_loss`.
        ended: Why it has no more epochs.
    """

    number: int
    changes: Changes
    history: list[dict[str, Any]]
    ended: str

    @property
    def epochs(self) -> int:
        return len(self.history)

    @property
    def best(self) -> dict[str, Any]:
        """The row of its best epoch, by validation loss."""
        return min(self.history, key=lambda row: row["validation_loss"])

    @property
    def validation_loss(self) -> float | None:
        """At its best epoch; None where it has none, or where it failed and what it left is not to be relied on."""
        return self.best["validation_loss"] if self.history and self.ended != FAILED else None

    def loss_after(self, epochs: int) -> float:
        """Lowest validation loss in the first `epochs` epochs."""
        return min(row["validation_loss"] for row in self.history[:epochs])

    def in_words(self) -> str:
        loss = f"validation {self.validation_loss:.6f}" if self.validation_loss is not None else "no loss"
        epochs = f"{self.epochs} epoch{'' if self.epochs == 1 else 's'}"
        return f"trial {self.number} ({in_words(self.changes)}): {loss} in {epochs}, {self.ended}"

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), indent=1).encode()

    @classmethod
    def from_json(cls, content: bytes) -> "TrialRecord":
        return cls(**json.loads(content))


def ending(history: list[dict[str, Any]], epochs: int, patience: int) -> str:
    """Why a trial that did not fail has no more epochs than these."""
    losses = [row["validation_loss"] for row in history]
    if len(losses) >= epochs:
        return "finished"
    waited = len(losses) - 1 - losses.index(min(losses))
    return f"no better for {patience} epochs" if waited >= patience else "cut by ASHA"


def best_trial(records: list[TrialRecord]) -> TrialRecord:
    """That with the lowest validation loss at its best epoch; of equals the first, so the start where nothing is better."""
    return min(
        (record for record in records if record.validation_loss is not None),
        key=lambda record: (record.validation_loss, record.number),
    )


COLUMNS = (
    "trial",
    "changed",
    "epochs",
    "best epoch",
    "validation loss",
    "start after as many epochs",
    "ended",
)


def table_rows(records: list[TrialRecord], start_values: Changes, most: int) -> list[list[str]]:
    """Rows of `COLUMNS`: the start first, then the `most` best trials, the best first.

    A trial that was cut has had fewer epochs than the start, so beside its loss stands that of the start after as
    many epochs.

    Args:
        records: Of all trials.
        start_values: What the start has for what was changed.
        most: Trials to show beside the start.
    """
    start = next(record for record in records if record.number == START)
    rest = [record for record in records if record.number != START]
    rest.sort(key=lambda r: (r.validation_loss is None, r.validation_loss or 0.0, r.number))
    rows = []
    for record in [start, *rest[:most]]:
        loss, changes = record.validation_loss, start_values if record is start else record.changes
        rows.append(
            [
                "start" if record is start else str(record.number),
                in_words(changes),
                str(record.epochs),
                "" if loss is None else str(record.best["epoch"]),
                "" if loss is None else f"{loss:.6f}",
                "" if loss is None else f"{start.loss_after(record.epochs):.6f}",
                record.ended,
            ]
        )
    return rows
