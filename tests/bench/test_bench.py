"""The benchmarks run and say what they promise, on little."""

import json

import numpy as np
import pytest

from tests.media.conftest import column, decode_all, request_for
from vadray.bench import alarms, decode, nodes, scale, specimens, sweep
from vadray.bench.planning import measured_planning
from vadray.cli import main


@pytest.fixture
def little(monkeypatch):
    monkeypatch.setattr(decode, "VIDEO_SIZES", ((48, 64),))
    monkeypatch.setattr(decode, "VIDEO_FRAMES", 25)
    monkeypatch.setattr(decode, "PICTURE_SIDES", (64,))
    monkeypatch.setattr(decode, "PICTURES", 3)


def result(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_decode_compares_with_what_others_take(little, capsys):
    assert main(["bench", "decode", "rounds=1"]) == 0
    found = result(capsys)
    assert found["h264_64x48"]["frames"] == 25
    assert {"over_opencv", "over_pyav", "frames_per_cpu_s"} <= found["h264_64x48"].keys()
    assert found["jpeg_64x64"]["frames"] == 3


def test_decode_refuses_what_is_no_video(little, tmp_path, capsys):
    (tmp_path / "x.mp4").write_text("no video")
    assert main(["bench", "decode", "rounds=1", f"data={tmp_path / 'x.mp4'}"]) == 2
    assert "expected a video" in capsys.readouterr().err


@pytest.mark.parametrize("unit_images,units", [(1, 200), (64, 4)])
def test_planning_counts_every_object(tmp_path, unit_images, units):
    found = measured_planning(str(tmp_path), 200, unit_images, lambda text: None)
    assert (found["objects"], found["units"]) == (200, units)
    assert found["listed_per_s"] > 0 and found["planning_mib"] > 0


@pytest.mark.soak
def test_scale_holds_its_simulation_against_real_nodes(monkeypatch, capsys):
    monkeypatch.setattr(scale, "FILES", 4)
    monkeypatch.setattr(nodes, "TASKS", 20)
    monkeypatch.setattr(scale, "NODES", (2,))
    monkeypatch.setattr(scale, "CAMERA_HOURS", 1)
    assert main(["bench", "scale", "rounds=1", "objects=1000", "gpu_frames_per_s=2000"]) == 0
    found = result(capsys)
    assert [one["nodes"] for one in found["checked"]] == [1, 2]
    # one node's stages are measured on that node: its simulation is wrong only if the simulation is
    assert found["checked"][0]["simulated_over_real"] == pytest.approx(1, abs=0.1)
    for night in found["forecast"].values():
        (gpu,) = night["gpus"]
        assert gpu["cpus_a_node"] == pytest.approx(2000 / night["frames_per_cpu_s"], rel=0.5, abs=1)


@pytest.mark.soak
def test_sweep_and_score_compare_with_what_is_usually_written(monkeypatch, capsys):
    monkeypatch.setattr(sweep, "VIDEOS", 4)
    monkeypatch.setattr(sweep, "VIDEO_SIZE", (32, 32))
    monkeypatch.setattr(sweep, "PICTURES", 200)
    monkeypatch.setattr(sweep, "PLAIN_PICTURES", 20)
    assert main(["bench", "sweep", "rounds=1"]) == 0
    found = result(capsys)
    assert (found["video"]["frames"], found["image"]["frames"]) == (1000, 200)
    assert all(kind["of_ideal"] > 0 and kind["over_plain"] > 0 for kind in found.values())
    assert main(["bench", "score", "rounds=1", "detectors=conv_ae,frame_difference"]) == 0
    found = result(capsys)["detectors"]
    assert found["conv_ae"]["over_naive"] > 0 and "over_naive" not in found["frame_difference"]


def test_alarms_are_counted_on_footage_that_calibrated_nothing(cluster, capsys):
    assert main(["bench", "alarms", "hours=0.1"]) == 0
    found = result(capsys)
    assert (found["calibrated_on_h"], found["unseen_h"]) == (0.3, 0.1)
    for rate in alarms.RATES:
        ways = found[f"{rate:g} an hour"]
        assert ways.keys() == {"all", *alarms.CAMERAS, "little"}
        assert ways["all"]["expected"] == pytest.approx(rate * 0.1)
        assert ways["all"]["counted"] <= 12, "of so little, chance decides"
    rare = found["1 an hour"]["all"]
    assert rare["extrapolated"] and rare["as_predicted"] is None, "0.3 hours cannot show one an hour"


def test_score_refuses_a_detector_that_must_be_fitted_first(capsys):
    assert main(["bench", "score", "rounds=1", "detectors=feature_density"]) == 2
    assert "feature_density" in capsys.readouterr().err


def test_a_long_video_is_the_same_minute_again_and_again(tmp_path):
    specimens.write_long_video(tmp_path / "0.mp4", 32, 32, 3)
    chunks = decode_all(request_for(tmp_path / "0.mp4"))
    assert column(chunks, "time_s") == pytest.approx(np.arange(900) / 5)


@pytest.mark.soak
def test_resume_scores_what_is_left(capsys):
    assert main(["bench", "resume", "objects=1000", "done=0.9"]) == 0
    found = result(capsys)
    assert found["objects"] == 1000 and found["seconds"] > 0 and found["driver_mib"] > 0
