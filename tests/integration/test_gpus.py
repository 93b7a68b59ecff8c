"""What takes a GPU's place in Ray's books: pools of two kinds, shares of a GPU, XLA, half precision. No GPU is needed."""

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pytest

from tests.faults.material import material
from vadray.bundle import open_bundle
from vadray.sweep.verify import verify

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def night(tmp_path_factory) -> tuple[Path, str]:
    """A bundle trained and three sweeps on a Ray with a GPU; the folder of all, and what was said."""
    place = tmp_path_factory.mktemp("gpus")
    archive, bundles = material(place)
    sweep = f"sweep {archive} --bundle {bundles[0]} --bundle {bundles[1]} max_quarantined=1 unit_frames=16 all=true"
    commands = [
        f"train {place / 'archive/train'} --detector stae --out {place / 'trained'} size=32,48 window=4 units=8 epochs=1 "
        "steps_per_epoch=2 batch_size=4 unit_frames=32 gpus=1",
        f"{sweep} out={place / 'cpu'} sweep_id=x gpus=0",
        f"{sweep} out={place / 'gpu'} sweep_id=x",
        f"{sweep} out={place / 'half'} sweep_id=x scorers_per_gpu=2 precision=bfloat16",
    ]
    words = " -- ".join(commands).split()
    ran = subprocess.run(
        [sys.executable, "-m", "tests.integration.gpu_night", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr[-5000:]
    return place, ran.stderr


def scores(report: Path) -> np.ndarray:
    query = "SELECT score FROM read_parquet(?) ORDER BY object_uri, frame_index"
    return np.array(duckdb.execute(query, [f"{report}/frames/sweep=*/*.parquet"]).fetchall())[:, 0]


def test_scores_are_those_of_cpus(night):
    place, _ = night
    for name in ("cpu", "gpu", "half"):
        assert verify(str(place / name), "x")["faults"] == []
    np.testing.assert_allclose(scores(place / "gpu"), scores(place / "cpu"), rtol=1e-4, atol=1e-7)


def test_half_precision_is_near_and_told_apart(night):
    place, _ = night
    np.testing.assert_allclose(scores(place / "half"), scores(place / "cpu"), rtol=0.02)
    digests = {
        name: duckdb.execute(
            "SELECT DISTINCT scoring_digest FROM read_parquet(?)",
            [f"{place}/{name}/objects/sweep=*/*.parquet"],
        ).fetchall()
        for name in ("gpu", "half")
    }
    assert not set(digests["gpu"]) & set(digests["half"])


def test_a_training_takes_a_gpu(night):
    place, said = night
    assert "training stae on 1 worker(s)" in said and "and a GPU" in said
    assert open_bundle(str(place / "trained")).info["training"]["epochs"] == 1
