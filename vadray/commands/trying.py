"""Commands that show what there is and what this machine does with it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from vadray import config, storage
from vadray.commands.command import Result, cluster, say, table
from vadray.commands.sweeping import NEEDS_A_LOOK, run_sweep
from vadray.commands.training import run_train
from vadray.errors import RequestError

if TYPE_CHECKING:
    from vadray.synth import SynthArchive

SHOWN_EVENTS = 10
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


def run_synth(options: config.SynthOptions, console: Console) -> Result:
    from vadray.synth import plant_in, synthesise

    if options.base is not None:
        if options.kind == "image":
            raise RequestError("kind: expected video with `base`, whose recordings are. Received: image")
        archive = plant_in(options.base, options.out, seed=options.seed)
    else:
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


def run_doctor(options: config.DoctorOptions, console: Console) -> Result:
    from vadray.doctor.finding import ORDER
    from vadray.sweep.doctor import examine, result

    with cluster():
        found = examine(options, say(console))
    for where, findings in found.items():
        if findings:
            rows = [
                [one.level, one.what, f"{one.found}\n→ {one.advice}" if one.advice else one.found]
                for one in sorted(findings, key=lambda one: ORDER.index(one.level))
            ]
            console.print(table(where, ["", "what", "found"], rows))
    told = result(found)
    return (NEEDS_A_LOOK if told["level"] == "fault" else 0), told


def run_bench(options: config.BenchOptions, console: Console) -> Result:
    from importlib import import_module

    from vadray.bench.tables import tables_of

    bench = getattr(import_module(f"vadray.bench.{options.name}"), f"bench_{options.name}")
    found = bench(options, say(console))
    for title, columns, rows in tables_of(options.name, found):
        console.print(table(title, columns, rows))
    return 0, found


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
        table(
            "detectors",
            ["name", "kind", "recommended", "needs labels", "paper"],
            [[m["name"], m["kind"], m["recommended"], m["needs_labels"], m["paper"]] for m in models],
        )
    )
    return 0, {"models": models}


def _demo_archive(place: Path, seed: int, console: Console) -> "SynthArchive":
    """That of an earlier demo as it is, so that an interrupted one goes on; or a new one."""
    from vadray.synth import SynthArchive, synthesise

    made = place / ".seed"
    if made.exists() and made.read_text() == str(seed):
        return SynthArchive(place, place / "train", place / "test", place / "labels.json")
    console.print(f"making a small archive in {place}", markup=False)
    archive = synthesise(place, seed=seed)
    made.write_text(str(seed))  # once it is whole
    return archive


def run_demo(options: config.DemoOptions, console: Console) -> Result:
    """Archive, two bundles, sweep, report: the whole thing on this machine, small."""
    out = Path(storage.absolute(options.out))
    report = out / "report"
    if (out / "archive").exists() and not (out / "archive" / "labels.json").exists():
        raise RequestError(
            f"out: expected a new folder or that of an earlier demo, received {out}, which holds another archive/"
        )
    archive = _demo_archive(out / "archive", options.seed, console)
    bundles = {"video": out / "bundle", "image": out / "bundle-image"}
    with cluster(training=True):
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
    console.print(table(f"the first of {len(events)} events", ["object", "seconds", "p-value", "box"], rows))
    return status, {**result, "archive": str(out / "archive"), "bundle": str(bundles["video"])}


# small and quick: enough to learn the synthetic scenes in about a minute each on two cores
