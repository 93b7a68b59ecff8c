"""`vadray forget`: an object's rows and pictures leave every table, score file and page of a report."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vadray import storage
from vadray.archive.plan_files import read_part_rows
from vadray.calibration.hours import hours_of
from vadray.config import ForgetOptions
from vadray.errors import RequestError
from vadray.health.found import HEALTH, Health, from_json, to_json
from vadray.health.nights import CAMERAS_FILE, read_cameras, write_cameras
from vadray.report import compaction, files, tables
from vadray.report.forgotten import remember_to_forget
from vadray.report.html import write_report
from vadray.report.labels import delete_labels
from vadray.report.rewriting import rewrite, without_object
from vadray.sweep import plan_store, scores
from vadray.sweep.canary import FOLDER as CANARY
from vadray.sweep.compact import alone

Say = Callable[[str], None]


def forget(options: ForgetOptions, say: Say) -> dict[str, Any]:
    """Removes all that a report knows of an object. Repeatable: one that was interrupted is done again by the same call.

    What stays: the object's name in the sweeps' plans and, as a digest, in the list of what is left out from now on; and
    the archive itself, which is never written to.

    Returns:
        `object_uri`, counts of `sweeps`, `rows`, `score_files` and `labels` that were changed, and of `unfinished`
        sweeps, whose scores the same command takes away once they are committed.

    Raises:
        RequestError: No sweep of the report knows of the object.
        HeldElsewhere: A compaction of this report runs, and `wait` is False.
    """
    report, uri = storage.folder(options.report, "report"), storage.absolute(options.object_uri)
    done = _forget(report, uri, options, say, "sweep")
    canary = storage.join(report, CANARY)
    if any(True for _ in storage.list_names(storage.join(canary, tables.SWEEPS))):
        done.update(_forget(canary, uri, options, say, "canary of"))
    if not done["sweeps"] and not done["unfinished"]:
        raise RequestError(f"object_uri: expected an object that a sweep of {report} knows, received {uri}")
    return {"object_uri": uri, **done}


def _forget(report: str, uri: str, options: ForgetOptions, say: Say, what: str) -> Counter[str]:
    done: Counter[str] = Counter(sweeps=0, rows=0, score_files=0, unfinished=0)
    with alone(report, options, say) as check:
        for sweep_id in sorted(storage.list_names(storage.join(report, tables.SWEEPS))):
            units = _units(tables.sweep_folder(report, sweep_id), uri)
            if not units:
                continue
            remember_to_forget(report, uri)
            commit = tables.read_commit(report, sweep_id)
            if commit is None:
                done["unfinished"] += 1
                say(f"{what} {sweep_id} is not committed yet: forget the object again once it is")
                continue
            check()
            done["sweeps"] += 1
            _forget_cameras(report, sweep_id, units, uri)
            done["rows"] += _forget_rows(report, sweep_id, commit, uri)
            done["score_files"] += _forget_scores(tables.sweep_folder(report, sweep_id), units, uri)
            write_report(report, sweep_id)
            say(f"{what} {sweep_id}: forgotten")
        done["labels"] = delete_labels(report, uri)
    return done


def _units(folder: str, uri: str) -> list[dict[str, Any]]:
    """Rows of the sweep's plan that hold the object."""
    plan = plan_store.load(folder)
    if plan is None:
        return []
    return [
        row
        for part in plan.parts
        for row in read_part_rows(plan.uri(part), ["unit_id", "status", "members"])
        if any(member["object_uri"] == uri for member in row["members"])
    ]


def _forget_cameras(report: str, sweep_id: str, units: list[dict[str, Any]], uri: str) -> None:
    """Its stretches, and figures and views of its camera in its hours: they are of other objects too, and can't be told apart."""
    member = next(member for unit in units for member in unit["members"] if member["object_uri"] == uri)
    camera, hours = member["camera"] or "", _hours(report, sweep_id, member)
    place = tables.sweep_folder(report, sweep_id, CAMERAS_FILE)
    if storage.exists(place):
        rows = read_cameras(storage.read_bytes(place))
        kept = [row for row in rows if row["camera"] != camera or row["hour"] not in hours]
        storage.write_bytes(place, write_cameras(kept))
    place = tables.sweep_folder(report, sweep_id, HEALTH)
    if storage.exists(place):
        health = from_json(storage.read_bytes(place))
        stretches = [one for one in health.stretches if one.object_uri != uri]
        figures = {key: one for key, one in health.hours.items() if key[0] != camera or key[-1] not in hours}
        storage.write_bytes(place, to_json(Health(stretches, figures)))


def _hours(report: str, sweep_id: str, member: dict[str, Any]) -> set[int | None]:
    """Hours of the day of an object; none where its rows are gone already, and these with them."""
    own = tables.read_table(report, "objects", sweep_id, ["object_uri", "duration_s"])
    spans = own.filter(pc.equal(own["object_uri"], member["object_uri"]))["duration_s"].to_pylist()
    if not spans:
        return set()
    found = hours_of(member["captured_at"], np.append(np.arange(0.0, spans[0], 60.0), spans[0]))
    return {None} if found is None else set(found.tolist())


def _forget_rows(report: str, sweep_id: str, commit: dict[str, Any], uri: str) -> int:
    since = files.changes(report, sweep_id)
    for last in since[-1:]:  # what was interrupted comes first
        compaction.carry_out(report, sweep_id, last)
    rows = 0
    for file in [file for standing in files.current(commit, since).values() for file in standing]:
        added = rewrite(report, file, without_object(uri))
        if added is not None:
            gone = file.rows - added.rows
            compaction.apply(
                report, sweep_id, compaction.change_of(file.table, [file], added, rows_gone=gone)
            )
            rows += gone
    return rows


def _forget_scores(folder: str, units: list[dict[str, Any]], uri: str) -> int:
    """Score files of the object alone are deleted, those of groups of images are written again without it."""
    place = storage.join(folder, files.SCORES)
    count = 0
    for unit in units:
        for name in list(storage.list_names(place, [f"{unit['unit_id']}."])):
            count += 1
            if len(unit["members"]) == 1:
                storage.delete(storage.join(place, name))
                continue
            row = scores.load(storage.join(place, name))
            gone = next(n for n, member in enumerate(unit["members"]) if member["object_uri"] == uri)
            storage.write_bytes(storage.join(place, name), scores.to_bytes(_without_member(row, gone)))
    return count


def _without_member(row: pa.Table, gone: int) -> pa.Table:
    (content,) = row.to_pylist()
    kept = [place for place, frame in enumerate(content["frames"]) if frame["member"] != gone]
    new_place = {old: new for new, old in enumerate(kept)}
    for pictures in ("moments", "views"):
        content[pictures] = [
            {**one, "frame": new_place[one["frame"]]}
            for one in content[pictures]
            if one["frame"] in new_place
        ]
    content["frames"] = [content["frames"][place] for place in kept]
    content["members"][gone] |= {"error_type": None, "error": None}
    return pa.Table.from_pylist([content], scores.SCORES)
