"""Derivative filters as a backbone: what they answer to, and what they leave alone."""

import numpy as np

from vadray.detectors.backbones.filter_bank import LEAST, FilterBank


def described(picture: np.ndarray, reduction: int = 8) -> np.ndarray:
    """Features of one picture `[height, width]`, in 0 to 1."""
    (features,) = FilterBank(reduction)(picture[None, :, :, None].astype(np.float32))
    return np.asarray(features)[0]


def test_a_flat_picture_answers_to_nothing_but_its_brightness():
    bank = FilterBank(8)
    features = described(np.full((64, 80), 0.4))
    assert features.shape == (8, 10, sum(bank.features)) and sum(bank.groups) == sum(bank.features)
    np.testing.assert_allclose(features[..., :-2], LEAST**0.5, atol=1e-3)
    np.testing.assert_allclose(features[..., -2:], 0.4, rtol=1e-4)


def test_a_line_is_told_from_one_across_it_and_a_dark_one_from_a_bright_one():
    picture = np.full((64, 64), 0.5)
    down, across, bright = picture.copy(), picture.copy(), picture.copy()
    down[:, 36], across[36], bright[:, 36] = 0.3, 0.3, 0.7
    at = [described(one)[4, 4, :-2] for one in (down, across, bright)]
    for one, other in [(0, 1), (0, 2), (1, 2)]:
        assert np.abs(at[one] - at[other]).max() > 0.3 * at[one].max()
    # the same lines, turned: the same answers of other filters
    np.testing.assert_allclose(np.sort(at[0]), np.sort(at[1]), rtol=1e-3)
    np.testing.assert_allclose(described(down)[4, 0, :-2], LEAST**0.5, atol=0.05)


def test_colours_are_averaged_and_cells_are_rounded_up():
    random = np.random.default_rng(0)
    colour = random.random((1, 40, 48, 3)).astype(np.float32)
    (features,) = FilterBank(16)(colour)
    assert features.shape[1:3] == (3, 3)
    np.testing.assert_allclose(np.asarray(features)[0], described(colour.mean(axis=-1)[0], 16), rtol=1e-4)
