"""Dark lines down a ground surface: found beside the texture, in the cells they run through, and added to the score."""

import functools

import keras
import numpy as np
import pytest

from tests.detectors.learning import assert_round_trip, assert_scores_do_not_depend_on_the_cut
from vadray.detectors.feature_density import FeatureDensity
from vadray.detectors.layers.dark_lines import DarkLines
from vadray.errors import RequestError

SIDE = 96


def surfaces(count: int, seed: int) -> np.ndarray:
    """Ground from top to bottom: streaks that begin and end anywhere, and noise; uint8 `[count, 96, 96, 1]`."""
    random = np.random.default_rng(seed)
    pictures = 110 + random.normal(0, 6, (count, SIDE, SIDE))
    for picture in pictures:
        for column in random.integers(0, SIDE, 40):
            start = random.integers(0, SIDE)
            picture[start : start + 20, column] += 25
    return np.clip(pictures, 0, 255).astype(np.uint8)[..., None]


def cracked(pictures: np.ndarray, depth: int = 45) -> np.ndarray:
    """With a dark line that winds from row 24 to 72 about column 52."""
    pictures = pictures.astype(int)
    for row in range(24, 72):
        column = 52 + round(2 * np.sin(row / 8))
        pictures[:, row, column : column + 2] -= depth
    return np.clip(pictures, 0, 255).astype(np.uint8)


@functools.cache
def fitted() -> DarkLines:
    lines = DarkLines(8)
    lines.build(None)
    lines.fit([surfaces(30, 1) / np.float32(255), surfaces(30, 2) / np.float32(255)])
    return lines


def found(pictures: np.ndarray) -> np.ndarray:
    return np.asarray(fitted()(pictures / np.float32(255)))


def test_a_crack_is_found_where_it_runs_and_normal_surfaces_have_few():
    normal = surfaces(20, 3)
    assert found(normal).shape == (20, 12, 12)
    assert DarkLines(16)(normal[:2, :88, :72] / np.float32(255)).shape == (2, 6, 5), "rounded up"
    assert (found(normal).max(axis=(1, 2)) > 0).mean() < 0.25
    cracks = found(cracked(normal))
    assert (cracks.max(axis=(1, 2)) > 3).all()
    where = cracks.mean(axis=0)
    assert (where[3:9, 6] > 3).all() and where[3:9, 6].min() > 3 * where[:, [0, 1, 2, 3, 9, 10, 11]].max()


def test_what_is_no_dark_line_down_the_picture_is_none():
    normal = surfaces(10, 4)
    speck = normal.copy()
    speck[:, 40:43, 50:53] = 20
    across = normal.copy()
    across[:, 44:46, 20:70] = 60
    bright = np.clip(2 * normal.astype(int) - cracked(normal), 0, 255).astype(np.uint8)
    border = normal.copy()
    border[:, :, :3] = 20
    for other in (speck, across, bright, border):
        assert found(other).max(axis=(1, 2)).mean() < 0.35 * found(cracked(normal)).max(axis=(1, 2)).mean()


def test_a_rough_surface_hides_a_faint_line():
    random = np.random.default_rng(5)
    rough = np.clip(surfaces(10, 5) + random.normal(0, 20, (10, SIDE, SIDE, 1)), 0, 255).astype(np.uint8)
    assert found(cracked(rough, 30)).max() < found(cracked(surfaces(10, 5), 30)).max()


@functools.cache
def density(**more) -> FeatureDensity:
    keras.utils.set_random_seed(0)
    detector = FeatureDensity(SIDE, SIDE, weights=None, dimensions=16, memory_size=64, **more)
    detector.build()
    detector.fit_normal([surfaces(24, 6)])
    return detector


@pytest.mark.parametrize(
    "more", [{}, {"cell": 4, "mirror": True, "memories": 1}], ids=["plain", "finer cells, mirrored"]
)
def test_they_are_added_to_the_score_and_the_map(more, tmp_path):
    detector, without = density(lines=True, **more), density(**more)
    assert_round_trip(detector, tmp_path)
    assert_scores_do_not_depend_on_the_cut(detector)
    assert all((np.asarray(detector.deviations) > 0).tolist())
    pictures = cracked(surfaces(6, 7))
    score, error_map, _ = (np.asarray(value) for value in detector.score(pictures))
    plain, plain_map, _ = (np.asarray(value) for value in without.score(pictures))
    (patches, lines), _ = detector.parts(detector.prepare(pictures))
    np.testing.assert_allclose(patches, plain_map, rtol=1e-4)
    np.testing.assert_allclose(error_map, np.asarray(patches) + lines, rtol=1e-5)
    of_scores, of_cells = np.asarray(detector.deviations)
    np.testing.assert_allclose(
        score, plain + of_scores / of_cells * np.asarray(lines).max(axis=(1, 2)), rtol=1e-4
    )
    normal = surfaces(20, 8)
    usual = np.asarray(detector.score(normal)[0])
    assert np.mean(usual > np.asarray(without.score(normal)[0]) + 1e-4) < 0.3
    assert score.min() > usual.max()
    assert (score - plain).min() > 2 * usual.std(), "lines tell them apart, not patches alone"


def test_the_deviations_are_about_those_of_pictures_not_fitted():
    """Each fitted picture is compared with the others: with its own patches in memory they would be next to nothing."""
    score, error_map, _ = density().score(surfaces(60, 9))
    of_scores, of_cells = np.asarray(density(lines=True).deviations)
    assert 0.3 < of_scores / np.std(score) < 1.5
    assert 0.5 < of_cells / np.std(error_map) < 1.5


@pytest.mark.parametrize(
    "wrong, says",
    [
        ({"height": 32}, "at least 5 rows of patches, a `height` of 40. Received: height=32"),
        ({"density": "gaussian"}, "`density` \"nearest\".* Received: density='gaussian'"),
    ],
)
def test_what_lines_cannot_be_added_to_is_refused(wrong, says):
    with pytest.raises(RequestError, match=f"Argument `lines` needs {says}"):
        FeatureDensity(**{"height": SIDE, "width": 48, "weights": None, "lines": True, **wrong})
