"""What two sweeps of the same objects found alike and otherwise."""

from collections import Counter
from collections.abc import Container
from typing import Any

from vadray.report.tables import iter_table

SHOWN = 20  # of the events that only one has found, the most severe
_GROUPS = ("in_use", "canary", "only_in_use", "only_canary")
_COLUMNS = ("event_id", "object_uri", "camera", "start_s", "end_s", "started_at", "peak_score", "p_value")


def difference(report: str, other: str, sweep_id: str, objects: Container[str]) -> dict[str, Any]:
    """Compares events by object and time: two are the same where they have a moment in common.

    Args:
        report: The report in use.
        other: The other one, with a sweep of the same name.
        sweep_id: The sweep.
        objects: Those that both have scored; events of others do not count.

    Returns:
        Counts `in_use`, `canary`, `both` (events in use that the canary found too), `only_in_use` and `only_canary`; the
        same `by_camera`; and the most severe events of those that only one has found.
    """
    found = [_events(uri, sweep_id, objects) for uri in (report, other)]
    by_object: list[dict[str, list[dict[str, Any]]]] = [{}, {}]
    for side, events in enumerate(found):
        for event in events:
            by_object[side].setdefault(event["object_uri"], []).append(event)
    alone = [
        [event for event in found[side] if not _met(event, by_object[1 - side].get(event["object_uri"], []))]
        for side in (0, 1)
    ]
    groups = dict(zip(_GROUPS, (*found, *alone), strict=True))
    cameras: dict[str, Counter[str]] = {}
    for name, events in groups.items():
        for event in events:
            cameras.setdefault(event["camera"], Counter())[name] += 1
    return {
        **{name: len(events) for name, events in groups.items()},
        "both": len(found[0]) - len(alone[0]),
        "by_camera": {
            camera: {name: counts[name] for name in _GROUPS} for camera, counts in sorted(cameras.items())
        },
        "events_only_in_use": _shown(alone[0]),
        "events_only_canary": _shown(alone[1]),
    }


def _events(report: str, sweep_id: str, objects: Container[str]) -> list[dict[str, Any]]:
    rows = (row for batch in iter_table(report, "events", sweep_id, _COLUMNS) for row in batch.to_pylist())
    return [row for row in rows if row["object_uri"] in objects]


def _met(event: dict[str, Any], others: list[dict[str, Any]]) -> bool:
    return any(event["start_s"] <= one["end_s"] and one["start_s"] <= event["end_s"] for one in others)


def _shown(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    severe = sorted(events, key=lambda event: (event["p_value"], event["event_id"]))[:SHOWN]
    return [
        {**event, "started_at": event["started_at"] and event["started_at"].isoformat()} for event in severe
    ]
