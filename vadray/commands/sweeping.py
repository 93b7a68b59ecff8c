"""Commands that write reports, and look after them."""

import os
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Console

from vadray import config, storage
from vadray.commands.command import Result, cluster, say, table
from vadray.commands.log import ERROR, WARNING, about, tell
from vadray.errors import RequestError

if TYPE_CHECKING:
    from vadray.sweep.driver import Voice
    from vadray.sweep.notify import Webhook
    from vadray.sweep.request import Prepared

NEEDS_A_LOOK = 3
ALREADY = "is committed already: nothing to do; what came since is for another sweep_id"


def run_plan(options: config.SweepOptions, console: Console) -> Result:
    from vadray.calibration.hours import tells_day_alone
    from vadray.sweep import request
    from vadray.sweep.rules import unmatched

    prepared = request.prepare(options)
    counts: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    members: list[dict[str, Any]] = []  # the first and the last
    cameras: set[str] = set()
    with cluster():
        for row in request.plan_rows(prepared, skipped):
            members = [*members[:1], row["members"][0]]
            cameras.update(member["camera"] or "" for member in row["members"])
            if row["unit_index"] == 0:
                counts["objects"] += len(row["members"])
                counts[row["status"]] += len(row["members"])
            if row["status"] == "planned":
                counts["units"] += 1
                counts["bytes"] += row["bytes"]
                counts["frames_estimate"] += row["frames_estimate"] or 0
    names = ["objects", "planned", "unchanged", "skipped", "quarantined", "units", "frames_estimate", "bytes"]
    console.print(
        table(
            f"sweep {prepared.sweep_id} would do",
            ["what", "how many"],
            [[n, f"{counts[n]:,}"] for n in names],
        )
    )
    for place, member in zip(("first", "last"), members, strict=False):
        console.print(f"the {place}: {_as_understood(member)}", markup=False)
    captured = [member["captured_at"] for member in members]
    if captured and all(time is not None and tells_day_alone(time) for time in captured):
        console.print(
            "of both the day is known and the hour is not: if names tell it, pattern= can say where",
            markup=False,
        )
    for doubt in unmatched(prepared.rules, cameras):
        console.print(doubt, style=WARNING, markup=False)
    if request.committed(prepared):
        console.print(f"sweep {prepared.sweep_id} {ALREADY}", markup=False)
    for reason, count in sorted(skipped.items()):
        console.print(f"left out of the listing: {count:,} × {reason}", markup=False)
    return 0, {
        "sweep_id": prepared.sweep_id,
        **{name: counts[name] for name in names},
        "left_out": dict(skipped),
    }


def _as_understood(member: dict[str, Any]) -> str:
    """What a path was taken to say, for a person to check."""
    captured = member["captured_at"]
    when = f"captured {captured:%Y-%m-%d %H:%M:%S} UTC" if captured else "captured at an unknown time"
    return f"{member['object_uri']} is of camera {member['camera'] or '(none)'}, {when}"


def run_sweep(options: config.SweepOptions, console: Console) -> Result:
    webhook = _webhook(options, console)
    if options.dry_run:
        return run_plan(options, console)
    from vadray.sweep import driver, request
    from vadray.sweep.progress import Progress

    try:
        prepared = request.prepare(options)
        committed = request.committed(prepared)
    except RequestError as error:
        if webhook:  # by night nobody reads the terminal
            webhook.post("failed", f"a sweep of {options.archive} did not begin: {error}", error=str(error))
        raise
    about(console, sweep_id=prepared.sweep_id)
    if webhook:
        webhook.about.update(sweep_id=prepared.sweep_id, report=prepared.report)
    voice = driver.Voice(say(console), Progress(console), webhook, partial(tell, console))
    canary: dict[str, Any] = {}
    if committed:
        console.print(f"sweep {prepared.sweep_id} {ALREADY}", markup=False)
        commit = {**committed, "already": True}
    if not committed or options.canary:  # else told without starting Ray
        with cluster():
            commit = commit if committed else driver.sweep(prepared, voice)
            canary = _canary(prepared, voice, console) if options.canary else {}
    counts = commit["counts"]
    then = f", committed {commit['committed_at'][:19]} UTC" if commit["already"] else ""
    console.print(
        f"sweep {prepared.sweep_id}{then}: {counts['objects']:,} objects ({counts['scored']:,} scored, {counts['partial']:,} "
        f"partial, {counts['quarantined']:,} quarantined, {counts['unchanged']:,} unchanged, {counts['skipped']:,} "
        f"skipped), {counts['frames']:,} frames, {counts['events']:,} events{_left_out(commit.get('dropped', {}))}",
        markup=False,
    )
    page = storage.join(prepared.report, f"report-{prepared.sweep_id}.html")
    console.print(f"report {page}", markup=False)
    status = 0
    if not commit["already"] and too_many_quarantined(counts, options.max_quarantined):
        console.print(
            f"{counts['quarantined']} of {counts['objects']} objects are quarantined, more than "
            f"max_quarantined={options.max_quarantined:g}: see objects.error",
            style=WARNING,
            markup=False,
        )
        status = NEEDS_A_LOOK
    return status, {
        "sweep_id": prepared.sweep_id,
        "report": prepared.report,
        "report_html": page,
        "commit": storage.join(prepared.folder, "commit.json"),
        "already": commit["already"],
        **counts,
        **canary,
        "left_out": commit.get("left_out", {}),
        "dropped": commit.get("dropped", {}),
        **{name: commit[name] for name in ("wall_s", "decode_s", "score_s", "attempts")},
    }


def _left_out(dropped: dict[str, int]) -> str:
    """How many events rules and the cameras' health left out, and which."""
    why = ", ".join(f"{name} {count:,}" for name, count in sorted(dropped.items()))
    return f", {sum(dropped.values()):,} left out ({why})" if dropped else ""


def _canary(prepared: "Prepared", voice: "Voice", console: Console) -> dict[str, Any]:
    from vadray.sweep.canary import sweep_canary

    console.print(f"canary: {', '.join(route.path for route in prepared.options.canary)}", markup=False)
    found = sweep_canary(prepared, voice)
    rows = [
        [camera or "(unknown)", *counts.values()] for camera, counts in found.difference["by_camera"].items()
    ]
    console.print(table("events", ["camera", "in use", "canary", "only in use", "only canary"], rows))
    console.print(f"canary's report {found.page}", markup=False)
    names = ("in_use", "canary", "both", "only_in_use", "only_canary")
    return {"canary": {**{name: found.difference[name] for name in names}, "report_html": found.page}}


def _webhook(options: config.SweepOptions, console: Console) -> "Webhook | None":
    from vadray.sweep.notify import Webhook

    url = options.notify or os.environ.get("VADRAY_NOTIFY")
    if not url:
        return None
    return Webhook(url, {"sweep_id": options.sweep_id, "report": options.out}, say(console))


def too_many_quarantined(counts: dict[str, int], most: float) -> bool:
    """Whether more are quarantined than `max_quarantined`: below 1 a share of the objects, else a count."""
    allowed = most * counts["objects"] if most < 1 else most
    return counts["quarantined"] > allowed


def run_verify(options: config.VerifyOptions, console: Console) -> Result:
    from vadray.sweep.verify import verify

    found = verify(options.report, options.sweep_id)
    for fault in found["faults"]:
        console.print(fault, style=ERROR, markup=False)
    if not found["faults"]:
        console.print(
            f"sweep {found['sweep_id']} is complete: every planned unit once, counts and digests match",
            markup=False,
        )
    return (NEEDS_A_LOOK if found["faults"] else 0), {**found, "complete": not found["faults"]}


def run_status(options: config.StatusOptions, console: Console) -> Result:
    from vadray.sweep.status import status, told

    found = status(options.report, options.sweep_id)
    console.print(table(f"sweep {found['sweep_id']}", ["what", ""], told(found)))
    return 0, found


def run_compact(options: config.CompactOptions, console: Console) -> Result:
    from vadray.sweep.compact import compact

    with cluster():
        figures = compact(options, say(console))
    console.print(
        f"{figures['sweeps']:,} sweeps: {figures['files_before']:,} files of {figures['bytes_before'] / 1e6:,.1f} MB "
        f"are {figures['files_after']:,} of {figures['bytes_after'] / 1e6:,.1f} MB",
        markup=False,
    )
    return 0, figures


def run_forget(options: config.ForgetOptions, console: Console) -> Result:
    from vadray.sweep.forget import forget

    figures = forget(options, say(console))
    console.print(
        f"{figures['object_uri']}: {figures['rows']:,} rows, {figures['score_files']:,} score files and "
        f"{figures['labels']:,} labels of {figures['sweeps']:,} sweeps are gone; sweeps leave it out from now on",
        markup=False,
    )
    return 0, figures
