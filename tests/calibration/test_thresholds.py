import numpy as np
import pytest

from vadray.calibration import EventRules, find_events, smooth, thresholds

RULES = EventRules(smooth_s=1.0, merge_gap_s=1.0)


def footage(hours, seed, videos=4, fps=5):
    """Normal footage whose score wanders, as real scores do, with a light tail."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(videos):
        count = int(hours * 3600 * fps / videos)
        noise = np.convolve(generator.normal(size=count + 9), np.ones(10) / np.sqrt(10), "valid")
        time_s = np.arange(count) / fps
        found.append((time_s, smooth(time_s, noise**2, RULES.smooth_s)))
    return found


def event_count(videos, threshold):
    median = np.median(np.concatenate([score for _, score in videos]))
    release = thresholds.release_level(threshold, median, RULES)
    return sum(len(find_events(time_s, score, threshold, release, RULES)[1]) for time_s, score in videos)


@pytest.mark.parametrize("rate", [2.0, 10.0, 60.0])
def test_a_measurable_rate_is_met_on_the_calibration_footage_and_tightly(rate):
    videos = footage(4, seed=0)
    found = thresholds.false_alarm_threshold(videos, rate, RULES)
    assert not found.extrapolated
    assert event_count(videos, found.value) <= rate * 4
    assert event_count(videos, found.value * 0.97) > rate * 4


@pytest.mark.parametrize("rate", [0.25, 1.0, 6.0])
def test_the_rate_holds_on_new_footage_to_within_a_factor(rate):
    found = thresholds.false_alarm_threshold(footage(2, seed=1), rate, RULES)
    assert found.extrapolated == (rate * 2 < 3)
    assert rate / 5 <= event_count(footage(40, seed=2, videos=10), found.value) / 40 <= rate * 3


def test_a_rate_too_small_to_measure_is_extrapolated_and_said_to_be():
    videos = footage(0.05, seed=3)
    found = thresholds.false_alarm_threshold(videos, 1.0, RULES)
    assert found.extrapolated
    assert event_count(videos, found.value) <= 3
    rarer = thresholds.false_alarm_threshold(videos, 0.01, RULES)
    assert rarer.value > found.value


def test_many_short_clips_count_as_separate_videos():
    clips = [(np.arange(10) / 10, np.r_[np.zeros(9), 1.0 + index / 1000]) for index in range(200)]
    found = thresholds.false_alarm_threshold(clips, 50 / (200 / 3600), EventRules(smooth_s=0.0))
    assert found.detail["events_left"] == 50
    assert found.value == pytest.approx(1.15)


def test_footage_without_duration_is_refused():
    with pytest.raises(ValueError, match="increasing times"):
        thresholds.false_alarm_threshold([(np.zeros(100), np.zeros(100))], 1.0, RULES)


CONSTANT = np.full(1000, 0.3)


@pytest.mark.parametrize(
    "found",
    [
        thresholds.quantile_threshold(CONSTANT, 0.99),
        thresholds.sigma_threshold(CONSTANT, 3),
        thresholds.mad_threshold(CONSTANT, 3),
        thresholds.evt_threshold(CONSTANT, 0.99),
        thresholds.false_alarm_threshold([(np.arange(1000) / 10, CONSTANT)], 1.0, RULES),
    ],
    ids=lambda found: found.method,
)
def test_a_constant_score_is_never_anomalous(found):
    assert 0.3 < found.value < 0.31


def test_quantile_lets_through_what_it_says():
    scores = np.random.default_rng(0).normal(size=10_000)
    assert np.mean(scores >= thresholds.quantile_threshold(scores, 0.99).value) == pytest.approx(
        0.01, abs=2e-4
    )
    assert thresholds.quantile_threshold(scores[:50], 0.99).extrapolated


def test_quantile_does_not_flag_a_tie():
    scores = np.r_[np.zeros(500), np.ones(500)]
    assert 1 < thresholds.quantile_threshold(scores, 0.9).value < 1.01


def test_sigma_mad_and_evt_agree_on_normal_scores():
    scores = np.random.default_rng(0).normal(size=100_000)
    assert thresholds.sigma_threshold(scores, 3).value == pytest.approx(3, abs=0.05)
    assert thresholds.mad_threshold(scores, 3).value == pytest.approx(3, abs=0.05)
    assert thresholds.evt_threshold(scores, 0.99865).value == pytest.approx(3, abs=0.1)


def test_best_f1_separates_what_can_be_separated():
    found = thresholds.best_f1_threshold(np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 0, 1, 1], bool))
    assert (found.value, found.detail["f1"]) == (0.8, 1.0)
    with pytest.raises(ValueError, match="at least one anomalous"):
        thresholds.best_f1_threshold(np.zeros(3), np.zeros(3, bool))


@pytest.mark.parametrize("quantile", [0.0, 1.0, 99.0])
def test_a_quantile_outside_0_1_is_refused(quantile):
    with pytest.raises(ValueError, match="between 0 and 1"):
        thresholds.quantile_threshold(CONSTANT, quantile)


def test_release_lies_half_way_to_the_median_and_never_above_the_threshold():
    assert thresholds.release_level(3.0, 1.0, EventRules()) == 2.0
    assert thresholds.release_level(0.5, 1.0, EventRules()) == 0.5
