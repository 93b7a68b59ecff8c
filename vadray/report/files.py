"""Which files a committed sweep's tables are made of now: those of `commit.json`, and what compaction made of them.

`commit.json` never changes. Each later change is a record beside it, `_sweeps/<sweep_id>/changes/00000.json` and so on,
created before it is carried out, so that one that was interrupted is known and finished by the next compaction.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from vadray import storage
from vadray.report import tables
from vadray.report.delta_log import FileInfo

CHANGES = "changes"
SCORES = "scores"  # of units, which retention may drop as it may `frames`


@dataclass(frozen=True)
class TableFile(FileInfo):
    """A data file of `table`, with its SHA-256."""

    table: str
    sha256: str


@dataclass(frozen=True)
class Change:
    """Files of a table that were merged into another one, or dropped.

    Args:
        table: `frames`, `events`, `objects` or `scores`.
        removed: Paths within the table that no longer count.
        added: What stands in their place; None where they were dropped.
        at: When, ISO 8601.
        rows_gone: How many rows fewer it has, because an object was forgotten.
        pictures_gone: Whether pictures of events were taken out.
    """

    table: str
    removed: list[str]
    added: TableFile | None
    at: str
    rows_gone: int = 0
    pictures_gone: bool = False

    @property
    def edited(self) -> bool:
        """Whether what stands in their place says less than they did."""
        return self.rows_gone > 0 or self.pictures_gone


def changes(report_uri: str, sweep_id: str) -> list[Change]:
    """All changes since the commit, in order."""
    folder = tables.sweep_folder(report_uri, sweep_id, CHANGES)
    found = [
        json.loads(storage.read_bytes(storage.join(folder, name)))
        for name in sorted(storage.list_names(folder))
    ]
    return [Change(**{**one, "added": TableFile(**one["added"]) if one["added"] else None}) for one in found]


def record(report_uri: str, sweep_id: str, change: Change) -> None:
    """Makes a change count; its files are put in place and taken away afterwards, by the one that holds the lease."""
    number = len(list(storage.list_names(tables.sweep_folder(report_uri, sweep_id, CHANGES))))
    uri = storage.join(tables.sweep_folder(report_uri, sweep_id, CHANGES), f"{number:05d}.json")
    if not storage.create_bytes(uri, json.dumps(asdict(change), indent=1).encode()):
        raise RuntimeError(
            f"{uri}: another compaction of this report runs, though one alone may hold its lease"
        )


def current(commit: dict[str, Any], since: Sequence[Change]) -> dict[str, list[TableFile]]:
    """By table the files that make it, in the order of their rows.

    Args:
        commit: Content of `commit.json`.
        since: Changes after it.
    """
    standing = {(file["table"], file["path"]): TableFile(**file) for file in commit["files"]}
    for change in since:
        for path in change.removed:
            standing.pop((change.table, path), None)
        if change.added:
            standing[change.table, change.added.path] = change.added
    return {
        table: sorted((file for file in standing.values() if file.table == table), key=lambda file: file.path)
        for table in tables.TABLES
    }


def replaced(since: Sequence[Change], table: str) -> set[str]:
    """Paths of a table's files that were merged into others or dropped: what still lies there is left over."""
    return {path for change in since if change.table == table for path in change.removed}


def rows_gone(since: Sequence[Change], table: str) -> int:
    """Rows of a table that went with forgotten objects."""
    return sum(change.rows_gone for change in since if change.table == table)


def dropped(since: Sequence[Change]) -> dict[str, str]:
    """What retention has dropped, `frames`, `events` or `scores`, and when."""
    return {change.table: change.at for change in since if change.added is None}
