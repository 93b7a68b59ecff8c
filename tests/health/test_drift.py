"""Drift of distributions."""

import numpy as np
import pytest
from scipy import stats

from vadray.health.drift import (
    BRIGHTNESS_EDGES,
    P_BINS,
    SHIFTED,
    SOME,
    binned,
    ks_distance,
    median_of,
    p_counts,
    stability_index,
)


def test_the_same_distribution_has_not_drifted():
    rng = np.random.default_rng(0)
    one, two = (p_counts(rng.random(20_000)) for _ in range(2))
    assert stability_index(one, two) < 0.01 and ks_distance(one, two) < 0.03
    assert stability_index(one, np.ones(P_BINS)) < 0.01


def test_the_index_is_that_of_its_definition():
    """Ten deciles of the reference with shares q = 0.1 each, of the night with p."""
    p = np.array([0.2, 0.2, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05])
    counts = np.repeat(p * 1000, 10)
    expected = np.sum((p - 0.1) * np.log(p / 0.1))
    assert stability_index(counts, np.full(P_BINS, 100)) == pytest.approx(expected, rel=1e-6)


def test_shifted_scores_are_told():
    rng = np.random.default_rng(0)
    mild, strong = (p_counts(rng.beta(a, 1, 20_000)) for a in (0.7, 0.3))
    uniform = np.ones(P_BINS)
    assert SOME / 3 < stability_index(mild, uniform) < SHIFTED < stability_index(strong, uniform)
    assert stability_index(p_counts(np.zeros(100)), uniform) > 1, "all in one bin, and finite"


def test_the_distance_is_that_of_scipy():
    rng = np.random.default_rng(1)
    one, two = rng.random(5000), rng.random(4000) ** 1.5
    exact = stats.ks_2samp(one, two).statistic
    assert ks_distance(p_counts(one), p_counts(two)) == pytest.approx(exact, abs=0.01)


def test_medians_of_bins():
    values = np.random.default_rng(2).normal(120, 20, 10_000)
    assert median_of(binned(values, BRIGHTNESS_EDGES), BRIGHTNESS_EDGES) == pytest.approx(
        np.median(values), abs=1
    )
    assert np.isnan(median_of(np.zeros(64, int), BRIGHTNESS_EDGES))
    assert np.isnan(stability_index(np.zeros(P_BINS), np.ones(P_BINS)))
    assert binned(np.array([-5.0, 999.0]), BRIGHTNESS_EDGES)[[0, -1]].tolist() == [1, 1]
