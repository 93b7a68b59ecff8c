"""Every detector: saves and loads, scores as its definition says, and refuses what it cannot do."""

import keras
import numpy as np
import pytest

from tests.detectors.learning import assert_round_trip
from vadray.detectors.registry import DETECTORS, detector_class
from vadray.errors import RequestError
from vadray.sweep.localise import localise


def small(name: str, **more):
    detector = detector_class(name)(height=32, width=48, filters=(4, 4), code_channels=2, **more)
    detector.build()
    return detector


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_saves_and_loads_with_its_defaults(name, tmp_path):
    detector = detector_class(name)(height=64, width=96)
    detector.build()
    assert_round_trip(detector, tmp_path)


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_encoding_once_equals_naive_windows(stride):
    detector = small("stae", window=4, stride=stride, units=8)
    frames = np.random.default_rng(1).integers(0, 256, (detector.context + 8, 32, 48, 1), np.uint8)
    _, _, mse = detector.score(frames)
    windows = np.stack([frames[start : start + 4] for start in range(0, 8, stride)]).astype("float32") / 255
    error = np.mean((windows - np.asarray(detector(windows))) ** 2, axis=(2, 3, 4))[:, 4 - stride :]
    np.testing.assert_allclose(mse, error.ravel(), atol=1e-6)


@pytest.mark.parametrize("name", ["conv_ae", "stae"])
def test_learns_normality_and_scores_a_planted_object_higher(name):
    """Error on held-out normal frames falls, and a bright square scores above the 95th percentile of normal."""
    keras.utils.set_random_seed(0)
    detector = small(name)
    random = np.random.default_rng(2)
    scene = np.linspace(40, 120, 48)[None, :] + np.linspace(0, 40, 32)[:, None]

    def footage(count: int) -> np.ndarray:
        noise = random.normal(0, 2, (count, 32, 48)) + random.normal(0, 4, (count, 1, 1))
        return np.clip(scene + noise, 0, 255).astype(np.uint8)[..., None]

    train, held = footage(64), footage(64)
    before = float(np.mean(detector.score(held)[2]))
    windows = (
        np.stack([train[i : i + detector.window] for i in range(len(train) - detector.window + 1)]) / 255
    )
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(detector.trainable_variables)
    import tensorflow as tf

    @tf.function
    def step(batch):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(detector.sample_loss(batch))
        optimizer.apply(tape.gradient(loss, detector.trainable_variables), detector.trainable_variables)

    for _ in range(80):
        step(tf.constant(windows[random.integers(0, len(windows), 16)].astype("float32")))
    normal, _, after = (np.asarray(value) for value in detector.score(held))
    assert after.mean() < before / 2
    odd = held.copy()
    odd[-1, 8:24, 16:28] = 250  # whole cells: the peak is not at the border
    score, error_map, _ = (np.asarray(value) for value in detector.score(odd))
    assert score[-1] > np.quantile(normal, 0.95)
    (row, column), _ = (values[-1] for values in localise(error_map))
    assert 8 <= row * 8 < 24 and 8 <= column * 8 <= 28


def test_unknown_detector_names_the_nearest():
    with pytest.raises(RequestError, match="Did you mean stae"):
        detector_class("sae")


@pytest.mark.parametrize(
    "wrong", [{"height": 30}, {"window": 2, "stride": 3}, {"channels": 2}, {"temporal": "gru"}]
)
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(RequestError, match=next(iter(wrong))):
        detector_class("stae")(**{"height": 32, "width": 48, **wrong})


def test_box_surrounds_what_is_connected_to_the_peak():
    error_map = np.zeros((1, 6, 8), np.float32)
    error_map[0, 2:4, 3:6] = 0.6
    error_map[0, 3, 4] = 1
    error_map[0, 0, 0] = 0.9  # as high, but elsewhere
    peaks, boxes = localise(error_map)
    assert peaks.tolist() == [[3, 4]] and boxes.tolist() == [[2, 3, 2, 3]]
    peaks, boxes = localise(1 + error_map)  # relative errors are about 1 where all is as usual
    assert peaks.tolist() == [[3, 4]] and boxes.tolist() == [[2, 3, 2, 3]]


@pytest.mark.parametrize("count", [0, 2])
def test_box_of_even_maps_is_the_picture(count):
    _, boxes = localise(np.full((count, 6, 8), 0.3, np.float32))
    assert boxes.tolist() == [[0, 0, 6, 8]] * count


@pytest.mark.parametrize("name", ["conv_ae", "dense_ae", "stae", "frame_prediction"])
def test_absolute_errors_are_means_of_differences(name):
    """The map of an even picture that is reconstructed evenly: every cell is the difference, or its square."""
    frames = np.full((8, 32, 48, 1), 200, np.uint8)
    maps = {}
    for error_norm in ("squared", "absolute"):
        keras.utils.set_random_seed(0)
        detector = detector_class(name)(height=32, width=48, error_norm=error_norm)
        detector.build()
        prepared = detector.prepare(frames)
        error = detector.error_maps(prepared)[0][0] if name == "stae" else detector.errors(prepared)[0]
        maps[error_norm] = np.asarray(error)
    np.testing.assert_allclose(maps["absolute"] ** 2, maps["squared"], rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize("name", ["conv_ae", "dense_ae", "vae", "stae", "frame_prediction", "stcen"])
def test_the_error_is_that_of_the_picture_held_for_normal(name):
    detector = detector_class(name)(height=64, width=96)
    detector.build()
    frames = np.random.default_rng(3).integers(0, 256, (detector.context + 2, 64, 96, 1), np.uint8)
    prepared = detector.prepare(frames)
    normal = np.asarray(detector.reconstruct(prepared))
    assert normal.shape == (2, 64, 96, 1)
    expected = ((frames[-2:] / 255 - normal) ** 2).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(np.asarray(detector.cell_errors(prepared)[1]), expected, rtol=1e-4)


@pytest.mark.parametrize("name, more", [("stae", {"difference": 1}), ("amae", {}), ("std", {})])
def test_parts_by_kind_of_error_add_up(name, more):
    detector = detector_class(name)(height=64, width=96, **more)
    detector.build()
    shape = (detector.context + 2 * detector.stride, 64, 96, detector.input_channels)
    prepared = detector.prepare(np.random.default_rng(3).integers(0, 256, shape, np.uint8))
    parts, _ = detector.parts(prepared)
    assert len(parts) == len(detector.kinds_of_error) > 1
    assert all(np.asarray(part).any() for part in parts)
    np.testing.assert_allclose(sum(map(np.asarray, parts)), detector.cell_errors(prepared)[0], rtol=1e-5)


def test_losses_are_weighed_by_name():
    frames = np.random.default_rng(0).random((3, 1, 32, 48, 1), np.float32)
    values = []
    for losses in ({"mse": 1.0}, {"ssim": 1.0}, {"mse": 2.0, "ssim": 0.5}):
        keras.utils.set_random_seed(0)
        detector = detector_class("conv_ae")(height=32, width=48, losses=losses)
        detector.build()
        values.append(np.asarray(detector.sample_loss(frames)))
    np.testing.assert_allclose(values[2], 2 * values[0] + 0.5 * values[1], rtol=1e-5)


@pytest.mark.parametrize(
    "name, wrong, said",
    [
        ("conv_ae", {"error_norm": "l1"}, "error_norm=l1"),
        ("conv_ae", {"losses": {"mae": 1}}, "expected some of mse"),
        ("motion", {"losses": {"mse": 1}}, "is not trained by gradients"),
    ],
)
def test_wrong_errors_and_losses_are_refused(name, wrong, said):
    with pytest.raises(RequestError, match=said):
        detector_class(name)(height=32, width=48, **wrong)


def test_what_stands_still_is_not_scored_behind_a_gate():
    frames = np.full((12, 32, 48, 3), 128, np.uint8)
    frames[..., 0] = np.random.default_rng(0).integers(0, 256, (12, 32, 48))
    frames[-1, 8:16, 16:24, 1] = 200  # moves to the right, there and then
    maps = {}
    for gate in (0.0, 0.5):
        keras.utils.set_random_seed(0)
        detector = small("stae", window=4, units=8, flow=1, gate=gate)
        maps[gate] = np.asarray(detector.score(frames)[1])
    assert (maps[0.0] > 0).all()
    expected = np.zeros_like(maps[0.0])
    expected[-1, 1, 2] = maps[0.0][-1, 1, 2]
    np.testing.assert_allclose(maps[0.5], expected, rtol=1e-6)
    with pytest.raises(RequestError, match=r"gate=0\.5, flow=0"):
        small("stae", window=4, gate=0.5)
