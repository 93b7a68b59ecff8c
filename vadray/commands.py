"""What each command does: call the package, say it on the terminal, return the exit status and the JSON result."""

import json
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from vadray import config, storage
from vadray.config import Options
from vadray.errors import RequestError

NEEDS_A_LOOK = 3
SHOWN_EVENTS = 10

Result = tuple[int, dict[str, Any]]


@dataclass(frozen=True)
class Command:
    """A command.

    Args:
        options: Its options.
        run: Takes options and console, gives exit status and result.
        positional: Options that may be given without their name, in order.
        help: One line.
    """

    options: type[Options]
    run: Callable[[Any, Console], Result]
    positional: tuple[str, ...]
    help: str


def interrupt_on_sigterm() -> None:
    """SIGTERM becomes KeyboardInterrupt, so that a stopped job ends as an interrupted one."""

    def interrupt(signum: int, frame: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def _cluster(training: bool = False):
    """A connection to Ray; Ray sets its own SIGTERM handler, so ours is set again after it."""
    from contextlib import contextmanager

    from vadray.sweep.cluster import connected

    @contextmanager
    def connection():
        with connected(dashboard=training):
            interrupt_on_sigterm()
            yield

    return connection()


def _say(console: Console) -> Callable[[str], None]:
    return lambda text: console.print(text, markup=False)


def _table(title: str, columns: list[str], rows: list[list[Any]]) -> Table:
    shown = Table(title=title, title_justify="left")
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*(str(value) for value in row))
    return shown


def run_synth(options: config.SynthOptions, console: Console) -> Result:
    from vadray.synth import synthesise

    kind = "both" if options.kind == "all" else options.kind
    archive = synthesise(options.out, seed=options.seed, kind=kind)
    truth = json.loads(Path(archive.labels).read_text())
    console.print(
        f"wrote {archive.root}: train/ is normal, test/ has anomalies, labels.json says where", markup=False
    )
    return 0, {
        "archive": str(archive.root),
        "train": str(archive.train),
        "test": str(archive.test),
        "labels": str(archive.labels),
        "videos_labelled": len(truth.get("clips", {})),
        "images_labelled": len(truth.get("images", {})),
    }


def run_train(options: config.TrainOptions, console: Console) -> Result:
    from vadray.training.train import train

    with _cluster(training=True):
        trained = train(options, _say(console))
    return _trained(trained, console)


def run_tune(options: config.TuneOptions, console: Console) -> Result:
    from vadray.training.trials import COLUMNS
    from vadray.training.tune import tune

    with _cluster(training=True):
        tuned = tune(options, _say(console))
    console.print(_table("the start, and the best trials", list(COLUMNS), tuned.rows), markup=False)
    return _trained(tuned.trained, console)


def _trained(trained: Any, console: Console) -> Result:
    bundle = trained.bundle
    console.print(f"bundle {bundle.uri}", markup=False)
    return 0, {
        "bundle": bundle.uri,
        "detector": bundle.detector_name,
        "bundle_digest": bundle.digest,
        "scoring_digest": bundle.scoring_digest,
        **trained.figures,
    }


def run_calibrate(options: config.CalibrateOptions, console: Console) -> Result:
    from vadray.training.calibrate import calibrate

    with _cluster():
        bundle, calibration = calibrate(options, _say(console))
    default = calibration.default
    for camera, note in calibration.notes.items():
        console.print(f"{camera}: {note}", markup=False)
    if default.extrapolated:
        console.print(
            f"threshold {default.threshold:.6g} is extrapolated: {default.hours:.2f} h of footage cannot show it",
            markup=False,
        )
    return 0, {
        "bundle": bundle.uri,
        "method": calibration.method,
        "threshold": default.threshold,
        "extrapolated": default.extrapolated,
        "hours": default.hours,
        "frames": default.frames,
        "cameras": sorted(calibration.cameras),
    }


def run_plan(options: config.SweepOptions, console: Console) -> Result:
    from vadray.sweep import driver

    prepared = driver.prepare(options)
    counts: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    with _cluster():
        for row in driver.plan_rows(prepared, skipped):
            if row["unit_index"] == 0:
                counts["objects"] += len(row["members"])
                counts[row["status"]] += len(row["members"])
            if row["status"] == "planned":
                counts["units"] += 1
                counts["bytes"] += row["bytes"]
                counts["frames_estimate"] += row["frames_estimate"] or 0
    names = ["objects", "planned", "unchanged", "skipped", "quarantined", "units", "frames_estimate", "bytes"]
    console.print(
        _table(
            f"sweep {prepared.sweep_id} would do",
            ["what", "how many"],
            [[n, f"{counts[n]:,}"] for n in names],
        )
    )
    return 0, {
        "sweep_id": prepared.sweep_id,
        **{name: counts[name] for name in names},
        "left_out": dict(skipped),
    }


def run_sweep(options: config.SweepOptions, console: Console) -> Result:
    if options.dry_run:
        return run_plan(options, console)
    from vadray.report.tables import read_commit
    from vadray.sweep import driver
    from vadray.sweep.progress import Progress

    prepared = driver.prepare(options)
    committed = read_commit(prepared.report, prepared.sweep_id)
    if committed:  # told without starting Ray
        console.print(f"sweep {prepared.sweep_id} is committed already: nothing to do", markup=False)
        commit = {**committed, "already": True}
    else:
        with _cluster():
            commit = driver.sweep(prepared, _say(console), Progress(console))
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


def run_compact(options: config.CompactOptions, console: Console) -> Result:
    from vadray.sweep.compact import compact

    with _cluster():
        figures = compact(options, _say(console))
    console.print(
        f"{figures['sweeps']:,} sweeps: {figures['files_before']:,} files of {figures['bytes_before'] / 1e6:,.1f} MB "
        f"are {figures['files_after']:,} of {figures['bytes_after'] / 1e6:,.1f} MB",
        markup=False,
    )
    return 0, figures


def run_report(options: config.ReportOptions, console: Console) -> Result:
    from vadray.report.html import write_report
    from vadray.report.tables import latest_sweep

    report = storage.absolute(options.report)
    sweep_id = options.sweep_id or latest_sweep(report)
    page, latest = write_report(report, sweep_id)
    console.print(f"wrote {page}", markup=False)
    return 0, {"sweep_id": sweep_id, "page": page, "latest": latest}


def run_evaluate(options: config.EvaluateOptions, console: Console) -> Result:
    from vadray.evaluation.compare import is_comparison
    from vadray.evaluation.evaluate import evaluate
    from vadray.evaluation.robustness.bundle import RobustnessSettings, study_bundle
    from vadray.evaluation.robustness.summary import robustness_figures, robustness_table
    from vadray.evaluation.table import figures_table

    if is_comparison(options):
        return run_compare(options, console)
    with _cluster():
        figures, rest = evaluate(options, say=_say(console))
        if options.robustness:
            settings = RobustnessSettings(most_objects=options.robustness_objects)
            study = study_bundle(options, settings, _say(console))
            for note in study.notes:
                console.print(note, markup=False)
            console.print(robustness_table(study.rows), markup=False)
            rest["robustness"] = robustness_figures(study.rows)
    console.print(figures_table({options.bundle: figures}), markup=False)
    for line in rest["not_whole"]:
        console.print(f"not whole: {line}", markup=False)
    return 0, {"bundle": options.bundle, "dataset": options.dataset, **figures.to_dict(), **rest}


def run_compare(options: config.EvaluateOptions, console: Console) -> Result:
    from vadray.evaluation.compare import compare

    with _cluster(training=True):
        cells = compare(options, _say(console))
    return _compared(cells, storage.absolute(options.out or ""), console)


def run_paper(options: config.PaperOptions, console: Console) -> Result:
    from vadray.evaluation.paper import paper

    with _cluster(training=True):
        cells = paper(options, _say(console))
    return _compared(cells, storage.absolute(options.out), console)


def _compared(cells: list[Any], out: str, console: Console) -> Result:
    console.print(storage.read_bytes(storage.join(out, "comparison.md")).decode(), markup=False)
    return 0, {
        "comparison_html": storage.join(out, "comparison.html"),
        "comparison_md": storage.join(out, "comparison.md"),
        "comparison_json": storage.join(out, "comparison.json"),
        "cells": len(cells),
        **{f"auc_micro {cell.entry} {cell.seed}": cell.figures.auc_micro for cell in cells},
    }


def run_bench(options: config.BenchOptions, console: Console) -> Result:
    from vadray.bench.resume import bench_resume

    return 0, bench_resume(options, _say(console))


def run_models(options: config.ModelsOptions, console: Console) -> Result:
    from vadray.detectors.registry import DETECTORS

    models = [
        {
            "name": name,
            "kind": cls.kind,
            "paper": cls.paper,
            "recommended": cls.recommended,
            "needs_labels": cls.needs_labels,
        }
        for name, cls in DETECTORS.items()
    ]
    console.print(
        _table(
            "detectors",
            ["name", "kind", "recommended", "needs labels", "paper"],
            [[m["name"], m["kind"], m["recommended"], m["needs_labels"], m["paper"]] for m in models],
        )
    )
    return 0, {"models": models}


def run_demo(options: config.DemoOptions, console: Console) -> Result:
    """Archive, two bundles, sweep, report: the whole thing on this machine, small."""
    from vadray.synth import synthesise

    out = Path(storage.absolute(options.out))
    report = out / "report"
    if (out / "archive").exists() and not (out / "archive" / "labels.json").exists():
        raise RequestError(
            f"out: expected a new folder or that of an earlier demo, received {out}, which holds another archive/"
        )
    console.print(f"making a small archive in {out / 'archive'}", markup=False)
    archive = synthesise(out / "archive", seed=options.seed)
    bundles = {"video": out / "bundle", "image": out / "bundle-image"}
    with _cluster(training=True):
        for kind, settings in DEMO_TRAINING.items():
            run_train(
                config.TrainOptions(
                    archive=str(archive.train),
                    out=str(bundles[kind]),
                    seed=options.seed,
                    overwrite=True,
                    **settings,
                ),
                console,
            )
        swept = config.SweepOptions(
            archive=str(archive.test),
            out=str(report),
            bundle=[{"path": str(path)} for path in bundles.values()],
        )
        status, result = run_sweep(swept, console)
    from vadray.report.tables import read_table

    events = read_table(str(report), "events", result["sweep_id"]).to_pylist()
    events.sort(key=lambda event: event["p_value"])
    rows = [
        [
            storage.relative(event["object_uri"], str(archive.test)),
            f"{event['start_s']:.1f}-{event['end_s']:.1f}",
            f"{event['p_value']:.1e}",
            f"{event['box_x']},{event['box_y']} {event['box_w']}x{event['box_h']}",
        ]
        for event in events[:SHOWN_EVENTS]
    ]
    console.print(_table(f"the first of {len(events)} events", ["object", "seconds", "p-value", "box"], rows))
    console.print(f"report {result['report_html']}", markup=False)
    return status, {**result, "archive": str(out / "archive"), "bundle": str(bundles["video"])}


# small and quick: enough to learn the synthetic scenes in about a minute each on two cores
DEMO_TRAINING: dict[str, dict[str, Any]] = {
    "video": {"detector": "stae", "size": (64, 96), "epochs": 12, "learning_rate": 0.002},
    "image": {
        "detector": "conv_ae",
        "size": (64, 64),
        "epochs": 40,
        "learning_rate": 0.003,
        "batch_size": 16,
    },
}

COMMANDS: dict[str, Command] = {
    "demo": Command(
        config.DemoOptions, run_demo, (), "the whole thing on this machine, on a small synthetic archive"
    ),
    "synth": Command(config.SynthOptions, run_synth, ("out",), "a synthetic archive with ground truth"),
    "train": Command(
        config.TrainOptions, run_train, ("archive",), "train a detector on normal footage and calibrate it"
    ),
    "tune": Command(
        config.TuneOptions, run_tune, ("archive",), "search for a better detector, from a starting point"
    ),
    "calibrate": Command(
        config.CalibrateOptions, run_calibrate, ("bundle", "archive"), "new thresholds for a bundle"
    ),
    "plan": Command(config.PlanOptions, run_plan, ("archive",), "what a sweep would do; writes nothing"),
    "sweep": Command(
        config.SweepOptions, run_sweep, ("archive",), "score what is new in an archive; resumes"
    ),
    "verify": Command(
        config.VerifyOptions, run_verify, ("report",), "prove from storage that a sweep is complete"
    ),
    "evaluate": Command(
        config.EvaluateOptions, run_evaluate, ("bundle", "dataset"), "a bundle against a labelled set"
    ),
    "paper": Command(config.PaperOptions, run_paper, ("out",), "the 2024 paper's own experiment"),
    "report": Command(config.ReportOptions, run_report, ("report",), "write the HTML page of a sweep"),
    "compact": Command(
        config.CompactOptions, run_compact, ("report",), "small files of a report into large ones; retention"
    ),
    "bench": Command(config.BenchOptions, run_bench, ("name",), "measure; prints JSON"),
    "models": Command(config.ModelsOptions, run_models, (), "the detectors there are"),
}
