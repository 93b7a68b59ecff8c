import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vadray.calibration import QuantileSketch

scores_strategy = hnp.arrays(
    np.float64, st.integers(1, 300), elements=st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0, 2.0])
)


@settings(max_examples=200, deadline=None)
@given(scores_strategy)
def test_p_values_are_probabilities_and_fall_with_the_score(scores):
    sketch = QuantileSketch.fit(scores)
    probe = np.sort(np.concatenate([scores, scores + 1e-3, np.linspace(-2e6, 2e6, 201)]))
    p_value = sketch.p_value(probe)
    assert ((p_value >= 1e-12) & (p_value <= 1)).all()
    assert (np.diff(p_value) <= 0).all()
    restored = QuantileSketch.from_dict(json.loads(json.dumps(sketch.to_dict(), allow_nan=False)))
    np.testing.assert_array_equal(restored.p_value(probe), p_value)


def test_few_scores_give_ranks_and_no_tail():
    scores = np.arange(10.0)
    sketch = QuantileSketch.fit(scores)
    assert sketch.tail is None
    np.testing.assert_allclose(sketch.p_value(scores), np.arange(11, 1, -1) / 11)
    assert sketch.p_value(np.array([99.0]))[0] == 1 / 11


def test_a_constant_score_is_normal_and_anything_above_it_rare():
    sketch = QuantileSketch.fit(np.full(1000, 0.25))
    np.testing.assert_allclose(sketch.p_value(np.array([0.0, 0.25, 0.26])), [1, 1, 1 / 1001])
    assert np.isfinite(sketch.standardise(np.array([0.25, 1.0]))).all()


@pytest.mark.parametrize("draw", ["exponential", "standard_normal", "uniform"])
def test_p_values_hold_on_data_not_seen(draw):
    generator = np.random.default_rng(3)
    sketch = QuantileSketch.fit(getattr(generator, draw)(size=50_000))
    p_value = sketch.p_value(getattr(generator, draw)(size=500_000))
    for level in (0.5, 0.1, 0.02, 0.01):
        assert np.mean(p_value <= level) == pytest.approx(level, rel=0.15)
    assert np.mean(p_value <= 1e-4) <= 2e-4


def test_p_values_stay_distinct_far_beyond_the_data():
    sketch = QuantileSketch.fit(np.random.default_rng(0).normal(size=5000))
    assert (np.diff(sketch.p_value(np.array([3.0, 4.0, 5.0, 6.0]))) < 0).all()


def test_quantile_is_the_inverse_of_the_p_value():
    sketch = QuantileSketch.fit(np.random.default_rng(0).exponential(size=20_000))
    for probability in (0.1, 0.5, 0.9, 0.985, 0.999, 0.999999):
        assert sketch.p_value(sketch.quantile(probability)) == pytest.approx(1 - probability, rel=1e-6)


def test_stays_small_for_many_scores():
    sketch = QuantileSketch.fit(np.random.default_rng(0).normal(size=300_000))
    assert len(sketch.values) <= 1100
    assert len(json.dumps(sketch.to_dict())) < 50_000


@pytest.mark.parametrize("scores", [[], [1.0, np.nan]])
def test_refuses_no_scores_and_scores_that_are_not_finite(scores):
    with pytest.raises(ValueError, match="finite and at least one"):
        QuantileSketch.fit(np.array(scores))
