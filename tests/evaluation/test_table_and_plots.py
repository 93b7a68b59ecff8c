import json

import numpy as np
import pytest

from vadray.evaluation import FrameSet, evaluate_frames, figures_json, figures_table
from vadray.evaluation.plots import (
    MAX_POINTS,
    MOST_IN_PLOT,
    _confusion_figure,
    _curves_figure,
    _sparse,
    _thinned,
    confusion_png,
    grouped_png,
    pr_png,
    roc_png,
    scores_png,
)


def figures(kind="video"):
    labels, score = np.array([False, True, True]), np.array([0.1, 0.9, 0.4])
    return evaluate_frames([FrameSet("a", labels, score, score, score > 0.5)], kind)


def test_table_has_a_row_per_figure_and_a_column_per_bundle():
    lines = figures_table({"stae": figures(), "a|b": figures()}).splitlines()
    assert lines[0].split(" | ")[0].startswith("| figure")
    assert "stae" in lines[0]
    assert "a\\|b" in lines[0]
    assert len({len(line) for line in lines}) == 1
    assert any(line.startswith("| auc_micro ") and line.count("1.0000") == 2 for line in lines)
    assert not any("psnr" in line for line in lines)


def test_table_marks_what_one_bundle_lacks():
    lines = figures_table({"video": figures(), "image": figures("image")}).splitlines()
    assert any(line.startswith("| auc_macro ") and "–" in line for line in lines)


def test_json_is_flat_numbers():
    data = json.loads(figures_json(figures()))
    assert data["auc_micro"] == 1.0
    assert data["psnr_db"] is None
    assert all(value is None or isinstance(value, (int, float)) for value in data.values())


def test_plots_are_pictures():
    score = np.random.default_rng(0).random(10_000)
    labels = np.arange(10_000) > 7000
    pictures = [
        roc_png({"calibrated": (labels, score), "one class": (labels[:10], score[:10])}),
        pr_png({"calibrated": (labels, score), "one class": (labels[:10], score[:10])}),
        grouped_png({str(n): [(labels, score), (labels, score**2)] for n in range(12)}, "pr", "many"),
        confusion_png(labels, score > 0.9),
        scores_png(score, title="01.mp4", labels=labels, flags=score > 0.999, threshold=0.5),
        scores_png(score[:1], title="one frame", time_s=np.zeros(1), labels=labels[-1:]),
    ]
    for picture in pictures:
        assert picture.startswith(b"\x89PNG")


def test_thinning_keeps_a_single_peak():
    score = np.zeros(1_000_000)
    score[123_457] = 1.0
    _, kept = _thinned(np.arange(1_000_000), score)
    assert len(kept) == MAX_POINTS
    assert kept.max() == 1.0


LABELS = np.array([False, False, True, True])
GOOD, POOR = np.array([0.1, 0.2, 0.8, 0.9]), np.array([0.1, 0.8, 0.2, 0.9])


def legend(figure):
    shown = figure.axes[0].get_legend() or figure.legends[0]
    return [text.get_text() for text in shown.get_texts()]


def test_precision_and_recall_by_hand():
    figure = _curves_figure({"poor": [(LABELS, POOR)]}, "pr", "title")
    curve, chance = figure.axes[0].lines
    points = set(zip(curve.get_xdata().tolist(), curve.get_ydata().tolist(), strict=True))
    assert {(0.5, 1.0), (0.5, 0.5), (1.0, 2 / 3), (1.0, 0.5)} <= points
    assert list(chance.get_ydata()) == [0.5, 0.5]
    # precision 1 for the first half of recall and 2/3 for the second
    assert legend(figure) == ["poor: AP 0.833", "chance"]


def test_precision_of_chance_needs_the_same_labels():
    groups = {"a": [(LABELS, GOOD)], "b": [(LABELS[1:], GOOD[1:])]}
    assert "chance" not in legend(_curves_figure(groups, "pr", "title"))
    assert "chance" in legend(_curves_figure(groups, "roc", "title"))


def test_detectors_with_several_trainings_have_one_colour_and_the_best_comes_first():
    groups = {
        "poor": [(LABELS, POOR), (LABELS, GOOD)],
        "good": [(LABELS, GOOD)] * 2,
        "none": [(LABELS[:2], GOOD[:2])],
    }
    figure = _curves_figure(groups, "roc", "title")
    assert legend(figure) == [
        "good: AUC 1.000 ± 0.000",
        "poor: AUC 0.875 ± 0.177",
        "none: undefined, one class only",
        "chance",
    ]
    colours = [line.get_color() for line in figure.axes[0].lines]
    assert colours[0] == colours[1] != colours[2] == colours[3]


def test_many_detectors_can_be_told_apart_and_leave_the_plot_free():
    groups = {str(number): [(LABELS, GOOD)] for number in range(15)}
    figure = _curves_figure(groups, "roc", "title")
    lines = figure.axes[0].lines[:-1]
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 15
    assert figure.axes[0].get_legend() is None
    few = dict(list(groups.items())[:MOST_IN_PLOT])
    assert _curves_figure(few, "roc", "title").axes[0].get_legend() is not None


def test_one_training_each_keeps_the_order_given():
    groups = {"raw": [(LABELS, POOR)], "calibrated": [(LABELS, GOOD)]}
    assert legend(_curves_figure(groups, "roc", "title"))[0].startswith("raw")


def test_unknown_kinds_of_curve_are_refused():
    with pytest.raises(ValueError, match=r"`kind` must be one of roc, pr\. Received: 'det'"):
        grouped_png({}, "det", "title")


def test_confusion_counts_and_parts_of_each_true_class():
    labels = np.array([False] * 3 + [True] * 2000)
    flags = np.array([False, True, False] + [True] * 1500 + [False] * 500)
    texts = {
        text.get_position(): text.get_text()
        for text in _confusion_figure(labels, flags, "title").axes[0].texts
    }
    # (found, true)
    assert texts == {
        (0, 0): "2\n66.7 %",
        (1, 0): "1\n33.3 %",
        (0, 1): "500\n25.0 %",
        (1, 1): "1,500\n75.0 %",
    }


def test_confusion_of_one_class_has_all_four_fields():
    texts = [text.get_text() for text in _confusion_figure(LABELS[:2], LABELS[:2], "title").axes[0].texts]
    assert texts == ["2\n100.0 %", "0\n0.0 %", "0\n0.0 %", "0\n0.0 %"]


def test_long_curves_keep_both_ends():
    x = np.linspace(0, 1, 50_000)
    kept, _ = _sparse(x, x)
    assert len(kept) == MAX_POINTS
    assert (kept[0], kept[-1]) == (0, 1)
