import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from vadray.evaluation import FrameSet, evaluate_frames
from vadray.evaluation.metrics import equal_error_rate, legacy_scores, psnr_db


def frame_set(labels, score, name="a.mp4", threshold=0.5, raw=None, **more):
    labels, score = np.array(labels, dtype=bool), np.array(score, dtype=float)
    return FrameSet(name, labels, score, score if raw is None else np.array(raw), score >= threshold, **more)


def test_figures_by_hand():
    figures = evaluate_frames([frame_set([0, 0, 1, 1, 0], [0.1, 0.6, 0.7, 0.2, 0.0])])
    assert (figures.precision, figures.recall, figures.f1, figures.accuracy) == (0.5, 0.5, 0.5, 0.6)
    assert figures.auc_micro == pytest.approx(5 / 6)
    assert figures.best_f1 == pytest.approx(0.8)
    assert figures.best_f1_threshold == 0.2
    assert figures.best_f1_accuracy == pytest.approx(0.8)


def test_micro_pools_frames_and_macro_averages_the_videos_with_both_classes():
    right = frame_set([0, 1], [0.1, 0.2], "right.mp4")
    shifted = frame_set([0, 0, 1], [10.0, 11.0, 12.0], "shifted.mp4")
    wrong = frame_set([0, 1], [0.9, 0.1], "wrong.mp4")
    quiet = frame_set([0, 0], [0.1, 0.2], "quiet.mp4")
    sets = [right, shifted, wrong, quiet]
    figures = evaluate_frames(sets)
    assert figures.auc_macro == pytest.approx(2 / 3)
    assert (figures.videos, figures.videos_with_both_classes) == (4, 3)
    pooled = [np.concatenate([getattr(one, part) for one in sets]) for part in ("labels", "score")]
    assert figures.auc_micro == roc_auc_score(*pooled)


def test_raw_and_legacy_have_their_own_figures():
    first = frame_set([0, 1], [0.0, 1.0], raw=[0.0, 0.1])
    second = frame_set([0, 1], [0.0, 1.0], raw=[5.0, 6.0])
    figures = evaluate_frames([first, second])
    assert (figures.auc_micro, figures.auc_micro_raw, figures.auc_micro_legacy) == (1.0, 0.75, 1.0)


def test_legacy_scales_each_video_to_itself():
    np.testing.assert_allclose(legacy_scores(np.array([2.0, 3.0, 4.0])), [0, 0.5, 1])
    np.testing.assert_array_equal(legacy_scores(np.full(3, 7.0)), np.zeros(3))


def test_equal_error_rate():
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1], dtype=bool)
    assert equal_error_rate(labels, np.array([1, 2, 3, 6, 5, 7, 8, 9.0])) == pytest.approx(0.25)
    assert equal_error_rate(labels, labels.astype(float)) == 0.0
    assert equal_error_rate(labels, np.zeros(8)) == pytest.approx(0.5)


def test_psnr_from_mean_squared_error():
    np.testing.assert_allclose(psnr_db(np.array([0.01, 1.0, 0.0])), [20, 0, 100])
    figures = evaluate_frames([frame_set([0, 1], [0.1, 0.9], mse=np.array([0.001, 0.1]))])
    assert (figures.psnr_db, figures.psnr_db_normal, figures.psnr_db_anomalous) == pytest.approx((20, 30, 10))


def test_what_reconstructs_nothing_has_no_psnr():
    figures = evaluate_frames([frame_set([0, 1], [0.1, 0.9], mse=np.zeros(2))])
    assert figures.psnr_db is None and figures.psnr_db_normal is None


def test_events_count_once_however_many_frames_overlap():
    labels = [0, 1, 1, 1, 0, 0, 1, 0, 0]
    score = [0, 0, 1, 0, 1, 0, 0, 0, 1]
    figures = evaluate_frames([frame_set(labels, score)])
    assert (figures.events_true, figures.events_found) == (2, 3)
    assert figures.event_recall == 0.5
    assert figures.event_precision == pytest.approx(1 / 3)
    assert figures.event_f1 == pytest.approx(0.4)


def test_what_is_undefined_is_none_and_json_has_no_nan():
    only_normal = evaluate_frames([frame_set([0, 0, 0], [0.1, 0.2, 0.3])])
    assert only_normal.auc_micro is None
    assert only_normal.recall is None
    assert only_normal.precision is None
    assert only_normal.event_recall is None
    assert only_normal.accuracy == 1.0
    for figures in (only_normal, evaluate_frames([frame_set([1, 1], [0.1, 0.9])])):
        json.dumps(figures.to_dict(), allow_nan=False)


def test_images_are_pooled_however_they_are_grouped():
    labels, score = [0, 1, 0, 1], [0.1, 0.9, 0.6, 0.4]
    together = evaluate_frames([frame_set(labels, score)], kind="image")
    alone = evaluate_frames([frame_set([a], [b]) for a, b in zip(labels, score, strict=True)], kind="image")
    assert together == alone
    assert together.auc_micro == 0.75
    assert (together.auc_macro, together.auc_micro_legacy, together.events_true) == (None, None, None)
    assert together.videos == 4


def test_wrong_input_is_refused_by_name():
    with pytest.raises(ValueError, match=r"b\.mp4: `raw` must have one value per label"):
        frame_set([0, 1], [0.1, 0.2], "b.mp4", raw=[1.0])
    with pytest.raises(ValueError, match=r"b\.mp4: `score` must be finite"):
        frame_set([0, 1], [0.1, np.nan], "b.mp4")
    with pytest.raises(ValueError, match="at least one labelled frame"):
        evaluate_frames([])
    with pytest.raises(ValueError, match="Received: 'sound'"):
        evaluate_frames([frame_set([0], [0])], kind="sound")
