"""The nightly sweep: plan, score, freeze, finalise, commit; whatever an earlier attempt did stands."""

import contextlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pyarrow.compute as pc
import ray
from ray.exceptions import RayTaskError

from vadray import storage
from vadray.archive.plan_files import read_part_rows
from vadray.calibration.calibration import Calibration
from vadray.config import SweepOptions
from vadray.errors import ClusterShrunk, RequestError, VadrayError
from vadray.report import tables
from vadray.report.html import write_report
from vadray.sweep import plan_store, scores
from vadray.sweep.cluster import reason_of
from vadray.sweep.finalise import PartResult, cameras_of, finalise_part
from vadray.sweep.gauges import SweepGauges
from vadray.sweep.lease import held, require_conditions
from vadray.sweep.manifest import MANIFEST, read_manifest, write_manifest
from vadray.sweep.plan_store import FrozenPlan
from vadray.sweep.progress import Progress
from vadray.sweep.request import Prepared, committed, plan_rows
from vadray.sweep.scoring import score_units
from vadray.sweep.status import record_scoring

Say = Callable[[str], None]


def sweep(prepared: Prepared, say: Say, progress: Progress) -> dict[str, Any]:
    """Runs a sweep to its commit, or tells that it is committed already. Ray must be connected.

    Returns:
        The content of `commit.json`, with `already` telling whether it was there before.

    Raises:
        RequestError: The plan was made with other settings, or the store does not keep the conditions of writes.
        HeldElsewhere: Another driver holds the sweep, and `wait` is False; or it took the sweep over.
    """
    if commit := committed(prepared):
        say(f"sweep {prepared.sweep_id} is committed already: nothing to do")
        return {**commit, "already": True}
    attempt = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.urandom(3).hex()}"
    with _lease(prepared, attempt, say) as check:
        if commit := committed(prepared):
            say(f"sweep {prepared.sweep_id} was committed by another driver: nothing to do")
            return {**commit, "already": True}
        return {**_drive(prepared, attempt, check, say, progress), "already": False}


@contextlib.contextmanager
def _lease(prepared: Prepared, attempt: str, say: Say) -> Iterator[Callable[[], None]]:
    """Gives a function that raises `HeldElsewhere` once this driver no longer holds the sweep."""
    options = prepared.options
    if options.single_driver:
        yield lambda: None
        return
    require_conditions(prepared.folder)
    with held(prepared.folder, attempt, options.lease_s, options.wait, say) as lease:
        yield lease.check


def _drive(
    prepared: Prepared, attempt: str, check: Callable[[], None], say: Say, progress: Progress
) -> dict[str, Any]:
    """A sweep by the one driver that holds it, which `check` proves before every step that others would see."""
    begun = time.monotonic()
    _record_attempt(prepared, attempt)
    plan = plan_store.load(prepared.folder)
    if plan is None:
        say(f"planning {prepared.options.archive}")
        skipped: Counter[str] = Counter()
        rows = plan_rows(prepared, skipped)
        plan = plan_store.freeze(prepared.folder, attempt, rows, prepared.settings, skipped)
        for reason, count in sorted(skipped.items()):
            say(f"left out of the listing: {count} × {reason}")
    plan_store.require_same(plan, prepared.settings, prepared.sweep_id)
    for bundle in prepared.bundles:
        if doubt := bundle.calibration.doubt:
            say(f"bundle {bundle.uri}: {doubt}")
    counts = plan.info["counts"]
    say(
        f"sweep {prepared.sweep_id}: {counts.get('objects', 0):,} objects, {counts.get('units', 0):,} units, "
        f"{counts.get('bytes', 0) / 1e6:,.1f} MB to read"
    )
    _score(prepared, attempt, plan, say, progress)
    check()
    manifest = _manifest(prepared, plan)
    say("writing the tables")
    calibrations = _frozen_calibrations(prepared)
    results = _finalise(prepared, plan, manifest, calibrations)
    check()
    commit = _commit(prepared, plan, calibrations, results, time.monotonic() - begun)
    try:
        write_report(prepared.report, prepared.sweep_id)
    except RequestError as error:  # a label that somebody damaged: the night is committed all the same
        say(f"the page was not written: {error}; `vadray report` writes it")
    return commit


def _record_attempt(prepared: Prepared, attempt: str) -> None:
    record = {"attempt": attempt, "started_at": datetime.now(UTC).isoformat(), "host": os.uname().nodename}
    storage.create_bytes(
        storage.join(prepared.folder, "attempts", f"{attempt}.json"), json.dumps(record).encode()
    )


def _scores_folder(prepared: Prepared) -> str:
    return storage.join(prepared.folder, "scores")


def _score(prepared: Prepared, attempt: str, plan: FrozenPlan, say: Say, progress: Progress) -> None:
    options: SweepOptions = prepared.options
    while True:
        try:
            return _score_rest(prepared, options, attempt, plan, say, progress)
        except ClusterShrunk as lost:
            say(f"{lost}; going on with what is left")
            options = options.model_copy(update={"actors": lost.actors, "gpus": lost.gpus})


def _score_rest(
    prepared: Prepared, options: SweepOptions, attempt: str, plan: FrozenPlan, say: Say, progress: Progress
) -> None:
    """Scores what has no scores yet."""
    folder = _scores_folder(prepared)
    done = scores.complete_units(folder)
    todo = plan.todo(done)
    if done.num_rows:
        say(f"{done.num_rows:,} units are scored already; {todo.num_rows:,} to go")
    record_scoring(prepared.folder, attempt, done.num_rows)
    del done  # with a million units it counts
    counts = plan.info["counts"]
    total = counts.get("units", 0)
    gauges = SweepGauges(prepared.sweep_id, counts.get("planned", 0), total, total - todo.num_rows)
    with progress.scoring(total, total - todo.num_rows) as tell:
        for table in score_units(
            todo, prepared.bundles, prepared.shapes, options, folder, options.thumbnails, say=say
        ):
            for row in table.to_pylist():
                new = {"units": int(row["last"]), "frames": row["frames"], "unreadable": row["unreadable"]}
                tell(**new)
                gauges.tell(**new)


def _manifest(prepared: Prepared, plan: FrozenPlan) -> str:
    """Freezes which score files count, by unit the number of its chunks; returns where that stands."""
    uri = storage.join(prepared.folder, MANIFEST)
    if not storage.exists(uri):
        planned, complete = plan.planned(), scores.complete_units(_scores_folder(prepared))
        places = pc.index_in(planned["unit_id"], complete["unit_id"])
        if places.null_count:
            missing = planned["unit_id"].filter(pc.is_null(places))
            raise VadrayError(
                f"sweep {prepared.sweep_id}: {len(missing):,} units were not scored, the first of them {missing[0]}; "
                "run it again"
            )
        write_manifest(uri, planned.append_column("chunks", complete["chunks"].take(places)))
    return uri


def _frozen_calibrations(prepared: Prepared) -> list[str]:
    """The calibrations that this sweep is finalised with, frozen at the first attempt that comes so far."""
    uri = storage.join(prepared.folder, "calibrations.json")
    content = json.dumps([bundle.calibration.to_json() for bundle in prepared.bundles]).encode()
    storage.create_bytes(uri, content)
    return json.loads(storage.read_bytes(uri))


@ray.remote(num_cpus=1)
def _finalise_part(
    uri: str,
    part: int,
    sweep_id: str,
    report: str,
    folder: str,
    manifest: str,
    calibrations: list[str],
) -> PartResult:
    return finalise_part(
        read_part_rows(uri),
        part,
        sweep_id,
        report,
        folder,
        read_manifest(manifest, part),
        [Calibration.from_json(c) for c in calibrations],
    )


def _finalise(
    prepared: Prepared, plan: FrozenPlan, manifest: str, calibrations: list[str]
) -> list[PartResult]:
    folder = _scores_folder(prepared)
    results = [
        _finalise_part.remote(
            plan.uri(part), part, prepared.sweep_id, prepared.report, folder, manifest, calibrations
        )
        for part in plan.parts
    ]
    try:
        return ray.get(results)
    except RayTaskError as error:
        raise VadrayError(f"the tables were not written, {reason_of(error)}") from error


def _commit(
    prepared: Prepared,
    plan: FrozenPlan,
    calibrations: list[str],
    results: list[PartResult],
    wall_s: float,
) -> dict[str, Any]:
    files = [file for result in results for file in result.files]
    infos = {
        table: [file for file in files if file.table == table] for table in ("frames", "events", "objects")
    }
    versions = tables.commit_tables(prepared.report, prepared.sweep_id, infos)
    counts: Counter[str] = Counter()
    for result in results:
        counts.update(result.counts)
    commit = {
        "schema_version": 1,
        "sweep_id": prepared.sweep_id,
        "archive": storage.absolute(prepared.options.archive),
        "committed_at": datetime.now(UTC).isoformat(),
        "bundles": [
            {
                "path": bundle.uri,
                "detector": bundle.detector_name,
                "kind": bundle.kind,
                "bundle_digest": bundle.digest,
                "scoring_digest": scoring_digest,
                "doubt": Calibration.from_json(calibration).doubt,  # of what the tables were made with
            }
            for bundle, scoring_digest, calibration in zip(
                prepared.bundles, prepared.scoring_digests, calibrations, strict=True
            )
        ],
        "files": [asdict(file) for file in files],
        "tables": versions,
        "counts": dict(counts),
        "left_out": plan.info.get("left_out", {}),
        "cameras": cameras_of(results),
        "wall_s": round(wall_s, 2),
        "decode_s": round(sum(result.decode_s for result in results), 2),
        "score_s": round(sum(result.score_s for result in results), 2),
        "attempts": len(list(storage.list_names(storage.join(prepared.folder, "attempts")))),
    }
    content = json.dumps(commit, indent=1).encode()
    storage.create_bytes(tables.commit_uri(prepared.report, prepared.sweep_id), content)
    standing = tables.read_commit(prepared.report, prepared.sweep_id)
    assert standing is not None, "commit.json exists after it was created"
    return standing
