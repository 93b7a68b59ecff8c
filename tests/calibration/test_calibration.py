import json

import numpy as np
import pytest

from vadray.calibration import METHODS, Calibration, EventRules, VideoScores
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
