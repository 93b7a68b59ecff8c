"""What a sweep is asked for, checked: bundles opened, names chosen, the rows of its plan."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from vadray import storage
from vadray.archive.routing import Route
from vadray.bundle import Bundle, open_bundle
from vadray.config import SweepOptions
from vadray.errors import RequestError
from vadray.report import tables
from vadray.report.forgotten import digest_of, forgotten
from vadray.sweep import plan_store, planning
from vadray.sweep.earlier import Earlier, captured_until
from vadray.sweep.rules import read_rules
from vadray.sweep.units import FrameShape, frame_shape


@dataclass(frozen=True)
class Mirror:
    """A committed sweep whose objects another one is to score.

    Args:
        report: Its report.
        sweep_id: The sweep.
        share: Of its objects, chosen by their names.
    """

    report: str
    sweep_id: str
    share: float


@dataclass(frozen=True)
class Prepared:
    """A request that was checked: bundles opened, names chosen.

    Args:
        options: The command's options.
        bundles: Opened, in the order given.
        shapes: Frames that each bundle wants.
        sweep_id: Given, or derived from archive, date and bundles.
        report: Root of the report.
        folder: `REPORT/_sweeps/<sweep_id>`.
        rules: Of `sweep.rules.read_rules`.
        mirror: Whose objects are swept again; None for those that are new.
    """

    options: SweepOptions
    bundles: list[Bundle]
    shapes: list[FrameShape]
    sweep_id: str
    report: str
    folder: str
    rules: dict[str, Any]
    mirror: "Mirror | None" = None

    @property
    def scores_folder(self) -> str:
        """Where score files of the sweep are."""
        return storage.join(self.folder, "scores")

    @property
    def scoring_digests(self) -> list[str]:
        """Of the bundles, in the precision that is asked for."""
        return [bundle.digest_in(self.options.precision) for bundle in self.bundles]

    @property
    def settings(self) -> dict[str, Any]:
        """What a plan is made from: another value makes another plan."""
        options = self.options
        return {
            "archive": storage.absolute(options.archive),
            "routes": [route.model_dump() | {"path": ""} for route in options.bundle],
            "scoring_digests": self.scoring_digests,
            **options.model_dump(
                include={
                    "pattern",
                    "clips",
                    "cameras",
                    "since",
                    "late_days",
                    "until",
                    "unit_frames",
                    "scan_frames",
                    "unit_images",
                    "clip_fps",
                    "all",
                }
            ),
        }


def prepare(options: SweepOptions, mirror: Mirror | None = None) -> Prepared:
    """Checks a sweep's request without Ray and without writing anything.

    Args:
        options: The command's options.
        mirror: Whose objects are to be scored.

    Raises:
        RequestError: A bundle, the report's path or the sweep's name is wrong.
    """
    planning.time_range(options)
    bundles = [open_bundle(route.path) for route in options.bundle]
    for bundle in (*bundles, *(open_bundle(route.path) for route in options.canary)):
        _ = bundle.calibration  # a bundle without one is refused now, not after a night of scoring
    archive = storage.absolute(options.archive)
    if not storage.is_s3(archive) and not os.path.exists(archive):
        raise RequestError(f"archive: expected a folder or a file, found nothing at {archive}")
    if options.sweep_id:
        sweep_id = options.sweep_id
    else:
        # whatever changes which objects are scored is another sweep, or it would be told that nothing is to do
        asked = options.model_dump(
            include={
                *("pattern", "clips", "cameras", "since", "late_days", "until"),
                *("all", "retry_quarantined", "precision"),
            }
        ) | {"routes": [route.model_dump() | {"path": ""} for route in options.bundle]}
        identity = hashlib.sha256(
            json.dumps([archive, [b.digest for b in bundles], asked], sort_keys=True).encode()
        ).hexdigest()[:8]
        name = "".join(c if c.isalnum() and c.isascii() else "-" for c in storage.name(archive)).strip("-")
        sweep_id = f"{name or 'archive'}-{datetime.now(UTC):%Y-%m-%d}-{identity}"
    report = storage.folder(options.out, "out")
    tables.check_names(report, sweep_id)
    shapes = [frame_shape(bundle, options.unit_frames, options.clip_fps) for bundle in bundles]
    folder = tables.sweep_folder(report, sweep_id)
    return Prepared(options, bundles, shapes, sweep_id, report, folder, read_rules(options.rules), mirror)


def plan_rows(prepared: Prepared, skipped: Counter[str]) -> Iterator[dict[str, Any]]:
    """Rows of the plan, streamed. Ray must be connected."""
    routes = [
        Route(index, route.kind or bundle.kind, route.camera, route.pattern)
        for index, (route, bundle) in enumerate(zip(prepared.options.bundle, prepared.bundles, strict=True))
    ]
    digests = prepared.scoring_digests
    strides = [bundle.stride for bundle in prepared.bundles]
    options = prepared.options
    earlier: planning.Earlier | None
    if prepared.mirror is not None:
        report = prepared.mirror.report
        earlier = _all_but(mirrored(prepared.mirror))
    else:
        report = prepared.report
        earlier = None if options.all else Earlier(report, digests, options.retry_quarantined)
    commits = (commit for name, commit in tables.committed_sweeps(report) if name != prepared.sweep_id)
    newest = captured_until(commits)
    rows = planning.plan_archive(
        options,
        options,
        routes,
        prepared.shapes,
        digests,
        strides,
        earlier or planning.nothing_earlier,
        skipped,
        newest,
        options.late_days,
        forgotten(prepared.report),
    )
    return planning.require_objects(rows, options, skipped)


def _all_but(wanted: set[str]) -> planning.Earlier:
    """As if an earlier sweep had dealt with all but these objects."""
    return lambda bundle, found: found.uri not in wanted


def mirrored(mirror: Mirror) -> set[str]:
    """Objects that the mirrored sweep has scored, as many as are wanted."""
    columns = ["object_uri", "status"]
    rows = (
        row
        for batch in tables.iter_table(mirror.report, "objects", mirror.sweep_id, columns)
        for row in batch.to_pylist()
    )
    return {
        row["object_uri"]
        for row in rows
        if row["status"] in ("scored", "partial")
        and int(digest_of(row["object_uri"])[:8], 16) < mirror.share * 2**32
    }


def committed(prepared: Prepared) -> dict[str, Any] | None:
    """The content of `commit.json`, or None where the sweep is not committed.

    Raises:
        RequestError: It was committed with other settings: what is asked for now was not done.
    """
    commit = tables.read_commit(prepared.report, prepared.sweep_id)
    plan = plan_store.load(prepared.folder) if commit else None
    if plan is not None:
        plan_store.require_same(plan, prepared.settings, prepared.sweep_id)
    return commit
