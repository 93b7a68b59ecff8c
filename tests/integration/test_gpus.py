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
def place(tmp_path_factory) -> Path:
    """A folder with an archive and bundles, and the report of a sweep on CPUs."""
    folder = tmp_path_factory.mktemp("gpus")
    material(folder)
    run(sweep(folder, "cpu", "gpus=0"), sweep(folder, "half", "scorers_per_gpu=2 precision=bfloat16"))
    return folder


def sweep(place: Path, name: str, options: str) -> str:
    words = f"sweep {place / 'archive/test'} --bundle {place / 'video'} --bundle {place / 'image'} sweep_id=x"
    return f"{words} out={place / name} max_quarantined=1 unit_frames=16 all=true {options}"


def run(*commands: str) -> str:
    """Runs commands on a Ray with a GPU; what they said."""
    words = " -- ".join(commands).split()
    ran = subprocess.run(
        [sys.executable, "-m", "tests.integration.gpu_night", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr[-5000:]
    return ran.stderr


def scores(report: Path) -> np.ndarray:
    query = "SELECT score FROM read_parquet(?) ORDER BY object_uri, frame_index"
    return np.array(duckdb.execute(query, [f"{report}/frames/sweep=*/*.parquet"]).fetchall())[:, 0]


def test_half_precision_on_a_shared_gpu_is_near_and_told_apart(place):
    for name in ("cpu", "half"):
        assert verify(str(place / name), "x")["faults"] == []
    np.testing.assert_allclose(scores(place / "half"), scores(place / "cpu"), rtol=0.02)
    digests = [
        duckdb.execute(
            "SELECT DISTINCT scoring_digest FROM read_parquet(?)",
            [f"{place}/{name}/objects/sweep=*/*.parquet"],
        ).fetchall()
        for name in ("cpu", "half")
    ]
    assert not set(digests[0]) & set(digests[1])


@pytest.mark.soak
def test_full_precision_gives_the_scores_of_cpus_and_a_training_takes_a_gpu(place):
    said = run(
        f"train {place / 'archive/train'} --detector stae --out {place / 'trained'} size=32,48 window=4 units=8 epochs=1 "
        "steps_per_epoch=2 batch_size=4 unit_frames=32 gpus=1",
        sweep(place, "gpu", ""),
    )
    assert verify(str(place / "gpu"), "x")["faults"] == []
    np.testing.assert_allclose(scores(place / "gpu"), scores(place / "cpu"), rtol=1e-4, atol=1e-7)
    assert "training stae on 1 worker(s)" in said and "and a GPU" in said
    assert open_bundle(str(place / "trained")).info["training"]["epochs"] == 1
