"""Memory-guided autoencoder."""

import keras
import numpy as np
import pytest

from tests.detectors import learning
from vadray.detectors.memory_ae import TASKS, MemoryAutoencoder
from vadray.errors import RequestError


def small(**more) -> MemoryAutoencoder:
    keras.utils.set_random_seed(0)
    options = {"height": 32, "width": 48, "window": 4, "filters": (6, 8, 8), "items": 8, **more}
    detector = MemoryAutoencoder(**options)
    detector.build()
    return detector


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("stride", [1, 2])
def test_round_trip_and_scores_for_any_cut(task, stride, tmp_path):
    learning.assert_round_trip(small(task=task, stride=stride), tmp_path)
    learning.assert_scores_do_not_depend_on_the_cut(small(task=task, stride=stride))


def test_reconstruction_may_score_every_frame_of_a_window():
    learning.assert_scores_do_not_depend_on_the_cut(small(task="reconstruction", stride=4))


@pytest.mark.parametrize("task", TASKS)
def test_learns_normality_and_scores_a_planted_object_higher(task):
    learning.assert_learns(small(task=task), steps=150)


def test_items_are_drawn_to_the_queries_of_normal_footage():
    detector, frames = small(compactness_weight=0.1, separateness_weight=0.0), learning.footage(48, seed=1)
    seen = learning.windows_of(detector, frames)[:, : detector.seen]
    before = float(np.mean(detector.recall(seen)[1][..., 0]))
    learning.learn(detector, frames, steps=60)
    assert float(np.mean(detector.recall(seen)[1][..., 0])) < before / 2


def test_a_share_of_nothing_leaves_the_other_kind_of_error():
    frames = learning.random_frames(small(), 2)
    both, picture, memory = (
        np.asarray(small(shares=shares).score(frames)[1]) for shares in ((1, 1), (1, 0), (0, 1))
    )
    np.testing.assert_allclose(both, (picture + memory) / 2, rtol=1e-4)


@pytest.mark.parametrize(
    "wrong",
    [
        {"task": "guess"},
        {"stride": 4},
        {"flow": 1},
        {"items": 1},
        {"sharpness": 0},
        {"compactness_weight": -1},
        {"separateness_weight": -1},
        {"margin": -1},
        {"shares": (1,)},
        {"shares": (0, 0)},
        {"filters": ()},
    ],
)
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(RequestError, match=next(iter(wrong))):
        small(**wrong)
