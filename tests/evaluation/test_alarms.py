import dataclasses

import numpy as np
import pytest

from vadray.evaluation import FrameSet, evaluate_frames, false_alarms_per_hour, figures_table, normal_hours
from vadray.evaluation.alarms import false_alarms


def bits(text):
    return np.array([letter == "1" for letter in text])


@pytest.mark.parametrize(
    ("labels", "flags", "count"),
    [
        ("0000000", "0110010", 2),
        ("0011000", "0110010", 1),
        ("0011000", "0000110", 1),
        ("0100010", "1111111", 0),
        ("1111111", "0101010", 0),
        ("0000000", "0000000", 0),
    ],
)
def test_found_events_that_overlap_no_true_one(labels, flags, count):
    assert false_alarms(bits(labels), bits(flags)) == count


def test_normal_hours_of_even_and_uneven_footage():
    labels = bits("0110")
    assert normal_hours(labels, np.arange(4) * 900.0) == pytest.approx(0.5)
    # frames last until the next: 1800 s, then two anomalous ones, and the last as long as the median, 3600 s
    assert normal_hours(labels, np.array([0, 1800, 5400, 9000.0])) == pytest.approx(1.5)
    assert normal_hours(bits("0"), np.zeros(1)) == 0.0
    assert normal_hours(bits(""), np.zeros(0)) == 0.0
    assert normal_hours(bits("11"), np.arange(2.0)) == 0.0


def test_false_alarms_per_hour_of_normal_footage():
    videos = [(bits("0000"), bits("0101")), (bits("0110"), bits("0101"))]
    # two in the first, one in the second
    assert false_alarms_per_hour(videos, 1.5) == pytest.approx(2.0)
    assert false_alarms_per_hour(videos, 0.0) is None
    assert false_alarms_per_hour([], 2.0) == 0.0


def test_wrong_input_is_refused_by_name():
    with pytest.raises(ValueError, match="`flags` must have one value per label"):
        false_alarms(bits("000"), bits("00"))
    with pytest.raises(ValueError, match="`time_s` must have one value per label"):
        normal_hours(bits("000"), np.zeros(2))
    for hours in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="`hours_normal` must be at least 0"):
            false_alarms_per_hour([], hours)


def test_figures_take_them_and_do_without_them():
    score = np.array([0.1, 0.9])
    figures = evaluate_frames([FrameSet("a", bits("01"), score, score, score > 0.5)])
    assert (figures.pixel_auroc, figures.aupro, figures.rbdc, figures.false_alarms_per_hour) == (None,) * 4
    more = dataclasses.replace(figures, aupro=0.75, false_alarms_per_hour=1.5)
    assert more.to_dict()["aupro"] == 0.75
    table = figures_table({"a": more})
    assert "false_alarms_per_hour" in table
    assert "1.5000" in table
    assert "rbdc" not in table
