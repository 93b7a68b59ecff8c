"""A detector's arguments from the options of a training."""

import pytest

from vadray.config import TrainOptions
from vadray.errors import RequestError
from vadray.training.prepare import detector_config


@pytest.mark.parametrize(
    "detector, settings, expected",
    [("feature_density", {}, 3), ("vae", {"seed": 5}, 5), ("motion", {}, None)],
)
def test_the_seed_goes_to_what_draws_at_random(detector, settings, expected):
    options = TrainOptions(archive="x", out="y", detector=detector, seed=3, settings=settings)
    assert detector_config(options).get("seed") == expected


def test_folds_are_refused_where_each_would_be_a_training():
    options = TrainOptions(archive="x", out="y", detector="stae", folds=4)
    with pytest.raises(RequestError, match="folds: expected a detector that is fitted in one pass; stae"):
        detector_config(options)
