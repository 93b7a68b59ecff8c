"""A search on a real Ray Tune: the start beside the best, and nothing that ended done twice."""

import json
from pathlib import Path

import pytest

from vadray.bundle import open_bundle
from vadray.config import TuneOptions
from vadray.training.tune import tune


def test_an_interrupted_search_goes_on_and_leaves_the_best_bundle(archive, cluster, tmp_path):
    """Interrupted when the second trial ends, as Ctrl-C would, and as if killed just before that."""
    options = TuneOptions(
        archive=str(archive.train),
        out=str(tmp_path / "bundle"),
        detector="stae",
        size=(32, 48),
        window=4,
        units=8,
        settings={"filters": [4, 4], "code_channels": 2},
        batch_size=4,
        actors=1,
        steps_per_epoch=4,
        learning_rate=1e-5,
        epochs=2,
        grace_epochs=1,
        trials=3,
        concurrent=1,
        space={"learning_rate": {"loguniform": [1e-3, 1e-2]}},
    )

    def interrupt(text: str) -> None:
        if text.startswith("trial 1"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(options, interrupt)
    (last,) = tmp_path.glob(".bundle.tuning-*/trial-001/last.zip")
    trained = last.stat().st_mtime_ns
    last.with_name("trial.json").unlink()

    said: list[str] = []

    def watch(text: str) -> None:
        said.append(text)
        if text.startswith("trial 1"):
            assert last.stat().st_mtime_ns == trained, "its epochs were trained again"

    tuned = tune(options, watch)
    assert any(line.startswith("trial 0") and line.endswith("before") for line in said)
    assert any(line.startswith("trial 1") and not line.endswith("before") for line in said)

    bundle = open_bundle(str(tmp_path / "bundle"))
    assert bundle.calibration.default.threshold > 0
    table = json.loads(Path(tmp_path, "bundle", "tuning.json").read_text())
    start, *rest = table["trials"]
    assert start["changes"] == {} and len(start["history"]) == 2 and len(rest) == 2
    figures = bundle.info["training"]
    assert figures["validation_loss"] < figures["start_validation_loss"], (
        "a start that hardly learns was not beaten"
    )
    assert figures["learning_rate"] == figures["changes"]["learning_rate"] >= 1e-3
    assert tuned.rows[0][0] == "start" and len(tuned.rows) == 3
    assert not list(tmp_path.glob(".bundle.tuning-*"))
