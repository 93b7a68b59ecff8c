"""The motion table of a detector on a set with a normal half, and what it says where it cannot be complete."""

import json
import shutil
from pathlib import Path

import pytest

from tests.evaluation.conftest import real_set  # noqa: F401
from vadray import cli
from vadray.bundle import open_bundle
from vadray.config import EvaluateOptions
from vadray.evaluation import read_labels
from vadray.evaluation.motion_table import held_out_videos
from vadray.evaluation.scored import planned_units
from vadray.training import footage


def written(out: Path) -> tuple[dict, str, Path]:
    (folder,) = (out / "cells").iterdir()
    evaluation = folder / "evaluation"
    return (
        json.loads((evaluation / "motion.json").read_text()),
        (evaluation / "motion.md").read_text(),
        folder,
    )


@pytest.fixture(scope="module")
def synthetic(archive, cluster, tmp_path_factory):
    out = tmp_path_factory.mktemp("motion")
    command = ["evaluate", "motion", str(archive.root), "motion_table=true", f"out={out}", "actors=1"]
    command.append("training={motion: {size: [64, 96]}}")
    return out, command, cli.main(command)


def test_every_video_is_in_its_part(synthetic, archive):
    out, _, status = synthetic
    assert status == 0
    table, text, folder = written(out)
    names = {part: {row["video"] for row in table[part]} for part in ("training", "validation", "testing")}
    assert len(names["training"]) == 2 and len(names["validation"]) == 1 and len(names["testing"]) == 3
    bundle = open_bundle(str(folder / "bundle"))
    options = EvaluateOptions(bundle=bundle.uri, dataset=str(archive.root))
    units = planned_units(str(archive.train), bundle, options)
    sides = footage.split(units, 0.2, 0)
    assert {Path(unit["members"][0]["object_uri"]).name for unit in sides.held_out} == {
        Path(name).name for name in names["validation"]
    }
    for part in ("Training", "Validation", "Testing"):
        assert f"## {part}" in text
    assert table["notes"] == [] and table["size"] == [64, 96]


def test_figures_are_of_the_video(synthetic, archive):
    table, _, folder = written(synthetic[0])
    for row in table["training"] + table["validation"] + table["testing"]:
        assert row["motion"] in ("low", "moderate", "high")
        assert 0 < row["frame_difference_rate"] < 1 and row["optical_flow_px"] > 0
        assert 0 < row["flow_reliability"] <= 1 and 0 <= row["detection_accuracy"] <= 1
        assert 0.25 * 0.001 <= row["adaptive_learning_rate"] <= 4 * 0.001
    # what is learned from moves as much as usual on average
    rates = [row["adaptive_learning_rate"] for row in table["training"]]
    assert sum(rates) / len(rates) == pytest.approx(0.001, rel=1e-6)
    evaluation = json.loads((folder / "evaluation" / "evaluation.json").read_text())
    frames = {path: own.frames for path, own in read_labels(str(archive.root)).labels.items()}
    right = sum(row["detection_accuracy"] * frames[row["video"]] for row in table["testing"])
    assert right == pytest.approx(evaluation["accuracy"] * evaluation["frames"])


def test_a_kept_cell_gets_the_table_it_lacks(synthetic, capsys):
    out, command, _ = synthetic
    _, text, folder = written(out)
    trained = (folder / "bundle" / "bundle.json").stat().st_mtime_ns
    (folder / "evaluation" / "motion.json").unlink()
    assert cli.main(command) == 0
    captured = capsys.readouterr().err
    assert "kept from an earlier run" not in captured and "## Testing" in captured
    assert written(out)[1] == text and (folder / "bundle" / "bundle.json").stat().st_mtime_ns == trained
    assert cli.main(command) == 0
    assert "kept from an earlier run" in capsys.readouterr().err


@pytest.mark.soak  # half a minute
def test_a_bundle_without_provenance_has_no_validation_part(archive, bundles, tmp_path, capsys):
    command = [
        "evaluate",
        str(bundles["video"]),
        str(archive.root),
        "motion_table=true",
        f"out={tmp_path}",
        "actors=1",
    ]
    assert cli.main(command) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    table = json.loads(Path(result["motion_json"]).read_text())
    assert len(table["training"]) == 3 and "validation" not in table
    assert "trained on other footage" in table["notes"][0]
    assert table["notes"][0] in Path(result["motion_md"]).read_text()


def test_a_bundle_that_does_not_say_which_share_it_held_out_is_not_guessed_at(synthetic, archive):
    bundle = open_bundle(str(written(synthetic[0])[2] / "bundle"))
    units = planned_units(
        str(archive.train), bundle, EvaluateOptions(bundle=bundle.uri, dataset=str(archive.root))
    )
    assert len(held_out_videos(bundle, units, str(archive.train))) == 1
    del bundle.info["data"]["validation"]
    assert "does not say which share" in held_out_videos(bundle, units, str(archive.train))
    bundle.info["data"]["held_out_by"] = "unit"
    assert "a part of its only video" in held_out_videos(bundle, units, str(archive.train))


def test_images_have_no_motion(archive, bundles, capsys):
    command = ["evaluate", str(bundles["image"]), str(archive.root), "motion_table=true"]
    assert cli.main(command) == 2
    assert "motion_table: expected a bundle that scores video" in capsys.readouterr().err


@pytest.mark.soak
def test_real_clips_have_a_table_and_region_figures(cluster, real_set, tmp_path):  # noqa: F811
    """Two clips of Ped2 with a cyclist each: measured optical flow finds them where they are."""
    ped2, small = Path(real_set("ped2")), tmp_path / "ped2"
    labels = json.loads((ped2 / "labels.json").read_text())["clips"]
    wanted = ["train/01.mp4", "train/02.mp4", "test/01.mp4", "test/02.mp4"]
    for path in [*wanted, "masks/01.npz", "masks/02.npz"]:
        (small / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ped2 / path, small / path)
    (small / "labels.json").write_text(json.dumps({"clips": {path: labels[path] for path in wanted[2:]}}))
    out = tmp_path / "out"
    command = ["evaluate", "motion", str(small), "motion_table=true", f"out={out}", "actors=1"]
    assert cli.main([*command, "training={motion: {size: [96, 144]}}"]) == 0
    table, text, folder = written(out)
    assert [row["video"] for row in table["testing"]] == ["01.mp4", "02.mp4"]
    assert len(table["training"]) == len(table["validation"]) == 1
    assert {row["motion"] for row in table["testing"]} <= {"moderate", "high"} and "moderate" in text
    figures = json.loads((folder / "evaluation" / "evaluation.json").read_text())
    assert figures["pixel_auroc"] > 0.8 and figures["rbdc"] > 0.2
