"""Rules: each condition, the order in which they decide, and the count of events they leave out."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vadray.calibration.events import EventBuilder, EventRules, runs
from vadray.calibration.rules import NO_RULE, DroppedEvents, FrameRule, FrameRules, Places, Scene, shares

SQUARE = np.array([[0.0, 0.0], [0.5, 0.0], [0.5, 0.5], [0.0, 0.5]])


def scene(camera: str = "gate", **changes) -> Scene:
    """Four frames: peaks left above, right above, left below, right below; boxes of a tenth of each side."""
    peak = np.array([[0.2, 0.2], [0.8, 0.2], [0.2, 0.8], [0.8, 0.8]])
    values = {
        "peak": peak,
        "box": np.concatenate([peak - 0.05, peak + 0.05], axis=1),
        "motion": np.array([0.0, 1.0, 2.0, 3.0]),
        "minute": np.array([0, 360, 720, 1439]),
        "weekday": np.array([0, 1, 5, 6]),
    } | changes
    return Scene(camera, **values)


@pytest.mark.parametrize(
    ("conditions", "fits"),
    [
        ({}, [1, 1, 1, 1]),
        ({"cameras": ["ga*"]}, [1, 1, 1, 1]),
        ({"cameras": ["dock", "Gate"]}, [0, 0, 0, 0]),
        ({"polygons": [SQUARE]}, [1, 0, 0, 0]),
        ({"polygons": [SQUARE, SQUARE + 0.5]}, [1, 0, 0, 1]),
        ({"mask": np.array([[False, True], [False, False]])}, [0, 1, 0, 0]),
        ({"area": (-np.inf, 0.009)}, [0, 0, 0, 0]),
        ({"area": (0.009, 0.011)}, [1, 1, 1, 1]),
        ({"motion": (0.5, 2.5)}, [0, 1, 1, 0]),
        ({"span": (360, 1000)}, [0, 1, 1, 0]),
        ({"span": (1000, 360)}, [1, 0, 0, 1]),
        ({"weekdays": [5, 6]}, [0, 0, 1, 1]),
        ({"polygons": [SQUARE], "weekdays": [5, 6]}, [0, 0, 0, 0]),
    ],
)
def test_each_condition(conditions, fits):
    assert FrameRule("a rule", False, **conditions).fits(scene()).tolist() == [bool(one) for one in fits]


def test_time_that_is_not_known_fits_no_hour_and_no_day():
    unknown = scene(minute=None, weekday=None)
    assert not FrameRule("night", False, span=(0, 1439)).fits(unknown).any()
    assert not FrameRule("week", False, weekdays=range(7)).fits(unknown).any()


def test_the_first_rule_that_fits_decides():
    left = np.array([[0, 0], [0.5, 0], [0.5, 1], [0, 1]])
    rules = FrameRules(
        [FrameRule("above", True, polygons=[SQUARE]), FrameRule("left", False, polygons=[left])]
    )
    decided, kept = rules.decide(scene())
    assert decided.tolist() == [0, NO_RULE, 1, NO_RULE] and kept.tolist() == [True, True, False, True]
    decided, kept = FrameRules(rules.rules, keep_others=False).decide(scene())
    assert kept.tolist() == [True, False, False, False]


def test_a_place_counts_once_it_was_met_in_so_many_sweeps():
    box = np.array([[0.15, 0.15, 0.25, 0.25], [0.16, 0.15, 0.26, 0.25], [0.75, 0.15, 0.85, 0.25]])
    places = Places(box, np.array([0, 1, 1]), least=2, overlap=0.5)
    rule = FrameRule("again", False, places={"gate": places})
    assert rule.fits(scene()).tolist() == [True, False, False, False], "the other one was met once"
    assert not rule.fits(scene("dock")).any(), "of that camera nothing is known"
    same_sweep = Places(box, np.array([1, 1, 1]), least=2, overlap=0.5)
    assert not same_sweep.meet(scene().box).any(), "twice in one sweep is once"


def test_shares_of_the_picture():
    frames = {"peak_x": [0], "peak_y": [99], "box_x": [0], "box_y": [50], "box_w": [100], "box_h": [50]}
    peak, box = shares(frames, 200, 100)
    np.testing.assert_allclose(peak, [[0.0025, 0.995]])
    np.testing.assert_allclose(box, [[0, 0.5, 0.5, 1]])


def test_dropped_events_are_counted_by_what_dropped_most_of_them():
    dropped = DroppedEvents()
    without = np.array([0, 1, 1, 1, 0, 1, 1, 0, 1, 1], bool)
    kept = np.array([0, 0, 0, 0, 0, 0, 1, 0, 0, 0], bool)
    reasons = np.array(["", "tree", "tree", "night", "", "tree", "", "", "night", "night"], object)
    dropped.push(without, kept, reasons)
    dropped.finish()
    assert dropped.counts == Counter(tree=1, night=1), "the one in the middle lives"


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_dropped_and_kept_events_do_not_depend_on_how_frames_come(data):
    count = data.draw(st.integers(1, 60))
    score = np.array(data.draw(st.lists(st.integers(0, 4), min_size=count, max_size=count)), float)
    gone = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    rules = EventRules(smooth_s=0, min_event_s=data.draw(st.sampled_from([0, 2])), merge_gap_s=2)
    time_s = np.arange(count, dtype=float)
    reasons = np.where(gone, "tree", "").astype(object)
    muted = np.where(gone, -1.0, score)

    def counted(bounds: list[int]) -> tuple[list[bool], Counter]:
        builders = EventBuilder(3, 2, rules), EventBuilder(3, 2, rules)
        dropped, flags = DroppedEvents(), []
        for a, b in itertools.pairwise(bounds):
            kept = builders[0].push(time_s[a:b], muted[a:b])
            dropped.push(builders[1].push(time_s[a:b], score[a:b]), kept, reasons[a:b])
            flags += kept.tolist()
        last = builders[0].finish()
        dropped.push(builders[1].finish(), last, np.zeros(0, object))
        dropped.finish()
        return flags + last.tolist(), dropped.counts

    cuts = sorted(data.draw(st.sets(st.integers(0, count), max_size=6)) | {0, count})
    flags, counts = counted([0, count])
    assert counted(cuts) == (flags, counts)
    builder = EventBuilder(3, 2, rules)
    would_be = runs(np.concatenate([builder.push(time_s, score), builder.finish()]))
    assert counts.total() == sum(not any(flags[a : b + 1]) for a, b in would_be)
