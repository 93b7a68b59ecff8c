"""A comparison of a given bundle with detectors that it trains, and its second run."""

import json

import pytest

from vadray import cli
from vadray.config import EvaluateOptions
from vadray.evaluation.compare import jobs_of
from vadray.evaluation.comparison_table import comparison_html, comparison_markdown, paper_margins


@pytest.fixture(scope="module")
def compared(archive, bundles, tmp_path_factory):
    out = tmp_path_factory.mktemp("comparison")
    command = [
        "evaluate",
        str(bundles["video"]),
        str(archive.root),
        "--compare",
        "stae",
        f"out={out}",
        "actors=1",
    ]
    command += [
        "seeds=7",
        "training={stae: {seeds: [1], size: [32, 48], window: 4, units: 16, epochs: 1}}",
    ]
    return out, command, cli.main(command)


def test_each_cell_is_trained_evaluated_and_told(compared, bundles):
    out, _, status = compared
    assert status == 0
    rows = json.loads((out / "comparison.json").read_text())
    assert [(row["entry"], row["seed"]) for row in rows] == [
        (str(bundles["video"]), None),
        ("stae", 1),
    ]
    assert rows[1]["train_s"] > 0
    page = (out / "comparison.html").read_text()
    assert "<td>stae</td>" in page and page.count('src="data:image/png;base64,') == 2
    assert page.count("src=") == 2


def test_second_run_keeps_the_cells(compared, capsys):
    out, command, _ = compared
    before = {path: path.stat().st_mtime_ns for path in (out / "cells").rglob("*") if path.is_file()}
    assert cli.main(command) == 0
    assert "kept from an earlier run" in capsys.readouterr().err
    assert before == {path: path.stat().st_mtime_ns for path in (out / "cells").rglob("*") if path.is_file()}


def test_seeds_are_for_what_draws_at_random():
    options = EvaluateOptions(
        bundle="motion",
        dataset="x",
        seeds=[3, 4],
        training={"stae": {"seeds": [5, 6]}, "perspective_motion": {"seeds": [0, 1]}},
    )
    assert jobs_of("motion", options) == [("motion", 3)]
    assert jobs_of("feature_density", options) == [("feature_density", 3), ("feature_density", 4)]
    assert jobs_of("stae", options) == [("stae", 5), ("stae", 6)]
    assert jobs_of("perspective_motion", options) == [("perspective_motion", 0), ("perspective_motion", 1)], (
        "its folds"
    )


def test_what_is_neither_bundle_nor_detector_is_refused(archive, bundles, tmp_path, capsys):
    status = cli.main(
        ["evaluate", str(bundles["video"]), str(archive.root), "compare=stea", f"out={tmp_path / 'c'}"]
    )
    assert status == 2 and "Did you mean stae" in capsys.readouterr().err


def test_trainings_take_what_is_said_of_the_cluster(archive, cluster, tmp_path, capsys):
    command = ["evaluate", "stae", str(archive.root), "actors=99", f"out={tmp_path / 'c'}"]
    assert cli.main([*command, "training={stae: {size: [32, 48], units: 16, epochs: 1}}"]) == 2
    assert "actors: expected from 1 to" in capsys.readouterr().err
    assert not list((tmp_path / "c").rglob("bundle.json")), "trained, before it was refused"


def test_robustness_is_of_one_bundle(archive, tmp_path, capsys):
    status = cli.main(["evaluate", "motion", str(archive.root), "robustness=true", f"out={tmp_path / 'c'}"])
    assert status == 2 and "robustness: expected a single bundle" in capsys.readouterr().err


def test_pixel_figures_have_columns_where_any_cell_has_them():
    rows = [
        {"entry": "a", "auc_micro": 0.9, "pixel_auroc": 0.8765, "rbdc": None},
        {"entry": "b", "auc_micro": 0.8, "pixel_auroc": None, "rbdc": None},
    ]
    header, _, first, second = comparison_markdown(rows).splitlines()
    assert "pixel AUROC" in header and "RBDC" not in header and "AUPRO" not in header
    assert "| 0.876 |" in first or "| 0.877 |" in first
    assert "| 0.800 | – |" in second
    page = comparison_html(rows, "title")
    assert "<th>pixel AUROC</th>" in page and "<td>–</td>" in page


def test_several_seeds_are_a_mean_and_a_deviation():
    seeds = [{"entry": "stae", "seed": seed, "auc_micro": auc} for seed, auc in ((0, 0.8), (1, 0.9))]
    best, worst = comparison_markdown([{"entry": "b", "seed": None, "auc_micro": 0.7}, *seeds]).splitlines()[
        2:
    ]
    assert best.startswith("| stae | 2 | 0.850 ± 0.071 |") and worst.startswith("| b | 1 | 0.700 |")


def test_margins_are_ours_beside_the_papers():
    rows = [
        {
            "entry": "stae",
            "best_f1": 0.90,
            "best_f1_precision": 0.95,
            "best_f1_recall": 0.86,
            "best_f1_accuracy": 0.9,
        },
        {
            "entry": "std",
            "best_f1": 0.80,
            "best_f1_precision": 0.90,
            "best_f1_recall": 0.80,
            "best_f1_accuracy": 0.9,
        },
    ]
    assert paper_margins(rows) == [
        ["over", "precision", "recall", "f1", "accuracy"],
        ["std", "+5.0 (+5)", "+6.0 (+8)", "+10.0 (+7)", "+0.0 (+5)"],
    ]
    assert paper_margins(rows[1:]) == []
    assert "std" in comparison_markdown(rows)
