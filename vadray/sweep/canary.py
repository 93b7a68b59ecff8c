"""A canary: what another bundle would have found in the same night, beside the report, before it takes over."""

import json
from dataclasses import dataclass
from typing import Any

from vadray import storage
from vadray.report import tables
from vadray.report.difference import difference
from vadray.report.html import DIFFERENCE, write_report
from vadray.sweep import driver, request
from vadray.sweep.driver import Voice
from vadray.sweep.request import Mirror, Prepared

FOLDER = "_canary"  # a report within the report


@dataclass(frozen=True)
class Canary:
    """What came of it.

    Args:
        commit: Content of its `commit.json`.
        difference: Of `report.difference.difference`.
        page: Its page.
    """

    commit: dict[str, Any]
    difference: dict[str, Any]
    page: str


def sweep_canary(prepared: Prepared, voice: Voice) -> Canary:
    """Sweeps what a committed sweep has scored by other bundles into `REPORT/_canary`. Ray must be connected.

    Args:
        prepared: The committed sweep's request; its options name the canary's bundles.
        voice: Tells of it; nobody is notified.

    Raises:
        RequestError: A bundle is wrong, or an earlier canary of this sweep was another one.
    """
    options = prepared.options
    asked = options.model_copy(
        update={
            "bundle": options.canary,
            "canary": [],
            "out": storage.join(prepared.report, FOLDER),
            "sweep_id": prepared.sweep_id,
        }
    )
    mirror = Mirror(prepared.report, prepared.sweep_id, options.canary_share)
    own = request.prepare(asked, mirror)
    commit = driver.sweep(own, Voice(voice.say, voice.progress, None, voice.log))
    scored = request.mirrored(mirror)
    found = difference(prepared.report, own.report, prepared.sweep_id, scored)
    uri = tables.sweep_folder(own.report, prepared.sweep_id, DIFFERENCE)
    storage.write_bytes(uri, json.dumps(found, indent=1).encode())
    page, _ = write_report(own.report, prepared.sweep_id)
    return Canary(commit, found, page)
