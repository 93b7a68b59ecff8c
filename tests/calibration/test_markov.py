"""Log odds of "unusual" by a hidden Markov model: against the textbook's matrices, in pieces, and what they are worth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.calibration.test_smoothing import split
from vadray.calibration import Calibration, EventRules, Markov, MarkovSmoother, VideoScores, smooth
from vadray.calibration.markov import LOOK_S
from vadray.errors import RequestError

MODEL = Markov(middle=1.1, weight=6.0)
gaps_s = st.lists(
    st.sampled_from([0.0, 0.04, 0.1, 1 / 3, 5.0, 29.0, 31.0, 95.0, -0.1]), min_size=1, max_size=60
)


def smoothed(time_s, score, model=MODEL, kept=None):
    smoother = MarkovSmoother(model)
    return np.concatenate([smoother.push(time_s, score, kept), smoother.finish()])


def by_matrices(time_s, score, model):
    """Rabiner's forward and backward variables, as probabilities of both states."""
    steps = np.diff(time_s)
    weights = np.minimum(np.r_[steps[0], steps], LOOK_S)
    likelihood = np.stack([np.ones(len(score)), np.exp(model.weight * weights * (score - model.middle))])
    change = (1 - np.exp(-2 * steps / model.stretch_s)) / 2
    transitions = [np.array([[1 - one, one], [one, 1 - one]]) for one in change]
    forward = [np.array([0.5, 0.5]) * likelihood[:, 0]]
    for at, matrix in enumerate(transitions, 1):
        forward.append(matrix @ forward[-1] * likelihood[:, at])
    backward = [np.ones(2)]
    for at in range(len(score) - 1, 0, -1):
        backward.insert(0, transitions[at - 1] @ (likelihood[:, at] * backward[0]))
    normal, unusual = (np.array(forward) * np.array(backward)).T
    return np.log(unusual / normal)


def test_is_what_forward_and_backward_variables_give():
    random = np.random.default_rng(0)
    time_s = np.cumsum(random.choice([0.04, 0.1, 3.0], 80))  # 40 to 60 s: all within two blocks
    time_s = time_s[time_s < time_s[0] + 60]
    score = random.normal(1.1, 0.3, len(time_s))
    np.testing.assert_allclose(smoothed(time_s, score), by_matrices(time_s, score, MODEL), atol=1e-9)


def test_what_is_far_away_hardly_counts():
    random = np.random.default_rng(1)
    time_s, score = np.arange(2000) / 10, random.normal(1.1, 0.3, 2000)
    difference = np.abs(smoothed(time_s, score) - by_matrices(time_s, score, MODEL))
    assert 0 < difference.max() < 0.02


@settings(max_examples=200, deadline=None)
@given(gaps_s, st.integers(0, 2**32 - 1), st.lists(st.integers(0, 60)), st.sampled_from([0.3, 1e4]))
def test_any_split_gives_the_same_bits(gaps, seed, cuts, spread):
    random = np.random.default_rng(seed)
    time_s, score, kept = (
        np.cumsum(gaps),
        random.normal(1.1, spread, len(gaps)),
        random.random(len(gaps)) < 0.8,
    )
    smoother = MarkovSmoother(MODEL)
    pieces = zip(split(time_s, cuts), split(score, cuts), split(kept, cuts), strict=True)
    parts = [smoother.push(*piece) for piece in pieces] + [smoother.finish()]
    np.testing.assert_array_equal(np.concatenate(parts), smoothed(time_s, score, kept=kept))
    assert smoother.finish().tolist() == [], "ready for the next video"


def test_a_faint_long_event_is_found_with_its_edges():
    random = np.random.default_rng(2)
    time_s, event = np.arange(3000) / 10, np.zeros(3000, bool)
    event[1000:1200] = event[2000:2060] = True
    score = 1 + 0.13 * random.normal(size=3000) + 0.2 * event
    unusual = smoothed(time_s, score) > 0
    wrong = np.flatnonzero(unusual != event)
    edges = np.array([1000, 1200, 2000, 2060])
    assert (np.abs(wrong[:, None] - edges).min(axis=1) < 10).all(), "but for a second at each edge"
    for width in (0.8, 5.0):  # a mean as short knows too little, one as long blurs the edges
        mean = smooth(time_s, score, width)
        assert min(((mean > level) != event).sum() for level in np.linspace(0.9, 1.4, 101)) > len(wrong)


def test_frames_that_do_not_count_are_evidence_for_neither():
    time_s, score = np.arange(100) / 10, np.full(100, 0.9)
    kept = np.ones(100, bool)
    kept[40:60] = False
    loud = np.where(kept, score, 50.0)
    np.testing.assert_array_equal(smoothed(time_s, loud, kept=kept), smoothed(time_s, score, kept=kept))
    assert smoothed(time_s, loud).max() > 30 and smoothed(time_s, loud, kept=kept).max() < 0


def test_a_frame_alone_is_one_look():
    assert smoothed(np.array([3.0]), np.array([1.6])) == pytest.approx(6.0 * LOOK_S * 0.5)


def test_holds_no_more_than_two_blocks():
    smoother = MarkovSmoother(MODEL)
    held = 0
    for second in range(300):
        smoother.push(second + np.arange(10) / 10, np.zeros(10))
        held = max(held, len(smoother._time_s))
    assert held <= 610


def footage(seed, event=False):
    """Ten minutes of scores that drift as those of real footage do: of 2 s some ten frames are much the same."""
    random = np.random.default_rng(seed)
    time_s = np.arange(6000) / 10
    drift = np.convolve(random.normal(size=6019), np.full(20, 20**-0.5), "valid")
    unusual = (time_s > 200) & (time_s < 215) if event else np.zeros(6000, bool)
    return VideoScores("gate", time_s, 1 + 0.13 * drift + 0.5 * unusual)


def test_a_calibration_keeps_it_and_streams_what_it_applies():
    fitted = Calibration.fit(
        [footage(seed) for seed in range(12)], smoothing="markov", false_alarms_per_hour=1
    )
    markov = fitted.rules.markov
    assert markov.middle == pytest.approx(1 + 0.75 * 0.13, abs=0.01)
    again = Calibration.from_json(fitted.to_json())
    assert again.to_json() == fitted.to_json() and again.rules == fitted.rules
    video = footage(99, event=True)
    applied = again.apply(video)
    assert len(applied.events) == 1
    first, last = (video.time_s[at] for at in applied.events[0])
    assert first == pytest.approx(200, abs=3) and last == pytest.approx(215, abs=3)
    smoother, builder = again.smoother(), again.event_builder("gate")
    flags = [
        builder.push(video.time_s[done : done + len(part)], part)
        for done, part in in_pieces(smoother, video, 137)
    ]
    np.testing.assert_array_equal(np.concatenate([*flags, builder.finish()]), applied.flags)
    # a picture is kept of every event: none is without a frame that may be pictured
    assert markov.middle == again.least_peak
    assert video.score[slice(*applied.events[0])].max() >= again.least_peak


def in_pieces(smoother, video, size):
    done = 0
    for start in range(0, len(video.score), size):
        part = smoother.push(video.time_s[start : start + size], video.score[start : start + size])
        yield done, part
        done += len(part)
    yield done, smoother.finish()


def test_a_camera_that_sees_nothing_most_of_the_time_has_the_scale_of_what_moves():
    busy = footage(0)
    quiet = np.concatenate([busy.score, np.zeros(9 * len(busy.score))])
    assert Markov.fit(quiet).middle == pytest.approx(Markov.fit(busy.score).middle, abs=1e-3)
    still = smoothed(np.arange(600) / 10, np.zeros(600), Markov.fit(quiet))
    assert still.max() < 0, "and that nothing moves is evidence of normal footage"


def test_older_calibrations_have_none_and_say_the_same():
    fitted = Calibration.fit([footage(0)])
    assert "markov" not in fitted.to_json() and Calibration.from_json(fitted.to_json()).rules == fitted.rules


def test_what_cannot_be_fitted_is_refused():
    still = VideoScores(None, np.arange(100) / 10, np.ones(100))
    with pytest.raises(RequestError, match="'markov' needs normal scores that differ"):
        Calibration.fit([still], smoothing="markov")
    for wrong in ({"weight": 0.0}, {"stretch_s": -1.0}, {"middle": np.nan}):
        with pytest.raises(ValueError, match=f"`{next(iter(wrong))}` must be"):
            Markov(**{"middle": 1.0, "weight": 1.0, **wrong})
    assert EventRules(markov=MODEL).to_dict()["markov"]["stretch_s"] == 10.0
