"""Commands that write reports, and look after them."""

from collections import Counter
from typing import Any

from rich.console import Console

from vadray import config, storage
from vadray.commands.command import Result, cluster, say, table

NEEDS_A_LOOK = 3


def run_plan(options: config.SweepOptions, console: Console) -> Result:
    from vadray.sweep import request

    prepared = request.prepare(options)
    counts: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    example = ""
    with cluster():
        for row in request.plan_rows(prepared, skipped):
            example = example or _as_understood(row["members"][0])
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
    console.print(example, markup=False)
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
    return f"the first: {member['object_uri']} is of camera {member['camera'] or '(none)'}, {when}"


def run_sweep(options: config.SweepOptions, console: Console) -> Result:
    if options.dry_run:
        return run_plan(options, console)
    from vadray.sweep import driver, request
    from vadray.sweep.progress import Progress

    prepared = request.prepare(options)
    committed = request.committed(prepared)
    if committed:  # told without starting Ray
        console.print(f"sweep {prepared.sweep_id} is committed already: nothing to do", markup=False)
        commit = {**committed, "already": True}
    else:
        with cluster():
            commit = driver.sweep(prepared, say(console), Progress(console))
    counts = commit["counts"]
    console.print(
        f"sweep {prepared.sweep_id}: {counts['objects']:,} objects ({counts['scored']:,} scored, {counts['partial']:,} "
        f"partial, {counts['quarantined']:,} quarantined, {counts['unchanged']:,} unchanged, {counts['skipped']:,} "
        f"skipped), {counts['frames']:,} frames, {counts['events']:,} events",
        markup=False,
    )
    status = 0
    if not commit["already"] and too_many_quarantined(counts, options.max_quarantined):
        console.print(
            f"{counts['quarantined']} of {counts['objects']} objects are quarantined, more than "
            f"max_quarantined={options.max_quarantined:g}: see objects.error",
            markup=False,
        )
        status = NEEDS_A_LOOK
    return status, {
        "sweep_id": prepared.sweep_id,
        "report": prepared.report,
        "report_html": storage.join(prepared.report, f"report-{prepared.sweep_id}.html"),
        "commit": storage.join(prepared.folder, "commit.json"),
        "already": commit["already"],
        **counts,
        "left_out": commit.get("left_out", {}),
        **{name: commit[name] for name in ("wall_s", "decode_s", "score_s", "attempts")},
    }


def too_many_quarantined(counts: dict[str, int], most: float) -> bool:
    """Whether more are quarantined than `max_quarantined`: below 1 a share of the objects, else a count."""
    allowed = most * counts["objects"] if most < 1 else most
    return counts["quarantined"] > allowed


def run_verify(options: config.VerifyOptions, console: Console) -> Result:
    from vadray.sweep.verify import verify

    found = verify(options.report, options.sweep_id)
    for fault in found["faults"]:
        console.print(fault, style="red", markup=False)
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
