"""A detector's arguments from the options of a training."""

import pytest

from vadray.config import TrainOptions
from vadray.training.prepare import detector_config


@pytest.mark.parametrize(
    "detector, settings, expected",
    [("feature_density", {}, 3), ("vae", {"seed": 5}, 5), ("motion", {}, None)],
)
def test_the_seed_goes_to_what_draws_at_random(detector, settings, expected):
    options = TrainOptions(archive="x", out="y", detector=detector, seed=3, settings=settings)
    assert detector_config(options).get("seed") == expected
