"""What a command is, and what they share."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from vadray.config import Options

Result = tuple[int, dict[str, Any]]


@dataclass(frozen=True)
class Command:
    """A command.

    Args:
        options: Its options.
        run: Takes options and console, gives exit status and result.
        positional: Options that may be given without their name, in order.
        help: One line.
    """

    options: type[Options]
    run: Callable[[Any, Console], Result]
    positional: tuple[str, ...]
    help: str


def interrupt_on_sigterm() -> None:
    """SIGTERM becomes KeyboardInterrupt, so that a stopped job ends as an interrupted one."""

    def interrupt(signum: int, frame: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


@contextmanager
def cluster(training: bool = False) -> Iterator[None]:
    """A connection to Ray; Ray sets its own SIGTERM handler, so ours is set again after it.

    Args:
        training: Ray Train is used, which wants the dashboard of a local Ray.
    """
    from vadray.sweep.cluster import connected  # Ray takes seconds to import

    with connected(dashboard=training):
        interrupt_on_sigterm()
        yield


def say(console: Console) -> Callable[[str], None]:
    """Prints a line to a person."""
    return lambda text: console.print(text, markup=False)


def table(title: str, columns: list[str], rows: list[list[Any]]) -> Table:
    shown = Table(title=title, title_justify="left")
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*(str(value) for value in row))
    return shown
