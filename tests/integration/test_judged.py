"""What people say of a night's events reaches thresholds and figures."""

import json
import shutil

from tests.running import run
from vadray.report.tables import read_table


def test_judged_events_are_left_out_of_normal_footage_and_judge_a_bundle(
    swept, archive, bundles, tmp_path, capsys
):
    report = tmp_path / "report"
    shutil.copytree(swept[0], report)
    videos = [
        event
        for event in read_table(str(report), "events", "night").to_pylist()
        if event["object_uri"].endswith(".mp4")
    ]
    right = max(videos, key=lambda event: event["end_frame"] - event["start_frame"])
    for event in videos:
        verdict = "right" if event is right else "wrong"
        assert run(capsys, "label", report, event["event_id"], verdict)[0] == 0

    arguments = ("calibrate", bundles["video"], archive.test, "actors=1", "threshold=quantile")
    _, plain, _ = run(capsys, *arguments, f"out={tmp_path}/plain")
    status, without, said = run(capsys, *arguments, f"out={tmp_path}/without", f"labels={report}")
    length = right["end_frame"] - right["start_frame"] + 1
    assert status == 0 and f"left out: {length} frames of events that were judged right" in said
    assert without["frames"] == plain["frames"] - length
    assert (without["right"], without["wrong"]) == (1, len(videos) - 1)
    assert f"flags {without['right_found']} of 1 right ones" in said
    provenance = json.loads((tmp_path / "without" / "bundle.json").read_text())["calibrated_on"]
    assert provenance["left_out"] == [right["event_id"]]

    status, judged, _ = run(capsys, "evaluate", bundles["video"], report, "actors=1")
    assert status == 0 and judged["anomalous_frames"] == length
    assert judged["recall"] == 1.0, "the bundle that found the event finds it again"


def test_a_damaged_label_costs_a_night_its_page_alone(archive, bundles, tmp_path, capsys):
    report = tmp_path / "report"
    (report / "_labels").mkdir(parents=True)
    (report / "_labels" / "x.json").write_text("{")
    night = ("sweep", archive.test, "--bundle", bundles["video"], f"out={report}", "since=2999-01-01")
    status, result, said = run(capsys, *night, "sweep_id=night")
    assert status == 0 and result["objects"] == 0
    assert "the page was not written" in said and "x.json: expected a label" in said
    (report / "_labels" / "x.json").unlink()
    assert run(capsys, "report", report)[0] == 0 and (report / "report.html").exists()
