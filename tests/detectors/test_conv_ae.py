"""`conv_ae`'s four means against texture: local contrast, blurred errors, each picture and each place by itself."""

import keras
import numpy as np
import pytest

from tests.detectors.learning import assert_round_trip, assert_scores_do_not_depend_on_the_cut, learn
from vadray.detectors.conv_ae import ConvolutionalAutoencoder
from vadray.detectors.layers.local_contrast import LocalContrast
from vadray.errors import RequestError

TEXTURED = {"contrast": 17, "blur": 3, "per_picture": True, "relative": True}


def small(**more) -> ConvolutionalAutoencoder:
    keras.utils.set_random_seed(0)
    detector = ConvolutionalAutoencoder(height=64, width=64, filters=(8, 8), code_channels=2, **more)
    detector.build()
    return detector


def surfaces(count: int, seed: int) -> np.ndarray:
    """Woven surfaces under light that differs from picture to picture far more than a scratch does."""
    random = np.random.default_rng(seed)
    weave = 12 * np.sin(np.arange(64) * np.pi / 4)[:, None] * np.sin(np.arange(64) * np.pi / 4)[None, :]
    light = random.uniform(60, 190, (count, 1, 1)) + random.uniform(-0.8, 0.8, (count, 1, 1)) * np.arange(64)
    grain = random.normal(0, 1, (count, 64, 64)) * random.uniform(1, 6, (count, 1, 1))
    return np.clip(light + weave + grain, 0, 255).astype(np.uint8)[..., None]


def scratched(pictures: np.ndarray) -> np.ndarray:
    pictures = pictures.copy()
    for row in range(20, 44):
        pictures[:, row, row : row + 3] = np.clip(pictures[:, row, row : row + 3].astype(int) + 50, 0, 255)
    return pictures


@pytest.mark.parametrize("option", [{}, TEXTURED, {"contrast": 5, "channels": 3}])
def test_saves_loads_and_scores_picture_by_picture(option, tmp_path):
    detector = small(**option)
    assert_scores_do_not_depend_on_the_cut(detector)
    assert_round_trip(detector, tmp_path)


def test_light_and_grain_do_not_hide_a_scratch():
    normal, held = surfaces(64, 1), surfaces(40, 2)
    ranks = {}
    for name, option in (("plain", {}), ("textured", TEXTURED)):
        detector = small(**option)
        learn(detector, normal, steps=60)
        if detector.normal_error is not None:
            detector.normal_error.fit([np.asarray(detector.cell_errors(detector.prepare(normal))[0])])
        good, bad = (np.asarray(detector.score(pictures)[0]) for pictures in (held, scratched(held)))
        ranks[name] = np.mean(bad[:, None] > good[None, :])  # area under the ROC curve
    assert ranks["textured"] > 0.9
    assert ranks["textured"] > ranks["plain"]


def test_local_contrast_takes_light_out_and_gives_the_picture_back():
    pictures = surfaces(4, 3).astype("float32") / 255
    seen, mean, deviation = (np.asarray(value) for value in LocalContrast(17)(pictures))
    assert abs(seen.mean()) < 0.05 and np.abs(seen).max() <= 4
    inside = np.abs(seen) < 4
    np.testing.assert_allclose((seen * deviation + mean)[inside], pictures[inside], atol=1e-5)


@pytest.mark.parametrize(
    "argument, wrong", [("contrast", 4), ("contrast", 1), ("blur", -1), ("filters", (4,) * 7)]
)
def test_wrong_arguments_are_named(argument, wrong):
    with pytest.raises(RequestError, match=f"`{argument}`"):
        ConvolutionalAutoencoder(height=64, width=64, **{argument: wrong})
