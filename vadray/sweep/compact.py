"""Compaction and retention of a report: what is committed, in fewer and larger files, for as long as it is wanted."""

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import ray
from ray.exceptions import RayTaskError

from vadray import storage
from vadray.config import CompactOptions, LeaseOptions
from vadray.errors import RequestError, VadrayError
from vadray.report import compaction, files, tables
from vadray.report.files import TableFile
from vadray.report.html import write_report
from vadray.report.rewriting import rewrite, without_pictures
from vadray.sweep.cluster import reason_of
from vadray.sweep.lease import held, require_conditions

FOLDER = "_compact"  # beside `_sweeps`, for the lease
FIGURES = (
    *("sweeps", "files_before", "files_after", "bytes_before", "bytes_after"),
    *("merged", "frames_dropped", "scores_dropped", "events_dropped", "pictures_dropped"),
)
Say = Callable[[str], None]


def compact(options: CompactOptions, say: Say) -> dict[str, Any]:
    """Merges small files of committed sweeps, and drops what is older than it is to be kept. Ray must be connected.

    A reader of a table's Delta log sees the rows before and the same rows after. One of the plain files sees a merged
    file beside what it was made of, from its upload until these are deleted.

    Returns:
        Counts: sweeps, files and bytes before and after, sweeps of which frames or scores were dropped.

    Raises:
        RequestError: There is no such committed sweep, or the store does not keep the conditions of writes.
        HeldElsewhere: Another compaction of this report runs, and `wait` is False.
    """
    report = storage.folder(options.report, "report")
    sweeps = [
        (sweep_id, commit)
        for sweep_id, commit in tables.committed_sweeps(report)
        if options.sweep_id in (None, sweep_id)
    ]
    if not sweeps:
        wanted = f" {options.sweep_id}" if options.sweep_id else ""
        raise RequestError(f"report {report}: expected a committed sweep{wanted}, found none")
    figures: Counter[str] = Counter(dict.fromkeys(FIGURES, 0))
    with alone(report, options, say) as check:
        for sweep_id, commit in reversed(sweeps):  # oldest first
            figures.update(_compact_sweep(report, sweep_id, commit, options, check, say))
    return {"report": report, **figures}


@contextlib.contextmanager
def alone(report: str, options: LeaseOptions, say: Say) -> Iterator[Callable[[], None]]:
    """Holds the lease of all that changes a committed sweep; gives a function that raises once it is lost."""
    if options.single_driver:
        yield lambda: None
        return
    folder = storage.join(report, FOLDER)
    require_conditions(folder)
    attempt = f"compact-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.urandom(3).hex()}"
    with held(folder, attempt, options.lease_s, options.wait, say) as lease:
        yield lease.check


def _compact_sweep(
    report: str,
    sweep_id: str,
    commit: dict[str, Any],
    options: CompactOptions,
    check: Callable[[], None],
    say: Say,
) -> Counter[str]:
    since = files.changes(report, sweep_id)
    for last in since[-1:]:  # each before it was carried out before the next was recorded
        compaction.carry_out(report, sweep_id, last)
    standing = files.current(commit, since)
    figures = Counter(sweeps=1, **_sizes("before", standing))
    age = datetime.now(UTC) - datetime.fromisoformat(commit["committed_at"])

    def replace(table: str, group: list[TableFile], added: TableFile | None) -> None:
        check()
        made = compaction.change_of(table, group, added)
        compaction.apply(report, sweep_id, made)
        since.append(made)

    gone = files.dropped(since)
    kept_days = {
        "frames": options.frames_days,
        files.SCORES: options.scores_days,
        "events": options.events_days,
    }
    for table, days in kept_days.items():
        if days is not None and table not in gone and age > timedelta(days=days):
            replace(table, standing.get(table, []), None)
            figures[f"{table}_dropped"] += 1
            say(f"sweep {sweep_id}: dropped {table}, which are kept for {days:g} days")
    days = options.pictures_days
    if days is not None and age > timedelta(days=days):
        figures["pictures_dropped"] += _drop_pictures(
            report, sweep_id, files.current(commit, since), since, check
        )
    if figures["pictures_dropped"] or figures["events_dropped"]:
        write_report(report, sweep_id)
    standing = files.current(commit, since)
    tasks = {}
    for table, entries in standing.items():
        compaction.delete_leftovers(report, sweep_id, table, entries, since)
        for group in compaction.groups(entries, options.target_mib * 2**20):
            tasks[_merge.remote(report, group)] = group
    while tasks:
        (done,), _ = ray.wait(list(tasks), num_returns=1)
        group = tasks.pop(done)
        try:
            replace(group[0].table, group, ray.get(done))
        except RayTaskError as error:
            raise VadrayError(f"sweep {sweep_id}: a table was not compacted, {reason_of(error)}") from error
        figures["merged"] += len(group)
    standing = files.current(commit, since)
    figures.update(_sizes("after", standing))
    if figures["merged"]:
        say(f"sweep {sweep_id}: {figures['files_before']:,} files are {figures['files_after']:,}")
    return figures


def _drop_pictures(
    report: str,
    sweep_id: str,
    standing: dict[str, list[TableFile]],
    since: list[files.Change],
    check: Callable[[], None],
) -> int:
    """Takes the pictures out of a sweep's events; returns 1 where there were any."""
    changed = 0
    for file in standing["events"]:
        added = rewrite(report, file, without_pictures)
        if added is not None:
            check()
            made = compaction.change_of("events", [file], added, pictures_gone=True)
            compaction.apply(report, sweep_id, made)
            since.append(made)
            changed = 1
    return changed


@ray.remote(num_cpus=1)
def _merge(report: str, group: list[TableFile]) -> TableFile:
    return compaction.merge(report, group)


def _sizes(when: str, standing: dict[str, list[TableFile]]) -> dict[str, int]:
    entries = [file for table in standing.values() for file in table]
    return {f"files_{when}": len(entries), f"bytes_{when}": sum(file.bytes for file in entries)}
