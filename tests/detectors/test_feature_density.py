"""Distances to normal features: fitted in one pass, saved whole, and high where a picture is unlike the normal."""

import functools

import keras
import numpy as np
import pytest

from tests.detectors.learning import (
    assert_round_trip,
    assert_scores_do_not_depend_on_the_cut,
    footage,
    with_anomaly,
)
from vadray.detectors.backbones.backbone import Backbone
from vadray.detectors.feature_density import FeatureDensity
from vadray.detectors.layers.patch_gaussian import PatchGaussian
from vadray.detectors.layers.patch_memory import PatchMemory
from vadray.errors import RequestError
from vadray.model_file import load_detector


@functools.cache
def fitted(**more) -> FeatureDensity:
    keras.utils.set_random_seed(0)
    detector = FeatureDensity(
        **{"height": 32, "width": 48, "weights": None, "dimensions": 16, "memory_size": 64, **more}
    )
    detector.build()
    train = footage(48, seed=1, channels=detector.channels)
    detector.fit_normal(iter([train[:30], train[30:]]))
    return detector


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"density": "gaussian", "cell": 4, "by_picture": 0},
        {"reductions": (4, 16), "channels": 3, "mirror": True},
        {"backbone": "filter_bank", "channels": 3},
    ],
    ids=["nearest", "gaussian, finer cells", "several maps, colour, mirrored", "filters, colour"],
)
def test_fitted_it_saves_scores_and_finds_a_planted_anomaly(more, tmp_path):
    detector = fitted(**more)
    assert_round_trip(detector, tmp_path)
    assert_scores_do_not_depend_on_the_cut(detector)
    odd = with_anomaly(footage(48, seed=2, channels=detector.channels))
    score, error_map, mse = (np.asarray(value) for value in detector.score(odd))
    assert score[-1] > np.quantile(score[:-1], 0.95)
    row, column = np.unravel_index(error_map[-1].argmax(), error_map[-1].shape)
    assert 0 <= (row + 0.5) * detector.cell <= 28 and 8 <= (column + 0.5) * detector.cell <= 36
    assert not mse.any()


def test_a_saved_detector_needs_neither_package_nor_weights_file(tmp_path, monkeypatch):
    detector = fitted()
    detector.save(tmp_path / "model.keras")
    frames = footage(3, seed=3)
    expected = detector.score(frames)[0]

    def refuse(backbone):
        raise AssertionError("a saved detector brings its own weights")

    monkeypatch.setattr(Backbone, "load", refuse)
    again = load_detector((tmp_path / "model.keras").read_bytes())
    np.testing.assert_allclose(again.score(frames)[0], expected, rtol=1e-5)


def test_fitting_again_gives_the_same():
    np.testing.assert_array_equal(fitted.__wrapped__().usual, fitted().usual)


def test_exposure_does_not_change_the_score():
    detector = fitted()
    bright = footage(4, seed=4) // 2 * 2
    dark = bright // 2
    np.testing.assert_allclose(detector.score(bright)[0], detector.score(dark)[0], rtol=1e-3)


def test_distances_are_divided_by_a_power_of_their_pictures_median():
    frames = footage(4, seed=4)
    as_they_are, root, relative = (
        np.asarray(fitted(memories=1, by_picture=power).score(frames)[1]) for power in (0, 0.5, 1)
    )
    np.testing.assert_allclose(np.sort(relative.reshape(4, -1))[:, (relative[0].size - 1) // 2], 1, rtol=1e-5)
    np.testing.assert_allclose(root**2, as_they_are * relative, rtol=1e-4)


def test_a_mirrored_picture_scores_the_same_only_where_that_is_asked_for():
    frames = with_anomaly(footage(12, seed=5))
    mirrored = frames[:, :, ::-1]
    detector = fitted(mirror=True)
    score, error_map, _ = detector.score(frames)
    score_again, map_again, _ = detector.score(mirrored)
    np.testing.assert_allclose(score_again, score, rtol=1e-4)
    np.testing.assert_allclose(np.asarray(map_again)[:, :, ::-1], error_map, rtol=1e-3, atol=1e-4)
    plain = fitted()
    assert not np.allclose(plain.score(mirrored)[0], plain.score(frames)[0], rtol=1e-2)


def test_more_dimensions_than_features_change_nothing():
    frames = footage(4, seed=6)
    features = sum(fitted().backbone.features)
    expected = np.asarray(fitted(density="gaussian", dimensions=features).score(frames)[0])
    more = fitted(density="gaussian", dimensions=features + 5)
    np.testing.assert_allclose(more.score(frames)[0], expected, rtol=1e-3)


def test_what_is_usual_leaves_a_pictures_own_patches_out():
    """A memory that holds every patch would otherwise call every distance 0 usual."""
    detector = fitted(memory_size=48 * 24)
    assert np.asarray(detector.usual).min() > 0.01 * np.asarray(detector.usual).max()


def test_memory_covers_what_is_far_apart_and_measures_the_nearest():
    memory = PatchMemory(3)
    memory.build((None, 1, 2, 2))
    patches = np.array([[0, 0], [0.1, 0], [10, 0], [10, 0.1], [0, 7], [0.1, 7]], np.float32)
    chosen = memory.fit(patches, np.random.default_rng(0))
    assert {int(place) // 2 for place in chosen} == {0, 1, 2}
    codes = np.array([[[[10, 4], [-3, 0]]]], np.float32)
    expected = np.linalg.norm(patches[chosen][None] - codes[0, 0][:, None], axis=-1).min(axis=1)
    np.testing.assert_allclose(np.asarray(memory(codes))[0, 0], expected, rtol=1e-5)


def test_gaussian_is_the_mahalanobis_distance():
    random = np.random.default_rng(0)
    codes = (random.normal(size=(500, 1, 2, 3)) * [1, 4, 0.5]).astype(np.float32)
    gaussian = PatchGaussian()
    gaussian.build((None, 1, 2, 3))
    gaussian.fit([codes[:200], codes[200:]])
    np.testing.assert_allclose(
        np.asarray(gaussian(np.array([[[[3, 0, 0], [0, 4, 0]]]], np.float32))), [[[3, 1]]], rtol=0.15
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"density": "uniform"},
        {"dimensions": 0},
        {"memory_size": 0},
        {"memories": 0},
        {"by_picture": 1.5},
        {"top_share": 0},
        {"window": 2},
        {"backbone": "lite"},
        {"backbone": "filter_bank", "weights": "/some/file"},
        {"backbone": "filter_bank", "reductions": ()},
    ],
)
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(RequestError, match=list(wrong)[-1]):
        FeatureDensity(**{"height": 32, "width": 48, "weights": None, **wrong})


def test_no_picture_to_fit_is_refused():
    detector = FeatureDensity(32, 48, weights=None, dimensions=4, memory_size=4)
    detector.build()
    with pytest.raises(RequestError, match="at least one normal picture"):
        detector.fit_normal([])


def test_several_memories_are_averaged_and_each_holds_other_patches():
    frames = with_anomaly(footage(6, seed=5))
    several = fitted(memories=3)
    first, second, third = (np.asarray(memory.patches) for memory in several.densities)
    assert not np.array_equal(first, second) and not np.array_equal(second, third)
    maps = []
    for number, memory in enumerate(several.densities):
        single = fitted(memories=1)
        single.densities[0].patches.assign(memory.patches)
        single.usual.assign(several.usual[number : number + 1])
        maps.append(np.asarray(single.score(frames)[1]))
    np.testing.assert_allclose(np.asarray(several.score(frames)[1]), np.mean(maps, axis=0), rtol=1e-4)
