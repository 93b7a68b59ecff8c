"""Rules in YAML on a real sweep: what they drop is counted, what they keep says so, and places of before are known."""

import cv2
import numpy as np
import pytest
import yaml

from tests.running import run
from vadray.bundle import open_bundle
from vadray.report.tables import read_commit, read_table


@pytest.fixture
def swept_with(archive, bundles, tmp_path, capsys):
    """Sweeps the archive's test half by rules; gives its events, frames and what was dropped."""

    def sweep(rules: dict | None, name: str, *more: str) -> tuple[list[dict], list[dict], dict]:
        report = tmp_path / "report"
        words = [word for path in bundles.values() for word in ("--bundle", path)]
        if rules is not None:
            (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(rules))
            words.append(f"rules={tmp_path / f'{name}.yaml'}")
        status, _, said = run(
            capsys, "sweep", archive.test, *words, f"out={report}", f"sweep_id={name}", "all=true", *more
        )
        assert status == 0, said
        events, frames = (read_table(str(report), table, name).to_pylist() for table in ("events", "frames"))
        return events, frames, read_commit(str(report), name)["dropped"]

    return sweep


def test_regions_times_and_repeats(swept_with, bundles, tmp_path, capsys):
    plain, frames, dropped = swept_with(None, "plain")
    assert plain and dropped == {} and all(event["rule"] is None for event in plain)

    mask = np.zeros((20, 20), np.uint8)
    mask[:, :10] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    rules = {"rules": [{"name": "left side", "then": "keep", "mask": "mask.png"}], "otherwise": "drop"}
    kept, flagged, dropped = swept_with(rules, "left")
    threshold = open_bundle(str(bundles["video"])).calibration.default.threshold
    for event in kept:
        if event["end_frame"] > event["start_frame"]:  # of a video
            assert event["peak_score"] >= threshold, "no mere echo of what was dropped beside it"
    assert kept and all(event["rule"] == "left side" for event in kept)
    sizes = {
        row["object_uri"]: row["width"]
        for row in read_table(str(tmp_path / "report"), "objects", "left").to_pylist()
    }
    at_peak = {(row["object_uri"], row["frame_index"]): row["peak_x"] for row in flagged}
    assert all(
        at_peak[event["object_uri"], event["peak_frame"]] < sizes[event["object_uri"]] / 2 for event in kept
    )
    assert dropped.keys() == {"no rule"} and dropped["no rule"] >= 1
    assert [(row["score"], row["p_value"]) for row in flagged] == [
        (row["score"], row["p_value"]) for row in frames
    ]

    for event in plain:
        assert run(capsys, "label", tmp_path / "report", event["event_id"], "wrong")[0] == 0
    again = {"rules": [{"name": "known", "then": "drop", "repeats": {"of": "wrong", "overlap": 0.99}}]}
    rest, _, dropped = swept_with(again, "known")
    assert dropped.get("known", 0) >= 1 and len(rest) < len(plain)


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ({"rules": []}, "rules: expected"),
        ({"rules": [{"name": "a", "then": "hide"}]}, "rules.no. 1.then: expected one of"),
        (
            {"rules": [{"name": "a", "then": "drop", "polygons": [[[0, 0], [640, 0], [0, 1]]]}]},
            "shares of width and height",
        ),
        (
            {"rules": [{"name": "a", "then": "drop", "hours": "22-6"}]},
            "rules.no. 1.hours: expected a span of the day, as 22:00-06:00, received '22-6'",
        ),
        ({"rules": [{"name": "a", "then": "drop", "camera": 1}]}, "unknown key; did you mean cameras?"),
        ({"rules": [{"name": "a", "then": "drop"}] * 2}, "names that differ"),
        ({"rules": [{"name": "a", "then": "drop"}], "time_zone": "Mars"}, "Europe/Berlin"),
        ({"rules": [{"name": "a", "then": "drop", "mask": "gone.png"}]}, "no such file"),
    ],
)
def test_a_wrong_rule_is_named_before_anything_is_done(archive, bundles, tmp_path, capsys, rules, told):
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump(rules))
    words = ("sweep", archive.test, "--bundle", bundles["video"], f"out={tmp_path / 'report'}")
    status, _, said = run(capsys, *words, f"rules={path}")
    assert status == 2 and f"rules {path}" in said and told in said, said
    assert not (tmp_path / "report").exists()
