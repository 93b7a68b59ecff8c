"""Training from labels on a real Ray: a bundle that is judged by what it did not learn from, and that sweeps."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from vadray import cli
from vadray.bundle import open_bundle
from vadray.config import TrainOptions
from vadray.errors import RequestError
from vadray.evaluation.learned import LEARNED
from vadray.synth import synthesise
from vadray.training.train import train

SMALL = {
    "detector": "recognition",
    "size": (64, 96),
    "epochs": 4,
    "steps_per_epoch": 10,
    "batch_size": 8,
    "actors": 1,
}


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Ten labelled videos, two of them normal, and a normal half."""
    return synthesise(
        tmp_path_factory.mktemp("labelled"), normal_videos=2, test_videos=10, seconds=6, kind="video"
    )


@pytest.fixture(scope="module")
def trained(labelled, cluster, tmp_path_factory):
    out = tmp_path_factory.mktemp("recogniser") / "bundle"
    settings = {"base": "frame_difference", "units": 8}
    options = TrainOptions(
        archive=str(labelled.root), out=str(out), test=0.3, learning_rate=0.01, settings=settings, **SMALL
    )
    return train(options, print)


def test_the_bundle_knows_what_it_learned_from(trained, labelled):
    learned = json.loads((Path(trained.bundle.uri) / LEARNED).read_text())
    parts = {name: {one["object_uri"] for one in part} for name, part in learned.items()}
    assert parts["train"] and parts["validation"] and not parts["train"] & parts["validation"]
    assert len(parts["calibration"]) == 2, "the normal half"
    figures = trained.figures
    assert figures["train_objects"] + figures["validation_objects"] + figures["test_objects"] == 10
    assert figures["calibrated_on"] == "normal half"
    assert trained.bundle.info["history"][-1]["loss"] < trained.bundle.info["history"][0]["loss"]
    assert not list(Path(trained.bundle.uri).parent.glob("*.candidate"))


def test_evaluation_leaves_out_what_was_learned_from_also_of_a_moved_set(trained, labelled, tmp_path, capsys):
    count = trained.figures["test_objects"]
    shutil.copytree(labelled.root, tmp_path / "moved")
    assert cli.main(["evaluate", trained.bundle.uri, str(tmp_path / "moved"), "actors=1"]) == 0
    said = capsys.readouterr()
    assert f"left out: {10 - count} labelled objects" in said.err
    found = json.loads(said.out.splitlines()[-1])
    assert len(found["left_out"]) == 10 - count and found["videos"] == count
    assert found["auc_micro"] > 0.7, "planted anomalies move unlike walkers"
    # what the head made of the same videos when it was trained
    assert found["auc_micro_raw"] == pytest.approx(trained.figures["auc_test"], abs=1e-3)


@pytest.mark.soak  # half a minute
def test_a_comparison_judges_all_by_what_none_has_learned_from(trained, labelled, tmp_path, capsys):
    out = tmp_path / "comparison"
    command = ["evaluate", trained.bundle.uri, str(labelled.root), "--compare", "frame_difference"]
    assert cli.main([*command, f"out={out}", "actors=1", "training={all: {size: [64, 96]}}"]) == 0
    rows = json.loads((out / "comparison.json").read_text())
    assert [row["videos"] for row in rows] == [trained.figures["test_objects"]] * 2
    assert cli.main([*command[:3], "--compare", "recognition", f"out={out}"]) == 2
    assert "recognition learns from labels" in capsys.readouterr().err


def test_calibrated_again_it_knows_on_what_and_sweeps(trained, labelled, tmp_path, capsys):
    (tmp_path / "one").mkdir()
    one = shutil.copy(next(labelled.train.rglob("*.mp4")), tmp_path / "one")
    again = str(tmp_path / "again")
    assert cli.main(["calibrate", trained.bundle.uri, str(tmp_path / "one"), f"out={again}", "actors=1"]) == 0
    before, after = (json.loads(Path(uri, LEARNED).read_text()) for uri in (trained.bundle.uri, again))
    assert [found["object_uri"] for found in after.pop("calibration")] == [one] and before.pop("calibration")
    assert after == before
    assert (
        cli.main(["sweep", str(labelled.train), "--bundle", again, f"out={tmp_path / 'report'}", "actors=1"])
        == 0
    )
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["scored"] == 2


@pytest.mark.soak  # half a minute
def test_the_base_may_be_a_trained_bundle_and_footage_without_a_normal_half(
    bundles, labelled, cluster, tmp_path
):
    shutil.copytree(labelled.test, tmp_path / "set" / "test")
    shutil.copy(labelled.labels, tmp_path / "set" / "labels.json")
    small = {**SMALL, "size": None, "epochs": 1, "steps_per_epoch": 2, "init": str(bundles["video"])}
    found = train(TrainOptions(archive=str(tmp_path / "set"), out=str(tmp_path / "out"), **small), print)
    assert found.figures["calibrated_on"] == "validation part"
    base, source = found.bundle.load_detector().base, open_bundle(str(bundles["video"])).load_detector()
    for ours, theirs in zip(base.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert found.figures["init_digest"] == open_bundle(str(bundles["video"])).digest


def test_labelled_images_are_read_by_an_image_bundle(archive, bundles, cluster, tmp_path):
    small = {**SMALL, "size": None, "epochs": 1, "steps_per_epoch": 2, "init": str(bundles["image"])}
    found = train(TrainOptions(archive=str(archive.root), out=str(tmp_path / "out"), **small), print)
    assert found.bundle.kind == "image" and found.bundle.context == 0
    assert found.figures["calibrated_on"] == "normal half" and found.figures["test_objects"] > 0


@pytest.mark.parametrize(
    "more, said",
    [
        ({"temporal": "lstm"}, "temporal: recognition has no such choice"),
        ({"settings": {"unit": 3}}, "did you mean units"),
        ({"settings": {"base": "stae"}}, "base=stae"),
        ({"validation": 0.6, "test": 0.4}, "less than 1 in sum"),
    ],
)
def test_what_it_cannot_do_is_refused(more, said, labelled, tmp_path):
    with pytest.raises(RequestError, match=said):
        train(TrainOptions(archive=str(labelled.root), out=str(tmp_path / "out"), **{**SMALL, **more}), print)


def test_what_cannot_be_learned_from_is_refused(labelled, cluster, tmp_path):
    unlabelled = TrainOptions(archive=str(labelled.train), out=str(tmp_path / "out"), **SMALL)
    with pytest.raises(RequestError, match=r"recognition learns from labels.*labels\.json.*UCSD"):
        train(unlabelled, print)
    one_class = tmp_path / "one-class"
    shutil.copytree(labelled.test, one_class / "test")
    truth = json.loads(labelled.labels.read_text())
    odd = next(name for name, clip in truth["clips"].items() if clip["anomalous"])
    for name, clip in truth["clips"].items():
        clip["anomalous"] = clip["anomalous"] if name == odd else []
    (one_class / "labels.json").write_text(json.dumps(truth))
    options = TrainOptions(archive=str(one_class), out=str(tmp_path / "out"), **SMALL)
    with pytest.raises(RequestError, match=r"normal frames in the \w+ part, received .* with 0 anomalous"):
        train(options, print)
    assert not (tmp_path / "out").exists()
