"""Losses of predicted frames."""

import keras
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from vadray.detectors.losses import (
    LOSSES,
    binary_cross_entropy,
    flow_loss,
    gradient_loss,
    intensity_loss,
    structural_dissimilarity,
    temporal_coherence,
    weighted_loss,
)
from vadray.errors import RequestError


def picture() -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=(48, 64))
    smooth = gaussian_filter(noise, 1.5)
    return (0.5 + 0.2 * smooth / smooth.std()).astype(np.float32)


def batch(*frames: np.ndarray) -> np.ndarray:
    return np.stack(frames).astype(np.float32)[..., None]


def test_what_is_right_costs_nothing():
    frames = batch(picture(), picture() / 2)
    for loss in (
        intensity_loss(frames, frames),
        gradient_loss(frames, frames),
        flow_loss(frames, frames, frames),
    ):
        np.testing.assert_allclose(loss, [0, 0], atol=1e-7)


def test_intensity_is_the_mean_square_of_each_sample():
    frames = batch(picture(), picture())
    wrong = frames + np.array([0.1, 0.2], np.float32)[:, None, None, None]
    np.testing.assert_allclose(intensity_loss(frames, wrong), [0.01, 0.04], rtol=1e-4)


def test_gradient_sees_lost_edges_and_not_brightness():
    frame = picture()
    actual = batch(frame, frame)
    blurred = batch(gaussian_filter(frame, 4), frame + 0.1)
    lost, brighter = np.asarray(gradient_loss(actual, blurred))
    assert lost > 0.01 and brighter < 1e-5


def test_flow_is_in_pixels():
    """Frames that moved half a pixel and one that did not: the flows differ by about half a pixel."""
    frame = picture()
    moved = shift(frame, (0, 0.5), order=3, mode="nearest")
    both = shift(frame, (0.3, 0.5), order=3, mode="nearest")
    loss = np.asarray(flow_loss(batch(frame, frame), batch(moved, both), batch(frame, frame)))
    np.testing.assert_allclose(loss, [0.5, 0.8], rtol=0.25)


@pytest.mark.parametrize("channels", [1, 3])
def test_structure_is_that_of_another_implementation(channels):
    import tensorflow as tf

    random = np.random.default_rng(0)
    actual = np.stack([picture()] * channels, axis=-1)[None].repeat(2, axis=0)
    wrong = np.clip(actual + random.normal(0, [[[[0.02]]], [[[0.2]]]], actual.shape), 0, 1).astype(np.float32)
    loss = structural_dissimilarity(actual, wrong)
    np.testing.assert_allclose(loss, 1 - tf.image.ssim(actual, wrong, 1.0), atol=2e-5)
    assert 0 < loss[0] < loss[1] < 2


def test_structure_of_flat_pictures_is_their_luminance():
    dark, bright = np.full((1, 16, 16, 1), 0.2, np.float32), np.full((1, 16, 16, 1), 0.6, np.float32)
    expected = 1 - (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    for more in ({}, {"window_px": 7, "weighting": "uniform"}):
        np.testing.assert_allclose(structural_dissimilarity(dark, bright, **more), [expected], rtol=1e-3)


def test_structure_sees_blur_that_squared_error_forgives():
    """A blurred picture and one that is brighter, of the same squared error."""
    frame = picture()
    blurred = gaussian_filter(frame, 2)
    brighter = frame + np.sqrt(np.mean((frame - blurred) ** 2))
    frames, wrong = batch(frame, frame), batch(blurred, brighter)
    by_square, by_structure = intensity_loss(frames, wrong), structural_dissimilarity(frames, wrong)
    np.testing.assert_allclose(by_square[0], by_square[1], rtol=1e-3)
    assert by_structure[0] > 3 * by_structure[1]


@pytest.mark.parametrize("window_px", [2, 8, 1, 49])
def test_a_neighbourhood_that_is_none_is_refused(window_px):
    with pytest.raises(RequestError, match=f"window_px.*Received: window_px={window_px}"):
        structural_dissimilarity(batch(picture()), batch(picture()), window_px)


def test_a_weighted_loss_is_the_sum_for_each_sample_over_the_steps_of_its_window():
    random = np.random.default_rng(0)
    actual, wrong = random.random((2, 3, 4, 16, 24, 1), np.float32)
    weights = {"mse": 1.0, "ssim": 0.2, "gradient": 0.1}
    flat = [value.reshape(12, 16, 24, 1) for value in (actual, wrong)]
    each = sum(weight * np.asarray(LOSSES[name](*flat)) for name, weight in weights.items())
    loss = weighted_loss(weights)
    np.testing.assert_allclose(loss(actual, wrong), each.reshape(3, 4).mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(loss(actual[:, 0], wrong[:, 0]), each.reshape(3, 4)[:, 0], rtol=1e-5)


@pytest.mark.parametrize(
    "weights, said",
    [
        ({"sim": 1.0}, "did you mean ssim"),
        ({"mse": -1.0}, "mse=-1"),
        ({"mse": "much"}, "mse='much'"),
        ({"mse": 0.0}, "above 0"),
        ({}, "above 0"),
    ],
)
def test_weights_that_are_none_are_refused(weights, said):
    with pytest.raises(RequestError, match=said):
        weighted_loss(weights)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_can_be_descended(name):
    """Fifty steps from noise towards a picture; gradients are finite where both are equal, too."""
    import tensorflow as tf

    actual = batch(picture())
    given = tf.Variable(np.random.default_rng(0).random(actual.shape, np.float32))
    loss, optimizer = weighted_loss({name: 1.0}), keras.optimizers.Adam(0.02)
    optimizer.build([given])

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            value = tf.reduce_mean(loss(actual, given))
        optimizer.apply([tape.gradient(value, given)], [given])
        return value

    before = float(step())
    for _ in range(50):
        step()
    assert float(step()) < before / 2
    given.assign(actual)
    step()
    assert np.isfinite(given.numpy()).all()


def test_cross_entropy_is_of_probabilities_and_never_overflows():
    logits = np.array([[0.0, 2.0], [-200.0, 200.0]], np.float32)
    labels = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    right = [-np.log(0.5) / 2 - np.log(1 - 1 / (1 + np.exp(-2.0))) / 2, 0.0]
    np.testing.assert_allclose(binary_cross_entropy(labels, logits), right, atol=1e-6)


def test_coherence_is_the_mean_square_of_steps():
    scores = np.array([[0.0, 1.0, 0.5], [0.3, 0.3, 0.3]], np.float32)
    np.testing.assert_allclose(temporal_coherence(scores), [(1 + 0.25) / 2, 0.0])
