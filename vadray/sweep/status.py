"""Where a sweep stands, while it runs or after it died, from storage alone."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from vadray import storage
from vadray.errors import RequestError
from vadray.report import tables
from vadray.report.schemas import PARTITION
from vadray.sweep import lease, plan_store, scores
from vadray.sweep.manifest import MANIFEST

ATTEMPTS, PROGRESS = "attempts", "progress"


def status(report: str, sweep_id: str | None) -> dict[str, Any]:
    """What is known of a sweep.

    Args:
        report: Root of the report.
        sweep_id: None takes the one whose last attempt is the newest.

    Returns:
        `sweep_id`, `phase` (planning, scoring, finalising, committed), `attempts`, `started_at`, `committed_at`,
        `objects`, `units`, `units_done`, `share_done`, `units_per_hour` (of the last attempt), `left_s` (at that
        rate), `holder`, `heard_of_s_ago`, `running`. What is not known is None.

    Raises:
        RequestError: There is no such sweep.
    """
    report = storage.folder(report, "report")
    sweep_id = sweep_id or _newest(report)
    attempts = sorted(storage.list_names(tables.sweep_folder(report, sweep_id, ATTEMPTS))) if sweep_id else []
    if sweep_id is None or not attempts:
        wanted = f" {sweep_id}" if sweep_id else ""
        raise RequestError(f"report {report}: expected a sweep{wanted} that was begun, found none")
    commit = tables.read_commit(report, sweep_id)
    first = json.loads(storage.read_bytes(tables.sweep_folder(report, sweep_id, ATTEMPTS, attempts[0])))
    known = {
        "sweep_id": sweep_id,
        "attempts": len(attempts),
        "started_at": first["started_at"],
        "committed_at": commit["committed_at"] if commit else None,
    }
    if commit:
        counts = commit["counts"]
        done = {"objects": counts["objects"], "units": counts["units"], "units_done": counts["units"]}
        idle = {"units_per_hour": None, "left_s": 0, "holder": None, "heard_of_s_ago": None, "running": False}
        return {**known, "phase": "committed", **done, "share_done": 1.0, **idle}
    holder = lease.standing(tables.sweep_folder(report, sweep_id))
    held = {
        "holder": str(holder.holder) if holder else None,
        "heard_of_s_ago": round(holder.age_s, 1) if holder else None,
        "running": holder is not None and not holder.is_stale(),
    }
    return {**known, **_unfinished(report, sweep_id, attempts[-1]), **held}


def _newest(report: str) -> str | None:
    """The sweep whose last attempt is the newest: names of attempts begin with their time."""
    found = []
    for sweep_id in storage.list_names(storage.join(report, tables.SWEEPS)):
        attempts = sorted(storage.list_names(tables.sweep_folder(report, sweep_id, ATTEMPTS)))
        if attempts:
            found.append((attempts[-1], sweep_id))
    return max(found)[1] if found else None


def _unfinished(report: str, sweep_id: str, last_attempt: str) -> dict[str, Any]:
    unknown = dict.fromkeys(("objects", "units", "units_done", "share_done", "units_per_hour", "left_s"))
    plan = plan_store.load(tables.sweep_folder(report, sweep_id))
    if plan is None:
        return {**unknown, "phase": "planning"}
    counts = {name: plan.info["counts"].get(name, 0) for name in ("objects", "units")}
    if storage.exists(tables.sweep_folder(report, sweep_id, MANIFEST)):
        partition = storage.join(report, "objects", f"{PARTITION}={sweep_id}")
        parts = len([name for name in storage.list_names(partition) if name.endswith(".parquet")])
        done = {"units_done": counts["units"], "share_done": 1.0}
        return {
            **unknown, **counts, **done, "phase": "finalising", "parts": len(plan.parts), "parts_done": parts,
        }  # fmt: skip
    units_done = scores.complete_units(tables.sweep_folder(report, sweep_id, "scores")).num_rows
    per_hour = _units_per_hour(report, sweep_id, last_attempt, units_done)
    left = counts["units"] - units_done
    return {
        **counts,
        "phase": "scoring",
        "units_done": units_done,
        "share_done": round(units_done / counts["units"], 4) if counts["units"] else 1.0,
        "units_per_hour": per_hour,
        "left_s": round(left / per_hour * 3600) if per_hour else None,
    }


def _units_per_hour(report: str, sweep_id: str, attempt: str, units_done: int) -> float | None:
    uri = tables.sweep_folder(report, sweep_id, PROGRESS, attempt)
    try:
        before = json.loads(storage.read_bytes(uri))["units_done"]
        hours = storage.age_s(uri) / 3600
    except FileNotFoundError:  # it has not begun to score
        return None
    return round((units_done - before) / hours, 1) if hours > 0 and units_done > before else None


def told(found: dict[str, Any]) -> list[list[str]]:
    """`status` as rows for a person."""
    rows = [["phase", found["phase"]], ["begun", f"{found['started_at']}, attempt {found['attempts']}"]]
    if found["committed_at"]:
        rows.append(["committed", found["committed_at"]])
    if found["units"] is not None:
        done = f"{found['units_done']:,} of {found['units']:,} units, {found['share_done']:.1%}"
        rows += [["objects", f"{found['objects']:,}"], ["scored", done]]
    if found.get("parts"):
        rows.append(["tables", f"{found['parts_done']} of {found['parts']} parts"])
    if found["units_per_hour"]:
        rate = f"{found['units_per_hour']:,.0f} units an hour"
        rows.append(["rate", f"{rate}; {timedelta(seconds=found['left_s'])} left"])
    if found["phase"] != "committed":
        holder = found["holder"] or "nobody: the same command goes on from here"
        heard = f", heard of {found['heard_of_s_ago']:.0f} s ago" if found["holder"] else ""
        dead = "" if found["running"] or not found["holder"] else ": gone, the same command goes on from here"
        rows.append(["held by", f"{holder}{heard}{dead}"])
    return rows


def record_scoring(folder: str, attempt: str, units_done: int) -> None:
    """Leaves when an attempt begins to score, and what was scored by then, for the rate.

    Args:
        folder: `REPORT/_sweeps/<sweep_id>`.
        attempt: Its name.
        units_done: By earlier attempts.
    """
    content = {"attempt": attempt, "units_done": units_done, "at": datetime.now(UTC).isoformat()}
    storage.create_bytes(storage.join(folder, PROGRESS, f"{attempt}.json"), json.dumps(content).encode())
