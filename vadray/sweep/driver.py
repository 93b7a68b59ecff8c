"""The nightly sweep: plan, score, freeze, finalise, commit; whatever an earlier attempt did stands."""

import contextlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow.compute as pc

from vadray import storage
from vadray.calibration.calibration import Calibration
from vadray.config import SweepOptions
from vadray.errors import ClusterShrunk, RequestError, VadrayError
from vadray.report import tables
from vadray.report.html import write_report
from vadray.sweep import plan_store, scores
from vadray.sweep.finalise import PartResult, cameras_of
from vadray.sweep.finalising import Basis, freeze, write_tables
from vadray.sweep.gauges import SweepGauges
from vadray.sweep.lease import held, require_conditions
from vadray.sweep.manifest import MANIFEST, write_manifest
from vadray.sweep.notify import Webhook
from vadray.sweep.plan_store import FrozenPlan
from vadray.sweep.progress import Progress
from vadray.sweep.request import Prepared, committed, plan_rows
from vadray.sweep.rules import frame_rules, unmatched, with_places
from vadray.sweep.scoring import score_units
from vadray.sweep.sightings import Log, Sightings
from vadray.sweep.status import record_scoring
from vadray.sweep.watch import Say


@dataclass(frozen=True)
class Voice:
    """Whom a sweep tells what.

    Args:
        say: Tells a person.
        progress: Tells how far scoring is.
        webhook: Is told of the commit, of a failure, and of the first severe moment; None tells nobody.
        log: Takes a message and fields, of single objects.
    """

    say: Say
    progress: Progress
    webhook: Webhook | None = None
    log: Log = lambda message, **fields: None


def sweep(prepared: Prepared, voice: Voice) -> dict[str, Any]:
    """Runs a sweep to its commit, or tells that it is committed already. Ray must be connected.

    Returns:
        The content of `commit.json`, with `already` telling whether it was there before.

    Raises:
        RequestError: The plan was made with other settings, or the store does not keep the conditions of writes.
        HeldElsewhere: Another driver holds the sweep, and `wait` is False; or it took the sweep over.
    """
    if commit := committed(prepared):
        voice.say(f"sweep {prepared.sweep_id} is committed already: nothing to do")
        return {**commit, "already": True}
    attempt = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.urandom(3).hex()}"
    with _lease(prepared, attempt, voice.say) as check:
        if commit := committed(prepared):
            voice.say(f"sweep {prepared.sweep_id} was committed by another driver: nothing to do")
            return {**commit, "already": True}
        with _failure_told(prepared, voice):
            commit = _drive(prepared, attempt, check, voice)
    if voice.webhook:
        _tell_of(commit, prepared, voice.webhook)
    return {**commit, "already": False}


@contextlib.contextmanager
def _failure_told(prepared: Prepared, voice: Voice) -> Iterator[None]:
    try:
        yield
    except (VadrayError, KeyboardInterrupt) as error:
        what = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
        if voice.webhook:
            voice.webhook.post("failed", f"sweep {prepared.sweep_id} did not end: {what}", error=what)
        raise


def _tell_of(commit: dict[str, Any], prepared: Prepared, webhook: Webhook) -> None:
    counts = commit["counts"]
    webhook.post(
        "committed",
        f"sweep {prepared.sweep_id}: {counts['events']:,} events in {counts['frames']:,} frames, "
        f"{counts['quarantined']:,} of {counts['objects']:,} objects quarantined",
        page=storage.join(prepared.report, f"report-{prepared.sweep_id}.html"),
        **{name: commit[name] for name in ("committed_at", "counts", "dropped", "health", "wall_s")},
    )


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


def _drive(prepared: Prepared, attempt: str, check: Callable[[], None], voice: Voice) -> dict[str, Any]:
    """A sweep by the one driver that holds it, which `check` proves before every step that others would see."""
    begun, say = time.monotonic(), voice.say
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
    _score(prepared, attempt, plan, voice)
    check()
    manifest = _manifest(prepared, plan)
    basis = freeze(prepared, plan, manifest, say)
    say("writing the tables")
    results = write_tables(prepared, plan, manifest, basis)
    check()
    commit = _commit(prepared, plan, basis, results, time.monotonic() - begun)
    for doubt in unmatched(prepared.rules, commit["cameras"]):
        say(doubt)
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


def _score(prepared: Prepared, attempt: str, plan: FrozenPlan, voice: Voice) -> None:
    options: SweepOptions = prepared.options
    while True:
        try:
            return _score_rest(prepared, options, attempt, plan, voice)
        except ClusterShrunk as lost:
            voice.say(f"{lost}; going on with what is left")
            options = options.model_copy(update={"actors": lost.actors, "gpus": lost.gpus})


def _score_rest(
    prepared: Prepared, options: SweepOptions, attempt: str, plan: FrozenPlan, voice: Voice
) -> None:
    """Scores what has no scores yet."""
    folder = prepared.scores_folder
    done = scores.complete_units(folder)
    todo = plan.todo(done)
    if done.num_rows:
        voice.say(f"{done.num_rows:,} units are scored already; {todo.num_rows:,} to go")
    record_scoring(prepared.folder, attempt, done.num_rows)
    del done  # with a million units it counts
    counts = plan.info["counts"]
    total = counts.get("units", 0)
    names = [storage.name(bundle.uri) for bundle in prepared.bundles]
    gauges = SweepGauges(prepared.sweep_id, names, counts.get("planned", 0), total, total - todo.num_rows)
    calibrations = [bundle.calibration for bundle in prepared.bundles]
    sightings = Sightings(
        todo,
        calibrations,
        folder,
        lambda: frame_rules(with_places(prepared.rules, prepared.report)),
        voice.webhook,
        options.notify_p,
        voice.log,
    )
    with voice.progress.scoring(total, total - todo.num_rows) as tell:
        for table in score_units(
            todo, prepared.bundles, prepared.shapes, options, folder, options.pictures, say=voice.say
        ):
            rows = table.to_pylist()
            gauges.tell(rows)
            for row in rows:
                tell(row)
                sightings.look(row)


def _manifest(prepared: Prepared, plan: FrozenPlan) -> str:
    """Freezes which score files count, by unit the number of its chunks; returns where that stands."""
    uri = storage.join(prepared.folder, MANIFEST)
    if not storage.exists(uri):
        planned, complete = plan.planned(), scores.complete_units(prepared.scores_folder)
        places = pc.index_in(planned["unit_id"], complete["unit_id"])
        if places.null_count:
            missing = planned["unit_id"].filter(pc.is_null(places))
            raise VadrayError(
                f"sweep {prepared.sweep_id}: {len(missing):,} units were not scored, the first of them {missing[0]}; "
                "run it again"
            )
        write_manifest(uri, planned.append_column("chunks", complete["chunks"].take(places)))
    return uri


def _commit(
    prepared: Prepared,
    plan: FrozenPlan,
    basis: Basis,
    results: list[PartResult],
    wall_s: float,
) -> dict[str, Any]:
    files = [file for result in results for file in result.files]
    infos = {
        table: [file for file in files if file.table == table] for table in ("frames", "events", "objects")
    }
    versions = tables.commit_tables(prepared.report, prepared.sweep_id, infos)
    counts: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    for result in results:
        counts.update(result.counts)
        dropped.update(result.dropped)
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
                prepared.bundles, prepared.scoring_digests, basis.calibrations, strict=True
            )
        ],
        "files": [asdict(file) for file in files],
        "tables": versions,
        "counts": dict(counts),
        "left_out": plan.info.get("left_out", {}),
        "dropped": dict(sorted(dropped.items())),
        "health": basis.health.by_camera(),
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
