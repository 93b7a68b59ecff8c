"""`train folds=K`: all of the footage calibrates, each part by a detector that has not seen it, and all is learned from."""

import json

import numpy as np
import pytest

from vadray.config import CalibrateOptions, TrainOptions
from vadray.errors import RequestError
from vadray.synth.videos import encode
from vadray.training.calibrate import calibrate
from vadray.training.train import train

FRAMES, HEIGHT, WIDTH = 60, 64, 96
PACE = 3  # pixels a frame


def street_with(walkers: int) -> np.ndarray:
    """Blocks that cross a street, uint8 `[n, height, width, 3]`; without any it is still."""
    random = np.random.default_rng(0)
    frames = np.repeat(random.integers(90, 130, (1, HEIGHT, WIDTH, 1)), FRAMES, axis=0)
    for walker in range(walkers):
        texture = random.integers(0, 60, (24, 12, 1))
        for number in range(FRAMES):
            left = (40 * walker + PACE * number) % (WIDTH - 12)
            frames[number, 30:54, left : left + 12] = texture
    return np.repeat(frames, 3, axis=3).astype(np.uint8)


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    folder = tmp_path_factory.mktemp("street")
    for number in range(2):
        encode(folder / f"{number}.mp4", iter(street_with(2 * number)), 10, (WIDTH, HEIGHT))
    return str(folder)


def trained(street, out, **more):
    options = {"detector": "perspective_motion", "size": (HEIGHT, WIDTH), "threshold": "quantile", **more}
    return train(TrainOptions(archive=street, out=str(out), actors=1, **options), print)


def test_each_part_is_scored_by_what_has_not_seen_it_and_all_is_learned_from(street, cluster, tmp_path):
    found = trained(street, tmp_path / "bundle", folds=2)
    assert found.figures["calibrated_on"] == "every fold"
    calibrated = found.bundle.calibration.default
    assert calibrated.frames == found.figures["frames"] == 2 * FRAMES
    assert json.loads((tmp_path / "bundle" / "bundle.json").read_text())["data"]["folds"] == 2
    assert not list(tmp_path.glob(".bundle*")), "the folds' bundles are gone once the bundle is there"
    # walkers are unusual to what has only seen an empty street; to the bundle, which has seen them, they are usual
    options = CalibrateOptions(
        bundle=found.bundle.uri, archive=street, out=str(tmp_path / "again"), threshold="quantile", actors=1
    )
    _, again, _ = calibrate(options, print)
    assert again.default.frames == 2 * FRAMES
    assert again.default.sketch.values[-1] < 2 < calibrated.sketch.values[-1]


def test_what_learns_nothing_calibrates_on_all_in_any_case(street, cluster, tmp_path):
    found = trained(street, tmp_path / "motion", detector="motion", folds=2)
    assert found.figures["calibrated_on"] == "all of it"
    assert found.bundle.calibration.default.frames == 2 * FRAMES


def test_fewer_videos_than_folds(street, cluster, tmp_path):
    with pytest.raises(RequestError, match=r"folds=3 and 2 video"):
        trained(street, tmp_path / "three", folds=3)
    assert not list(tmp_path.iterdir())
