"""Commands that judge detectors."""

from typing import Any

from rich.console import Console

from vadray import config, storage
from vadray.commands.command import Result, cluster, say


def run_evaluate(options: config.EvaluateOptions, console: Console) -> Result:
    from vadray.evaluation.compare import is_comparison
    from vadray.evaluation.evaluate import evaluate
    from vadray.evaluation.robustness.bundle import RobustnessSettings, study_bundle
    from vadray.evaluation.robustness.summary import robustness_figures, robustness_table
    from vadray.evaluation.table import figures_table

    if is_comparison(options):
        return run_compare(options, console)
    with cluster():
        figures, rest = evaluate(options, say=say(console))
        if options.robustness:
            settings = RobustnessSettings(most_objects=options.robustness_objects)
            study = study_bundle(options, settings, say(console))
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

    with cluster(training=True):
        cells = compare(options, say(console))
    return _compared(cells, storage.absolute(options.out or ""), console)


def run_paper(options: config.PaperOptions, console: Console) -> Result:
    from vadray.evaluation.paper import paper

    with cluster(training=True):
        cells = paper(options, say(console))
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
