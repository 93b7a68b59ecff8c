"""Progress of scoring: a bar on a terminal, a status line now and then in a log. Both on stderr."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

LINE_EVERY_S = 60.0

Tell = Callable[..., None]


class Progress:
    """Tells how far scoring is.

    Args:
        console: On stderr.
    """

    def __init__(self, console: Console):
        self._console = console

    @contextmanager
    def scoring(self, units: int, done: int) -> Iterator[Tell]:
        """Gives a function that takes what was done since its last call: units, frames, unreadable."""
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
        total = units
        state = {"units": done, "frames": 0, "bad": 0}
        with bar:
            task = bar.add_task("scoring", total=units, completed=done, rate=0.0, bad=0)

            def tell(units: int, frames: int, unreadable: int) -> None:
                nonlocal last
                state["units"] += units
                state["frames"] += frames
                state["bad"] += unreadable
                now = time.monotonic()
                rate = state["frames"] / max(now - begun, 1e-9)
                bar.update(task, completed=state["units"], rate=rate, bad=state["bad"])
                if bar.disable and now - last >= LINE_EVERY_S:
                    last = now
                    self._console.print(self._line(state, total, rate))

            yield tell
        rate = state["frames"] / max(time.monotonic() - begun, 1e-9)
        self._console.print(self._line(state, units, rate))

    @staticmethod
    def _line(state: dict[str, int], units: int, rate: float) -> str:
        return (
            f"scored {state['units']:,} of {units:,} units, {state['frames']:,} frames at {rate:,.0f} frames/s, "
            f"{state['bad']} unreadable"
        )
