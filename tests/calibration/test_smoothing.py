import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vadray.calibration import Smoother, smooth

gaps_s = st.lists(st.sampled_from([0.0, 0.04, 0.1, 0.2, 1 / 3, 5.0, -0.1]), min_size=1, max_size=60)


def split(array, cuts):
    return np.split(array, sorted({min(cut, len(array)) for cut in cuts}))


@settings(max_examples=200, deadline=None)
@given(
    gaps_s,
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(0, 60)),
    st.sampled_from([0.0, 0.1, 0.5, 2.0, 99.0]),
)
def test_any_split_gives_the_same_bits(gaps, seed, cuts, smooth_s):
    time_s = np.cumsum(gaps)
    score = np.random.default_rng(seed).normal(size=len(gaps)) * 1e3
    smoother = Smoother(smooth_s)
    parts = [smoother.push(*part) for part in zip(split(time_s, cuts), split(score, cuts), strict=True)] + [
        smoother.finish()
    ]
    np.testing.assert_array_equal(np.concatenate(parts), smooth(time_s, score, smooth_s))


def test_is_the_mean_within_half_the_window():
    time_s = np.arange(7) * 0.1  # 0.1 has no exact float: the window's edge must not depend on it
    score = np.array([0, 0, 0, 3, 0, 0, 0.0])
    np.testing.assert_allclose(smooth(time_s, score, 0.2), [0, 0, 1, 1, 1, 0, 0])


def test_zero_seconds_changes_nothing_even_where_times_repeat():
    score = np.array([1.0, 5.0, 2.0])
    np.testing.assert_array_equal(smooth(np.zeros(3), score, 0.0), score)
    np.testing.assert_array_equal(Smoother(0.0).push(np.zeros(3), score), score)


def test_long_windows_split_to_the_same_bits():
    generator = np.random.default_rng(0)
    time_s, score = np.arange(20_000) / 25, generator.exponential(size=20_000)
    smoother = Smoother(60.0)
    parts = [smoother.push(time_s[i : i + 977], score[i : i + 977]) for i in range(0, 20_000, 977)]
    np.testing.assert_array_equal(np.concatenate([*parts, smoother.finish()]), smooth(time_s, score, 60.0))


def test_holds_no_more_than_two_windows():
    smoother = Smoother(2.0)
    held = 0
    for second in range(100):
        smoother.push(second + np.arange(10) / 10, np.zeros(10))
        held = max(held, len(smoother._score))
    assert held <= 40


def test_a_finished_smoother_takes_the_next_video():
    smoother = Smoother(1.0)
    smoother.push(np.array([100.0]), np.array([9.0]))
    smoother.finish()
    smoother.push(np.array([0.0]), np.array([1.0]))
    assert smoother.finish().tolist() == [1.0]
    assert smoother.finish().tolist() == []


@pytest.mark.parametrize("smooth_s", [-1.0, np.nan])
def test_refuses_a_wrong_width(smooth_s):
    with pytest.raises(ValueError, match="smooth_s"):
        Smoother(smooth_s)


def test_refuses_scores_that_are_not_finite_and_names_where():
    with pytest.raises(ValueError, match=r"`score` must be finite. Received nan at index 1"):
        smooth(np.arange(3), np.array([0, np.nan, 0]), 1.0)
