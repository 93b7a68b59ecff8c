import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vadray.calibration import EventBuilder, EventRules, find_events, runs


def rules(min_event_s=0.0, merge_gap_s=0.0):
    return EventRules(smooth_s=0.0, min_event_s=min_event_s, merge_gap_s=merge_gap_s)


def naive_events(time_s, score, threshold, release, given_rules):
    """The definition, a frame at a time."""
    time_s = np.maximum.accumulate(time_s)
    found, start, end = [], None, None
    for index, value in enumerate(score):
        if value >= threshold or (start is not None and value >= release):
            start, end = (index if start is None else start), index
        elif start is not None:
            found.append([start, end])
            start = None
    if start is not None:
        found.append([start, end])
    merged = []
    for start, end in found:
        if merged and time_s[start] - time_s[merged[-1][1]] <= given_rules.merge_gap_s + 1e-6:
            merged[-1][1] = end
        else:
            merged.append([start, end])
    return [(a, b) for a, b in merged if time_s[b] - time_s[a] >= given_rules.min_event_s - 1e-6]


frames = st.lists(
    st.tuples(st.sampled_from([0.1, 0.1, 0.1, 0.0, -0.2, 1.0]), st.sampled_from([0, 1, 2, 2, 3])),
    min_size=1,
    max_size=80,
)
some_rules = st.builds(
    rules, st.sampled_from([0.0, 0.1, 0.3, 1.0]), st.sampled_from([0.0, 0.1, 0.3, 0.5, 2.0])
)


@settings(max_examples=500, deadline=None)
@given(frames, some_rules, st.lists(st.integers(0, 80)), st.sampled_from([(3, 2), (3, 3), (2, 1)]))
def test_any_split_gives_the_events_of_the_definition(frames, given_rules, cuts, levels):
    gaps, score = np.array(frames, dtype=float).T
    time_s, (threshold, release) = np.cumsum(gaps), levels
    expected = naive_events(time_s, score, threshold, release, given_rules)

    flags, events = find_events(time_s, score, threshold, release, given_rules)
    assert events == expected
    assert runs(flags) == expected

    builder = EventBuilder(threshold, release, given_rules)
    cuts = sorted({min(cut, len(score)) for cut in cuts})
    parts = [builder.push(*part) for part in zip(np.split(time_s, cuts), np.split(score, cuts), strict=True)]
    np.testing.assert_array_equal(np.concatenate([*parts, builder.finish()]), flags)


def test_hysteresis_holds_an_event_while_it_stays_above_the_release():
    score = np.array([0, 2, 3, 2, 2, 1, 2, 0])
    _, events = find_events(np.arange(8), score, 3, 2, rules())
    assert events == [(2, 4)]


def test_near_events_are_merged_and_short_ones_dropped():
    score = np.array([9, 0, 9, 0, 0, 0, 9, 9, 9])
    time_s = np.arange(9) / 10
    assert find_events(time_s, score, 5, 5, rules(merge_gap_s=0.2))[1] == [(0, 2), (6, 8)]
    assert find_events(time_s, score, 5, 5, rules(min_event_s=0.2))[1] == [(6, 8)]
    assert find_events(time_s, score, 5, 5, rules(min_event_s=0.2, merge_gap_s=0.2))[1] == [(0, 2), (6, 8)]


def test_decides_within_the_least_length_and_the_merge_gap():
    builder = EventBuilder(5, 5, rules(min_event_s=0.5, merge_gap_s=1.0))
    decided, longest_delay = 0, 0
    score = np.random.default_rng(0).choice([0, 9], size=3000, p=[0.8, 0.2])
    for index in range(3000):
        decided += len(builder.push(np.array([index / 10]), score[index : index + 1]))
        longest_delay = max(longest_delay, index + 1 - decided)
    assert longest_delay <= 16


def test_a_long_event_is_reported_while_it_lasts():
    builder = EventBuilder(5, 5, rules(min_event_s=1.0, merge_gap_s=1.0))
    assert len(builder.push(np.arange(100) / 10, np.full(100, 9.0))) == 100


def test_refuses_a_release_above_the_threshold():
    with pytest.raises(ValueError, match="`release` must be at most `threshold`"):
        EventBuilder(1.0, 2.0, rules())


@pytest.mark.parametrize("field", ["smooth_s", "release_fraction", "min_event_s", "merge_gap_s"])
def test_rules_refuse_negative_values_by_name(field):
    with pytest.raises(ValueError, match=field):
        EventRules(**{field: -1.0})
