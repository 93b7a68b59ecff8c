"""The rules of a sweep: read when it is asked for, with the places of earlier events when it is finalised, then frozen."""

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from vadray import parsing, storage
from vadray.calibration.rules import FrameRule, FrameRules, Places, minutes_of
from vadray.config import Rule, Rules
from vadray.config.rules import WEEKDAYS, span_of
from vadray.errors import RequestError
from vadray.media.mask import decode_mask
from vadray.report.sql import database, read_rows
from vadray.report.tables import committed_sweeps

RULES = "rules.json"
MASK_BYTES = 1_000_000
MOST_PLACES = 2000  # of a camera, the newest
_BOXES = """
    SELECT sweep, camera, committed_at, box_x / width AS "left", box_y / height AS top,
           (box_x + box_w) / width AS "right", (box_y + box_h) / height AS bottom
    FROM events JOIN objects USING (sweep, object_uri, camera) JOIN sweeps USING (sweep)
"""
_WRONG = "SEMI JOIN (SELECT event_id FROM labels WHERE verdict = 'wrong') USING (event_id)"


def read_rules(uri: str | None) -> dict[str, Any]:
    """Rules and the masks they name, as one document; that of no rules where there is no file.

    Args:
        uri: YAML of `config.Rules`. Masks are found from its folder.

    Raises:
        RequestError: The file or a mask is not what it should be.
    """
    if uri is None:
        return {"schema_version": 1, "rules": None, "masks": {}}
    uri = storage.absolute(uri)
    values = parsing.read_yaml(uri, "rules")
    try:
        rules = parsing.parse(Rules, None, values)
    except RequestError as error:
        raise RequestError(f"rules {uri}: {error}") from None
    masks = {rule.name: _mask(uri, rule) for rule in rules.rules if rule.mask}
    return {"schema_version": 1, "rules": rules.model_dump(), "masks": masks}


def _mask(uri: str, rule: Rule) -> str:
    assert rule.mask is not None, "asked for where there is one"
    place = (
        rule.mask
        if "://" in rule.mask or rule.mask.startswith("/")
        else storage.join(storage.parent(uri), rule.mask)
    )
    try:
        content = storage.read_bytes(place)
    except FileNotFoundError:
        raise RequestError(f"rules {uri}: rule {rule.name}: mask: no such file: {place}") from None
    if len(content) > MASK_BYTES:
        raise RequestError(
            f"rules {uri}: rule {rule.name}: mask: expected at most {MASK_BYTES:,} bytes, received {len(content):,}"
        )
    try:
        decode_mask(content, name=place)
    except ValueError as error:
        raise RequestError(f"rules {uri}: rule {rule.name}: mask: {error}") from None
    return base64.b64encode(content).decode()


def with_places(document: dict[str, Any], report: str) -> dict[str, Any]:
    """The document with the places that its rules ask for, as the report knows them now."""
    rules = Rules(**document["rules"]).rules if document["rules"] else []
    return {**document, "places": {rule.name: _places(rule, report) for rule in rules if rule.repeats}}


def _places(rule: Rule, report: str) -> dict[str, Any]:
    assert rule.repeats is not None, "asked for where there are"
    if not committed_sweeps(report):
        return {}
    with database(report) as connection:
        if rule.repeats.of == "wrong":
            rows = read_rows(connection, f"{_BOXES} {_WRONG} WHERE width > 0", [])
        else:
            newest = "sweep IN (SELECT sweep FROM sweeps ORDER BY committed_at DESC LIMIT ?)"
            rows = read_rows(connection, f"{_BOXES} WHERE width > 0 AND {newest}", [rule.repeats.sweeps])
    return _by_camera(
        rows.sort_by([("committed_at", "descending"), ("left", "ascending"), ("top", "ascending")])
    )


def _by_camera(rows: pa.Table) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in rows.to_pylist():
        own = found.setdefault(row["camera"], {"box": [], "sweep": []})
        if len(own["box"]) < MOST_PLACES:
            own["box"].append([row[side] for side in ("left", "top", "right", "bottom")])
            own["sweep"].append(row["sweep"])
    return found


def frame_rules(document: Mapping[str, Any]) -> FrameRules:
    """Rules that can be asked, from a frozen document."""
    if not document["rules"]:
        return FrameRules()
    rules = Rules(**document["rules"])
    return FrameRules(
        [_frame_rule(rule, document) for rule in rules.rules], rules.otherwise == "keep", rules.time_zone
    )


def _frame_rule(rule: Rule, document: Mapping[str, Any]) -> FrameRule:
    low, high = -np.inf, np.inf
    places = None
    if rule.repeats is not None:
        least = rule.repeats.least if rule.repeats.of == "events" else 1
        places = {
            camera: Places(
                np.array(own["box"]),
                np.unique(own["sweep"], return_inverse=True)[1],
                least,
                rule.repeats.overlap,
            )
            for camera, own in document["places"][rule.name].items()
        }
    mask = document["masks"].get(rule.name)
    return FrameRule(
        name=rule.name,
        keep=rule.then == "keep",
        cameras=rule.cameras,
        polygons=[np.array(corners) for corners in rule.polygons],
        mask=None if mask is None else decode_mask(base64.b64decode(mask), name=rule.name),
        area=(
            low if rule.area_above is None else rule.area_above,
            high if rule.area_below is None else rule.area_below,
        ),
        span=minutes_of(span_of(rule.hours)) if rule.hours else None,
        weekdays=[WEEKDAYS.index(day) for day in rule.weekdays],
        motion=(
            low if rule.motion_above is None else rule.motion_above,
            high if rule.motion_below is None else rule.motion_below,
        ),
        places=places,
    )


def unmatched(document: Mapping[str, Any], cameras: Iterable[str]) -> list[str]:
    """A line for each rule whose `cameras` name none of those that there are: one may be mistyped."""
    rules = Rules(**document["rules"]).rules if document["rules"] else []
    known = sorted(set(cameras))
    return [
        f"rule {rule.name} is for no camera of what is swept: its cameras are {', '.join(rule.cameras)}, there "
        f"{'is' if len(known) == 1 else 'are'} {', '.join(filter(None, known)) or 'none with a name'}"
        for rule in rules
        if known and not any(FrameRule(rule.name, True, rule.cameras).is_for(camera) for camera in known)
    ]


def to_json(document: dict[str, Any]) -> bytes:
    """As it is frozen."""
    return json.dumps(document, sort_keys=True).encode()
