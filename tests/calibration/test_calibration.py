import dataclasses
import json
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vadray.calibration import METHODS, Calibration, EventRules, VideoScores
from vadray.calibration.hours import ByHour, hours_of
from vadray.errors import RequestError


def videos(camera="door", level=1.0, count=3000, seed=0):
    generator = np.random.default_rng(seed)
    return [VideoScores(camera, np.arange(count) / 5, level * generator.gamma(4.0, size=count))]


@pytest.mark.parametrize("method", [m for m in METHODS if m != "best_f1"])
def test_every_method_round_trips_exactly_through_json(method):
    fitted = Calibration.fit(videos(), method=method, value=9.0, per_camera=True)
    restored = Calibration.from_json(fitted.to_json())
    assert restored.to_json() == fitted.to_json()
    assert restored.for_camera("door").threshold == fitted.for_camera("door").threshold
    video = videos(seed=1)[0]
    np.testing.assert_array_equal(restored.apply(video).p_value, fitted.apply(video).p_value)


def test_json_has_the_documented_shape():
    data = json.loads(Calibration.fit(videos(), per_camera=True).to_json())
    assert data["schema_version"] == 1
    assert set(data) >= {"default", "cameras"}
    assert list(data["cameras"]) == ["door"]


def test_defaults_are_false_alarms_for_video_and_a_quantile_for_images():
    assert Calibration.fit(videos()).method == "false_alarms_per_hour"
    fitted = Calibration.fit(videos(), kind="image")
    assert (fitted.method, fitted.parameters) == ("quantile", {"quantile": 0.99})
    assert fitted.rules.smooth_s == 0


def test_hours_include_the_last_frame():
    assert Calibration.fit(videos(count=3600 * 5)).default.hours == pytest.approx(1.0)


def test_cameras_get_their_own_thresholds_and_too_little_data_falls_back_with_a_note():
    normal = videos("dark", 1.0) + videos("bright", 10.0) + videos("new", 1.0, count=50)
    fitted = Calibration.fit(normal, method="sigma", per_camera=True)
    assert fitted.for_camera("bright").threshold > 5 * fitted.for_camera("dark").threshold
    assert fitted.for_camera("new") is fitted.default
    assert fitted.for_camera(None) is fitted.default
    assert "50 normal scores" in fitted.notes["new"]


def test_the_stream_gives_what_apply_gives():
    fitted = Calibration.fit(videos(), false_alarms_per_hour=60, rules=EventRules(min_event_s=0.4))
    video = videos(seed=5)[0]
    whole = fitted.apply(video)
    smoother, builder = fitted.smoother(), fitted.event_builder(video.camera)
    smoothed, flags, sent_s = [], [], 0
    pieces = [smoother.push(video.time_s[i : i + 64], video.score[i : i + 64]) for i in range(0, 3000, 64)]
    for piece in [*pieces, smoother.finish()]:
        smoothed.append(piece)
        flags.append(builder.push(video.time_s[sent_s : sent_s + len(piece)], piece))
        sent_s += len(piece)
    flags.append(builder.finish())
    np.testing.assert_array_equal(np.concatenate(smoothed), whole.smoothed)
    np.testing.assert_array_equal(np.concatenate(flags), whole.flags)
    assert whole.events


def test_every_image_is_its_own_event():
    fitted = Calibration.fit(videos(), kind="image", method="fixed", value=5.0)
    applied = fitted.apply(VideoScores(None, np.zeros(4), np.array([6.0, 7.0, 1.0, 5.0])))
    assert applied.flags.tolist() == [True, True, False, True]
    assert applied.events == [(0, 0), (1, 1), (3, 3)]


def test_best_f1_needs_labels_of_every_video():
    with pytest.raises(RequestError, match="`labels` must be given for every video"):
        Calibration.fit(videos(), method="best_f1")
    labelled = VideoScores(None, np.arange(4.0), np.array([0, 0, 5, 5.0]), np.array([0, 0, 1, 1], bool))
    fitted = Calibration.fit([labelled], method="best_f1", rules=EventRules(smooth_s=0.0))
    assert fitted.default.threshold == 5.0


def test_odd_times_do_not_stop_it():
    time_s = np.array([0.0, 0.1, 0.1, 0.05, 0.3, 0.4])
    applied = Calibration.fit(videos()).apply(VideoScores("door", time_s, np.array([0, 0, 0, 99, 99, 0.0])))
    assert applied.flags.any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "sound"}, "`kind` must be one of"),
        ({"method": "magic"}, "`method` must be one of .* Received: 'magic'"),
        ({"kind": "image", "method": "false_alarms_per_hour"}, "images"),
        ({"method": "fixed"}, "`value` must be given"),
        ({"method": "quantile", "quantile": 2.0}, "`quantile` must lie between 0 and 1"),
        ({"false_alarms_per_hour": 0.0}, "must be above 0"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(RequestError, match=message):
        Calibration.fit(videos(), **arguments)


def test_no_scores_are_refused():
    with pytest.raises(RequestError, match="at least one normal score"):
        Calibration.fit([VideoScores(None, np.empty(0), np.empty(0))])


@pytest.mark.parametrize("text", ["", "[]", '{"schema_version": 1}', '{"schema_version": 7}'])
def test_another_json_is_refused(text):
    with pytest.raises(RequestError, match=r"calibration\.json"):
        Calibration.from_json(text)


DAY_AND_NIGHT = datetime(2026, 11, 22, tzinfo=UTC)


def two_hours(seed: int, loud: float) -> VideoScores:
    """Two hours of a camera from 00:30 on: from 01:00 to 02:00 its scores are `loud` times as high."""
    time_s = np.arange(7200) * 1.0
    score = np.random.default_rng(seed).gamma(4.0, size=7200)
    score[(time_s >= 1800) & (time_s < 5400)] *= loud
    return VideoScores("gate", time_s, score, captured_at=DAY_AND_NIGHT.replace(minute=30))


def test_each_hour_has_the_threshold_of_its_own_footage():
    rules = EventRules(smooth_s=0, merge_gap_s=0)
    videos_ = [two_hours(seed, 5.0) for seed in range(12)]
    fitted = Calibration.fit(videos_, false_alarms_per_hour=2, per_camera=True, per_hour=True, rules=rules)
    assert fitted.hours["gate"].keys() == {0, 1, 2}
    assert fitted.hours["gate"][1].threshold > 3 * fitted.hours["gate"][0].threshold
    unseen = two_hours(99, 5.0)
    loud = (unseen.time_s >= 1800) & (unseen.time_s < 5400)
    applied = fitted.apply(unseen)
    assert 0 < sum(~loud[a] for a, _ in applied.events) < 12, "the quiet hours have theirs"
    assert 0 < sum(loud[a] for a, _ in applied.events) < 8
    without = dataclasses.replace(fitted, hours={}).apply(unseen)
    assert all(loud[a] for a, _ in without.events), "one threshold sees the loud hour alone"
    assert Calibration.from_json(fitted.to_json()).to_json() == fitted.to_json()
    assert fitted.least_peak == min(one.release for one in fitted.hours["gate"].values())


def test_an_hour_with_little_footage_says_so():
    fitted = Calibration.fit([two_hours(0, 5.0)], false_alarms_per_hour=2, per_camera=True, per_hour=True)
    assert fitted.hours["gate"] == {}
    assert (
        fitted.notes["gate@01"] == "1 h of normal footage, fewer than 1.5 h: the camera's own threshold used"
    )
    unknown = dataclasses.replace(two_hours(0, 5.0), captured_at=None)
    assert Calibration.fit([unknown], per_camera=True, per_hour=True).hours["gate"] == {}


@example([0.0], (0.0, 2.225073858507203e-309), (0.0, 1.0))  # a band too narrow to divide by
@given(
    st.lists(st.floats(0, 100), min_size=1, max_size=20),
    st.tuples(st.floats(0, 50), st.floats(0, 50)),
    st.tuples(st.floats(0, 50), st.floats(0, 50)),
)
def test_an_hour_decides_exactly_as_its_own_threshold_does(scores, theirs, ours):
    @dataclasses.dataclass
    class Fixed:
        release: float
        threshold: float

    one, own = Fixed(*sorted(theirs)), Fixed(*sorted(ours))
    smoothed = np.array([*scores, one.release, one.threshold])
    levels = ByHour(own, {3: one}).levelled(smoothed, np.full(len(smoothed), 3))
    assert ((levels >= own.threshold) == (smoothed >= one.threshold)).all()
    if own.release < own.threshold:  # else there is no band between them to put anything into
        assert ((levels >= own.release) == (smoothed >= one.release)).all()
    np.testing.assert_array_equal(
        ByHour(own, {3: one}).levelled(smoothed, np.full(len(smoothed), 4)), smoothed
    )


def test_hours_go_on_over_midnight():
    late = datetime(2026, 11, 22, 23, 59, 30, tzinfo=UTC)
    assert hours_of(late, np.array([0.0, 29.9, 30.0, 3629.0, 3630.0])).tolist() == [23, 23, 0, 0, 1]
    assert hours_of(None, np.zeros(3)) is None
    assert hours_of(late.replace(hour=0, minute=0, second=0), np.zeros(3)) is None, "the day alone is known"
