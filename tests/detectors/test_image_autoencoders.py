"""`dense_ae` and `vae`."""

import keras
import numpy as np
import pytest

from tests.detectors.learning import (
    assert_learns,
    assert_round_trip,
    assert_scores_do_not_depend_on_the_cut,
    footage,
)
from vadray.detectors.dense_ae import DenseAutoencoder
from vadray.detectors.vae import VariationalAutoencoder
from vadray.errors import RequestError


def small(detector_class, **more):
    keras.utils.set_random_seed(0)
    if detector_class is VariationalAutoencoder:
        more = {"filters": (8, 8), "code_channels": 4, **more}
    detector = detector_class(height=32, width=48, **{"units": 8, **more})
    detector.build()
    return detector


BOTH = pytest.mark.parametrize("detector_class", [DenseAutoencoder, VariationalAutoencoder])


@BOTH
@pytest.mark.parametrize("channels", [1, 3])
def test_saves_loads_and_scores_picture_by_picture(detector_class, channels, tmp_path):
    detector = small(detector_class, channels=channels)
    assert_scores_do_not_depend_on_the_cut(detector)
    assert_round_trip(detector, tmp_path)


@BOTH
def test_learns(detector_class):
    assert_learns(small(detector_class), steps=150)


@BOTH
def test_scores_have_no_noise(detector_class):
    detector = small(detector_class)
    frames = footage(4, seed=0)
    np.testing.assert_array_equal(detector.score(frames)[0], detector.score(frames)[0])


def test_dense_loss_is_the_mean_of_equation_12():
    detector = small(DenseAutoencoder)
    frames = footage(3, seed=0).astype("float32") / 255
    weights = [np.asarray(value) for value in detector.trainable_variables]
    code = np.tanh(frames.reshape(3, -1) @ weights[0] + weights[1])
    again = 1 / (1 + np.exp(-(code @ weights[2] + weights[3])))
    expected = np.mean((frames.reshape(3, -1) - again) ** 2, axis=1)
    np.testing.assert_allclose(detector.sample_loss(frames[:, None]), expected, rtol=1e-4)


def test_divergence_grows_with_beta():
    frames = footage(3, seed=0)[:, None].astype("float32") / 255
    losses = [np.mean(small(VariationalAutoencoder, beta=beta).sample_loss(frames)) for beta in (0.0, 10.0)]
    assert losses[1] > losses[0]


def test_training_draws_from_the_code():
    detector = small(VariationalAutoencoder)
    frames = footage(3, seed=0)[:, None].astype("float32") / 255
    first, second = (np.asarray(detector.sample_loss(frames)) for _ in range(2))
    assert (first != second).all()


@pytest.mark.parametrize(
    "detector_class, argument, wrong",
    [
        (DenseAutoencoder, "units", {"units": 0}),
        (DenseAutoencoder, "activation", {"activation": "nothing"}),
        (VariationalAutoencoder, "units", {"units": 0}),
        (VariationalAutoencoder, "beta", {"beta": -1}),
        (VariationalAutoencoder, "filters", {"filters": (4, 4, 4, 4, 4)}),
    ],
)
def test_wrong_arguments_are_named(detector_class, argument, wrong):
    with pytest.raises(RequestError, match=f"`{argument}`"):
        small(detector_class, **wrong)
