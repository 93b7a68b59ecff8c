"""An event of a real sweep as a film, and why it scored."""

import shutil

import cv2
import pytest

from tests.running import run
from vadray.report.tables import read_table


@pytest.fixture(scope="module")
def events(swept) -> dict[str, dict]:
    """An event of a video and one of an image."""
    found = read_table(str(swept[0]), "events", "night").to_pylist()
    kinds = {"video": ".mp4", "image": (".jpg", ".png")}
    return {
        kind: next(event for event in found if event["object_uri"].endswith(suffix))
        for kind, suffix in kinds.items()
    }


@pytest.mark.parametrize("kind", ["video", "image"])
def test_a_peak_scores_the_same_again_and_is_drawn(swept, events, kind, tmp_path, capsys):
    event, out = events[kind], tmp_path / "why.png"
    status, result, said = run(capsys, "explain", swept[0], event["event_id"], f"out={out}")
    assert status == 0 and result["same"] and "the same again" in said
    assert result["recorded_score"] == pytest.approx(event["peak_score"])
    assert result["panels"][:3] == ["input", "normal to the detector", "difference"]
    picture = cv2.imread(str(out))
    assert picture.shape[1] > 3 * 400 and picture.std() > 20


def test_a_film_is_cut_from_what_was_swept(swept, events, tmp_path, capsys):
    event = events["video"]
    status, result, _ = run(capsys, "clip", swept[0], event["event_id"], f"out={tmp_path}/a.mp4", "after_s=0")
    assert status == 0 and result["frames"] >= event["end_frame"] - event["start_frame"] + 1


def test_another_bundle_is_refused(swept, events, bundles, tmp_path, capsys):
    shutil.copytree(bundles["video"], tmp_path / "moved")
    status, result, _ = run(
        capsys,
        *("explain", swept[0], events["video"]["event_id"]),
        *(f"bundle={tmp_path}/moved", f"out={tmp_path}/a.png"),
    )
    assert status == 0 and result["same"], "the same one elsewhere"
    status, _, said = run(
        capsys, "explain", swept[0], events["video"]["event_id"], f"bundle={bundles['image']}"
    )
    assert status == 2 and "expected the one that scored the event" in said
