"""Proves from storage alone that a committed sweep is complete."""

import hashlib
from collections import Counter
from typing import Any

import pyarrow.compute as pc

from vadray import storage
from vadray.archive.plan_files import read_part_rows
from vadray.errors import RequestError
from vadray.report import delta_log, files, tables
from vadray.report.files import Change
from vadray.report.forgotten import digest_of, forgotten
from vadray.sweep import plan_store, scores
from vadray.sweep.manifest import MANIFEST, read_manifest
from vadray.sweep.plan_store import FrozenPlan


def verify(report: str, sweep_id: str | None) -> dict[str, Any]:
    """Checks files against their digests, the plan against the manifest, and the tables against each other.

    Returns:
        `{"sweep_id", "faults": [text, …], "objects", "units", "frames", "events", "dropped_by_age"}`: counts are of
        the commit; the last names tables and scores that `compact` has taken away since.

    Raises:
        RequestError: There is no such committed sweep.
    """
    report = storage.folder(report, "report")
    sweep_id = sweep_id or tables.latest_sweep(report)
    commit = tables.read_commit(report, sweep_id) if sweep_id else None
    if sweep_id is None or commit is None:
        raise RequestError(
            f"report {report}: expected a committed sweep{f' {sweep_id}' if sweep_id else ''}, found none"
        )
    if commit.get("sweep_id") != sweep_id or not {"files", "counts"} <= commit.keys():
        fault = f"{tables.COMMIT}: expected that of {sweep_id}, received that of {commit.get('sweep_id')}"
        return {"sweep_id": sweep_id, "faults": [fault]}
    folder = tables.sweep_folder(report, sweep_id)
    since = files.changes(report, sweep_id)
    dropped = files.dropped(since)
    faults = _files(report, sweep_id, commit, since)
    plan = plan_store.load(folder)
    if plan is None:
        faults.append("plan.json is missing")
        return {"sweep_id": sweep_id, "faults": faults, **commit["counts"]}
    faults += _plan_files(plan)
    if faults:  # with damaged files the rows below could not be read
        return {"sweep_id": sweep_id, "faults": faults, **commit["counts"]}
    planned = [
        row for part in plan.parts for row in read_part_rows(plan.uri(part), ["unit_id", "status", "members"])
    ]
    gone = forgotten(report)
    faults += _units(folder, planned, gone, scores_there=files.SCORES not in dropped)
    if not faults:
        faults += _rows(report, sweep_id, commit, planned, gone, since)
    return {"sweep_id": sweep_id, "faults": faults, **commit["counts"], "dropped_by_age": sorted(dropped)}


def _files(report: str, sweep_id: str, commit: dict[str, Any], since: list[Change]) -> list[str]:
    """Faults of the tables' files, and of the Delta logs that name them."""
    faults = []
    for table, standing in files.current(commit, since).items():
        for file in standing:
            faults += _changed(f"{table}/{file.path}", storage.join(report, table, file.path), file.sha256)
        partition = f"{tables.PARTITION}={sweep_id}"
        stored = storage.list_names(storage.join(report, table, partition))
        there = {f"{partition}/{name}" for name in stored if name.endswith(".parquet")}
        own = {file.path for file in standing}
        replaced = files.replaced(since, table)
        faults += [
            f"{table}/{path}: was replaced, and is still there; `vadray compact` takes it away"
            if path in replaced
            else f"{table}/{path}: not part of the commit"
            for path in sorted(there - own)
        ]
        logged = delta_log.logged_files(report, table, sweep_id)
        faults += [f"{table}/{path}: its Delta log does not name it" for path in sorted(own - logged)]
        faults += [
            f"{table}/{path}: its Delta log names it, the commit does not" for path in sorted(logged - own)
        ]
    return faults


def _plan_files(plan: FrozenPlan) -> list[str]:
    return [
        fault
        for file in plan.info["files"]
        for fault in _changed(file["path"], plan.uri(file["part"]), file["sha256"])
    ]


def _changed(name: str, uri: str, expected: str) -> list[str]:
    try:
        with storage.open_read(uri) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    except FileNotFoundError:
        return [f"{name}: missing"]
    if digest != expected:
        return [f"{name}: changed since it was written"]
    return []


def _units(folder: str, planned: list[dict[str, Any]], forgot: set[str], scores_there: bool) -> list[str]:
    faults = []
    exempt = {  # their scores went with them
        row["unit_id"]
        for row in planned
        if forgot and all(digest_of(member["object_uri"]) in forgot for member in row["members"])
    }
    try:
        manifest = read_manifest(storage.join(folder, MANIFEST))
    except FileNotFoundError:
        return [f"{MANIFEST} is missing"]
    scored = Counter(manifest["unit_id"].to_pylist())
    wanted = Counter(row["unit_id"] for row in planned if row["status"] == "planned")
    faults += [f"unit {unit}: planned {count} times" for unit, count in wanted.items() if count > 1]
    faults += [f"unit {unit}: planned, not scored" for unit in wanted if unit not in scored]
    faults += [f"unit {unit}: scored {count} times" for unit, count in scored.items() if count > 1]
    faults += [f"unit {unit}: scored, not planned" for unit in scored if unit not in wanted]
    if not scores_there:
        return faults
    complete = scores.complete_units(storage.join(folder, "scores"))
    gone = pc.invert(pc.is_in(manifest["unit_id"], complete["unit_id"]))
    faults += [
        f"unit {unit}: score files are missing"
        for unit in manifest["unit_id"].filter(gone).to_pylist()
        if unit not in exempt
    ]
    return faults


def _rows(
    report: str,
    sweep_id: str,
    commit: dict[str, Any],
    planned: list[dict[str, Any]],
    forgot: set[str],
    since: list[Change],
) -> list[str]:
    faults = []
    dropped = files.dropped(since)
    frames_there = "frames" not in dropped
    counts: dict[str, int] = {}
    frames: Counter[str] = Counter()
    indices: Counter[str] = Counter()
    for batch in tables.iter_table(report, "frames", sweep_id, ["object_uri", "frame_index"]):
        for uri, index in zip(batch["object_uri"].to_pylist(), batch["frame_index"].to_pylist(), strict=True):
            if index != frames[uri]:
                indices[uri] += 1
            frames[uri] += 1
    if frames_there:
        counts["frames"] = frames.total()
    objects = tables.read_table(report, "objects", sweep_id).to_pylist()
    counts["objects"] = len(objects)
    if "events" not in dropped:
        counts["events"] = tables.read_table(report, "events", sweep_id, ["event_id"]).num_rows
    for table, count in counts.items():
        expected = commit["counts"][table] - files.rows_gone(since, table)
        if count != expected:
            faults.append(f"{table}: expected {expected} rows, found {count}")
    faults += [f"{uri}: {count} frames out of order" for uri, count in indices.items()]
    wanted = {member["object_uri"] for row in planned for member in row["members"]}
    wanted = {uri for uri in wanted if digest_of(uri) not in forgot} if forgot else wanted
    found = Counter(row["object_uri"] for row in objects)
    faults += [f"{uri}: planned, not in objects" for uri in wanted if uri not in found]
    faults += [f"{uri}: {count} times in objects" for uri, count in found.items() if count > 1]
    faults += [f"{uri}: in objects, not planned" for uri in found if uri not in wanted]
    faults += [
        f"{row['object_uri']}: objects tells of {row['frames_scored']} frames, frames has {frames[row['object_uri']]}"
        for row in objects
        if frames_there and row["frames_scored"] != frames[row["object_uri"]]
    ]
    return faults
