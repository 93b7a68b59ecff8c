"""Thresholds are chosen on footage without what was rightly flagged, and tell which judged events they flag."""

import numpy as np

from vadray.calibration.calibration import Calibration, VideoScores
from vadray.calibration.events import EventRules
from vadray.report.labels import Label
from vadray.training.judged import found_again, without_right


def label(event: str, verdict: str, uri: str, start_s: float, end_s: float) -> Label:
    return Label(event, verdict, uri, "gate", 0, 0, start_s, end_s, "night", "2026-11-22T00:00:00+00:00")


def video(scores) -> VideoScores:
    return VideoScores("gate", np.arange(len(scores)) / 10, np.asarray(scores, float))


LABELS = [
    label("a", "right", "/a.mp4", 1.0, 1.9),
    label("b", "wrong", "/a.mp4", 4.0, 4.2),
    label("c", "right", "/elsewhere.mp4", 0.0, 9.0),
]


def test_right_ones_are_left_out_and_the_gap_is_a_cut():
    scores = np.zeros(60)
    scores[10:20] = 7
    scores[40:43] = 5
    left = without_right([("/a.mp4", video(scores)), ("/b.mp4", video(scores))], LABELS)
    assert [len(part.score) for part in left] == [10, 40, 60]
    assert left[0].score.max() == 0 and left[1].score.max() == 5 and left[1].time_s[0] == 2.0
    assert left[2].score.max() == 7, "another object's"


def test_all_of_it_is_left_out_where_all_was_right():
    assert without_right([("/a.mp4", video(np.ones(5)))], [label("a", "right", "/a.mp4", 0, 9)]) == []


def test_which_judged_events_a_calibration_flags_is_counted():
    scores = np.zeros(60)
    scores[12] = 7
    scores[40:43] = 5
    rules = EventRules(smooth_s=0, merge_gap_s=0)
    # in two parts, as units are scored: event a begins in one and peaks in the other
    scored = [
        ("/a.mp4", VideoScores("gate", part / 10, scores[part]))
        for part in (np.arange(11), np.arange(11, 60))
    ]
    expected = {4: (1, 1, 1, 1), 6: (1, 1, 1, 0), 8: (1, 0, 1, 0)}
    for threshold, counts in expected.items():
        calibration = Calibration.fit([video(scores)], method="fixed", value=threshold, rules=rules)
        found = found_again(scored, LABELS, calibration)
        assert tuple(found.values()) == counts, threshold
        assert list(found) == ["right", "right_found", "wrong", "wrong_found"]
