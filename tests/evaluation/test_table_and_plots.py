import json

import numpy as np

from vadray.evaluation import FrameSet, evaluate_frames, figures_json, figures_table
from vadray.evaluation.plots import MAX_POINTS, _thinned, roc_png, scores_png


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
