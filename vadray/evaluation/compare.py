"""`vadray evaluate --compare`: bundles and detectors on the same data under the same rules.

A detector that is named, rather than given as a bundle, is trained on the data set's normal half, once a seed. Each
(detector, seed) is a cell with a folder of its own, kept when it is finished: an interrupted comparison goes on.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from vadray import storage
from vadray.bundle import open_bundle
from vadray.config import ClusterOptions, EvaluateOptions, TrainOptions, UnitOptions
from vadray.detectors.registry import DETECTORS, detector_class
from vadray.errors import RequestError
from vadray.evaluation.comparison_table import comparison_html, comparison_markdown
from vadray.evaluation.datasets import LabelledSet, read_labels
from vadray.evaluation.evaluate import MOTION_JSON, evaluate
from vadray.evaluation.evaluation_files import SCORES, read_curve
from vadray.evaluation.learned import LearnedObjects
from vadray.evaluation.metrics import Figures
from vadray.evaluation.plots import Curve, grouped_png
from vadray.parsing import parse
from vadray.training.prepare import detector_config, draws_at_random
from vadray.training.train import train

Say = Callable[[str], None]
PLOTS = {"roc": "ROC", "pr": "Precision and recall"}
# what is said once, of a comparison and of all its trainings: how much of the cluster, how objects are cut
SHARED = {*ClusterOptions.model_fields, *UnitOptions.model_fields}
RESULT = "cell.json"  # written last: a cell is finished when it is there


@dataclass(frozen=True)
class Cell:
    """One bundle on one data set.

    Args:
        entry: The bundle's path or the detector's name, as it was given.
        detector: The detector's name.
        seed: Of training; None for a bundle that was given.
        bundle: Where the bundle is.
        evaluation: Where its evaluation is.
        figures: What it reached.
        train_s: Seconds of training; 0 for a bundle that was given.
    """

    entry: str
    detector: str
    seed: int | None
    bundle: str
    evaluation: str
    figures: Figures
    train_s: float


def is_comparison(options: EvaluateOptions) -> bool:
    """Whether there are bundles to compare, or a detector is named, which is a comparison of one."""
    return bool(options.compare) or (options.bundle in DETECTORS and not _is_bundle(options.bundle))


def compare(options: EvaluateOptions, say: Say) -> list[Cell]:
    """Evaluates `bundle` and each of `compare`, and writes `comparison.{json,md,html}` to `out`. Ray must be connected.

    Raises:
        RequestError: An entry is neither a bundle nor a detector, `out` is missing, robustness is asked for, or a
            detector is to be trained and the data set has no normal half.
    """
    if not options.out:
        raise RequestError("out: missing; expected the folder for the comparison and its cells")
    if options.robustness:
        raise RequestError(
            "robustness: expected a single bundle, received a comparison; run it on the cells' bundles, which a "
            "comparison leaves in out/cells/"
        )
    entries = list(dict.fromkeys([options.bundle, *options.compare]))
    jobs = [job for entry in entries for job in jobs_of(entry, options)]
    labelled = read_labels(options.dataset)
    learned = _learned(entries, options)
    cells = []
    for number, (entry, seed) in enumerate(jobs, start=1):
        say(f"cell {number} of {len(jobs)}: {entry}" + ("" if seed is None else f", seed {seed}"))
        if seed is None:
            cells.append(_bundle_cell(entry, options, labelled, learned, say))
        else:
            cells.append(_trained_cell(entry, seed, options, labelled, learned, say))
    write_comparison(cells, options)
    return cells


def write_comparison(cells: Sequence[Cell], options: EvaluateOptions) -> None:
    """The comparison as JSON, Markdown and one HTML page with ROC and precision-recall curves."""
    out = storage.absolute(options.out or "")
    rows = [
        {
            "entry": cell.entry,
            "detector": cell.detector,
            "seed": cell.seed,
            "train_s": cell.train_s,
            **cell.figures.to_dict(),
        }
        for cell in cells
    ]
    curves: dict[str, list[Curve]] = {}
    for cell in cells:
        labels, score = read_curve(cell.evaluation)
        if labels.any() and not labels.all():
            curves.setdefault(cell.entry, []).append((labels, score))
    plots = {title: grouped_png(curves, kind, options.dataset) for kind, title in PLOTS.items() if curves}
    storage.write_bytes(storage.join(out, "comparison.json"), json.dumps(rows, indent=1).encode())
    storage.write_bytes(storage.join(out, "comparison.md"), comparison_markdown(rows).encode())
    storage.write_bytes(
        storage.join(out, "comparison.html"),
        comparison_html(rows, f"Detectors on {options.dataset}", plots).encode(),
    )


def jobs_of(entry: str, options: EvaluateOptions) -> list[tuple[str, int | None]]:
    """The cells of a bundle or detector: itself, and the seed of its training, None for a bundle.

    Raises:
        RequestError: It is neither, or cannot be trained on a normal half.
    """
    if _is_bundle(entry):
        return [(entry, None)]
    try:
        detector = detector_class(entry)
    except RequestError as error:
        raise RequestError(f"compare: expected a bundle or a detector, received {entry!r}; {error}") from None
    if detector.needs_labels:
        raise RequestError(
            f"compare: {entry} learns from labels, and a comparison trains on the normal half, which has none; train it "
            f"by `vadray train {options.dataset} --detector {entry}` and give its bundle"
        )
    # where nothing is drawn at random only the split depends on the seed, and one is enough, unless it is asked for
    seeds = options.seeds if draws_at_random(detector) else options.seeds[:1]
    return [(entry, seed) for seed in options.training.get(entry, {}).get("seeds", seeds)]


def _is_bundle(entry: str) -> bool:
    return storage.exists(storage.join(storage.absolute(entry), "bundle.json"))


def _learned(entries: Sequence[str], options: EvaluateOptions) -> LearnedObjects:
    """What any of the given bundles has learned from labels: all are judged by the rest, or they were by different data."""
    bundles = [] if options.learned else [open_bundle(entry) for entry in entries if _is_bundle(entry)]
    return LearnedObjects().union(map(LearnedObjects.of, bundles))


def _bundle_cell(
    entry: str, options: EvaluateOptions, labelled: LabelledSet, learned: LearnedObjects, say: Say
) -> Cell:
    bundle = open_bundle(entry)
    place = _place(storage.name(bundle.uri), [bundle.digest], options, learned)
    figures, _ = _evaluated(place, bundle.uri, options, labelled, learned, say, lambda: {"train_s": 0.0})
    return Cell(entry, bundle.detector_name, None, bundle.uri, _evaluation(place), figures, 0.0)


def _arguments(detector: str, normal: str, settings: dict[str, Any]) -> dict[str, Any]:
    """All of a detector's arguments, defaults as well: where those change with a new version, it is another cell."""
    options = parse(TrainOptions, None, {"archive": normal, "detector": detector, "out": "cell", **settings})
    return detector_class(detector)(**detector_config(options)).arguments


def _trained_cell(
    detector: str,
    seed: int,
    options: EvaluateOptions,
    labelled: LabelledSet,
    learned: LearnedObjects,
    say: Say,
) -> Cell:
    settings = {**options.training.get("all", {}), **options.training.get(detector, {})}
    settings.pop("seeds", None)
    normal = settings.pop("archive", None) or labelled.train
    if normal is None:
        raise RequestError(
            f"dataset {options.dataset}: expected a normal half to train {detector} on (train/), found none; "
            "say which by training: {all: {archive: …}}"
        )
    named = [normal, settings, _arguments(detector, normal, settings)]
    place = f"{_place(detector, named, options, learned)}-seed{seed}"
    bundle = storage.join(place, "bundle")

    def trained() -> dict[str, Any]:
        shared = options.model_dump(include=SHARED, exclude_unset=True)
        overrides = {
            "archive": normal,
            "detector": detector,
            "seed": seed,
            "out": bundle,
            **shared,
            **settings,
        }
        if not _is_bundle(bundle):
            train(parse(TrainOptions, None, overrides), say)
        return {"train_s": open_bundle(bundle).info["training"]["train_s"], "settings": settings}

    figures, train_s = _evaluated(place, bundle, options, labelled, learned, say, trained)
    return Cell(detector, detector, seed, bundle, _evaluation(place), figures, train_s)


def _place(name: str, named: list[Any], options: EvaluateOptions, learned: LearnedObjects) -> str:
    """Folder of a cell; what is judged by another set, or by other objects of it, is another cell."""
    named = [*named, storage.absolute(options.dataset), learned.digest()]
    identity = hashlib.sha256(json.dumps(named, sort_keys=True, default=str).encode()).hexdigest()[:8]
    return storage.join(storage.absolute(options.out or ""), "cells", f"{name}-{identity}")


def _evaluation(place: str) -> str:
    return storage.join(place, "evaluation")


def _evaluated(
    place: str,
    bundle: str,
    options: EvaluateOptions,
    labelled: LabelledSet,
    learned: LearnedObjects,
    say: Say,
    trained: Callable[[], dict[str, Any]],
) -> tuple[Figures, float]:
    """Figures of a cell and its seconds of training: those of an earlier run, or of `bundle` after `trained()`."""
    out, result = _evaluation(place), storage.join(place, RESULT)
    needed = [result, storage.join(out, SCORES)]
    needed += [storage.join(out, MOTION_JSON)] if options.motion_table else []
    if all(storage.exists(uri) for uri in needed):
        kept = json.loads(storage.read_bytes(result))
        say("  kept from an earlier run")
        return Figures(**kept["figures"]), kept["train_s"]
    how = trained()
    figures, _ = evaluate(options.model_copy(update={"bundle": bundle, "out": out}), labelled, say, learned)
    storage.write_bytes(result, json.dumps({"figures": figures.to_dict(), **how}, indent=1).encode())
    return figures, how["train_s"]
