"""Progress of scoring: a bar on a terminal, a status line a minute in a log. Both on stderr."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

LINE_EVERY_S = 60.0

Tell = Callable[[Mapping[str, Any]], None]


@dataclass
class Standing:
    """How far scoring is.

    Args:
        units: In all.
        before: Done by earlier attempts.
        done: Of all.
        frames: Scored by this attempt.
        unreadable: Objects.
        seconds: Since scoring began.
    """

    units: int
    before: int
    done: int
    frames: int = 0
    unreadable: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Frames a second."""
        return self.frames / max(self.seconds, 1e-9)

    @property
    def left_s(self) -> float | None:
        """Seconds left at the rate of this attempt."""
        new = self.done - self.before
        return self.seconds / new * (self.units - self.done) if new else None

    def in_words(self) -> str:
        share = f", {self.done / self.units:.0%}" if self.units else ""
        left = self.left_s
        soon = f", {timedelta(seconds=round(left))} left" if left else ""
        return (
            f"scored {self.done:,} of {self.units:,} units{share}, {self.frames:,} frames at {self.rate:,.0f} frames/s, "
            f"{self.unreadable} unreadable{soon}"
        )


class Progress:
    """Tells how far scoring is.

    Args:
        console: On stderr.
    """

    def __init__(self, console: Console):
        self._console = console

    @contextmanager
    def scoring(self, units: int, done: int) -> Iterator[Tell]:
        """Gives a function that takes what came of each chunk, rows of `stages.summary`."""
        bar = Bar(
            TextColumn("scoring"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("units  {task.fields[rate]:,.0f} frames/s  {task.fields[bad]} unreadable"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        begun = last = time.monotonic()
        standing = Standing(units, done, done)
        with bar:
            task = bar.add_task("scoring", total=units, completed=done, rate=0.0, bad=0)

            def tell(chunk: Mapping[str, Any]) -> None:
                nonlocal last
                standing.done += int(chunk["last"])
                standing.frames += chunk["frames"]
                standing.unreadable += len(chunk["errors"])
                now = time.monotonic()
                standing.seconds = now - begun
                bar.update(task, completed=standing.done, rate=standing.rate, bad=standing.unreadable)
                if bar.disable and now - last >= LINE_EVERY_S:
                    last = now
                    self._console.print(standing.in_words(), markup=False)

            yield tell
        standing.seconds = time.monotonic() - begun
        self._console.print(standing.in_words(), markup=False)
