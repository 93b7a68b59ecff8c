"""The recognition head: learns from labels what matters, and the coherence loss smooths what it says."""

import dataclasses

import keras
import numpy as np
import pytest

from vadray.detectors.recogniser import Recogniser, recognition_loss
from vadray.errors import RequestError
from vadray.model_file import load_detector
from vadray.training.recognition import (
    LabelledVideo,
    RecognitionSettings,
    balanced_split,
    fit_recogniser,
    sequences,
)

ROWS, COLUMNS, FRAMES = 6, 8, 120
QUICK = RecognitionSettings(
    epochs=6, steps=20, length=24, learning_rate=0.01, coherence=0.1, head={"units": 16}
)


def video(number: int, anomalous: bool = True, noise: float = 0.3) -> LabelledVideo:
    """Error maps in which a tree at the top right is always wrong, more than any anomaly, which is elsewhere.

    The maximum of the map, a detector's own score, knows the tree only.
    """
    random = np.random.default_rng(number)
    error_map = 0.001 * random.gamma(2, 1, (FRAMES, ROWS, COLUMNS)).astype(np.float32)
    error_map[:, 0, 7] += 0.05 * random.gamma(2, 1, FRAMES)
    labels = np.zeros(FRAMES, bool)
    if anomalous:
        first = int(random.integers(20, 70))
        labels[first : first + 30] = True
        row, column = random.integers(2, ROWS), random.integers(0, 6)
        error_map[labels, row, column] += 0.008 * np.exp(random.normal(0, noise, 30))
    return LabelledVideo(f"{number:02d}", error_map, random.gamma(2, 1, FRAMES).astype(np.float32), labels)


def videos(noise: float = 0.3) -> list[LabelledVideo]:
    return [video(number, anomalous=number % 3 > 0, noise=noise) for number in range(24)]


def built(**more) -> Recogniser:
    keras.utils.set_random_seed(0)
    recogniser = Recogniser(ROWS, COLUMNS, **more)
    recogniser.build()
    return recogniser


def test_it_learns_from_labels_what_a_detector_cannot_know():
    found = fit_recogniser(videos(), QUICK)
    figures = found.figures
    assert figures["auc_test"] > 0.95 and figures["f1_test"] > 0.8
    assert figures["auc_test_detector"] < 0.7
    assert 0 < found.threshold < 1
    assert found.history[-1]["loss"] < found.history[0]["loss"]
    assert [len(part) for part in found.split] == [17, 4, 3]


def test_the_coherence_loss_smooths():
    """Frames that are hard to tell: the more coherence weighs, the less consecutive probabilities differ."""
    steps, auc = [], []
    for coherence in (0.0, 30.0):
        found = fit_recogniser(videos(noise=2.0), dataclasses.replace(QUICK, coherence=coherence))
        judged = [found.recogniser.probability(v.error_map, v.motion) for v in videos(noise=2.0)]
        steps.append(np.mean([np.square(np.diff(p)).sum() / np.ptp(p) ** 2 for p in judged]))
        auc.append(found.figures["auc_test"])
    assert steps[1] < 0.7 * steps[0]
    assert auc[1] > auc[0] - 0.1


def test_loss_is_classification_plus_coherence():
    labels = np.array([[0, 1, 1]], np.float32)
    flat, restless = np.zeros((1, 3), np.float32), np.array([[-2, 2, -2]], np.float32)
    assert float(recognition_loss(labels, flat, 5.0)[0]) == pytest.approx(np.log(2))
    step = (1 / (1 + np.exp(-2.0)) - 1 / (1 + np.exp(2.0))) ** 2
    difference = recognition_loss(labels, restless, 5.0) - recognition_loss(labels, restless, 0.0)
    np.testing.assert_allclose(difference, [5 * step], rtol=1e-5)


def test_probability_of_a_frame_knows_its_context_and_nothing_later():
    recogniser, seen = built(), video(1)
    recogniser.adapt(seen.error_map, seen.motion)
    whole = recogniser.probability(seen.error_map, seen.motion)
    assert whole.shape == (FRAMES,) and np.isfinite(whole).all() and np.ptp(whole) > 0
    np.testing.assert_allclose(
        recogniser.probability(seen.error_map[:50], seen.motion[:50]), whole[:50], rtol=1e-4
    )
    begun = 40 - recogniser.context
    part = recogniser.probability(seen.error_map[begun:], seen.motion[begun:])
    np.testing.assert_allclose(part[recogniser.context :], whole[40:], rtol=1e-4)
    assert recogniser.probability(seen.error_map[:0], seen.motion[:0]).shape == (0,)


@pytest.mark.parametrize("more", [{}, {"units": 5, "dilations": (1, 3), "grid": (2, 5), "highest": 100}])
def test_round_trip(more, tmp_path):
    recogniser, seen = built(**more), video(1)
    recogniser.adapt(seen.error_map, seen.motion)
    recogniser.save(tmp_path / "recogniser.keras")
    again = load_detector((tmp_path / "recogniser.keras").read_bytes())
    assert again.get_config() == recogniser.get_config()
    assert again.context == recogniser.context
    np.testing.assert_allclose(
        again.probability(seen.error_map, seen.motion),
        recogniser.probability(seen.error_map, seen.motion),
        rtol=1e-5,
    )


def test_scale_of_errors_and_dead_cells_do_not_matter():
    """Detectors differ by orders of magnitude in their errors, and a cell may never be wrong."""
    seen = video(1)
    given = []
    for scale in (1, 1000):
        recogniser, maps = built(), seen.error_map * scale
        maps[:, 5, :] = 0
        recogniser.adapt(maps, seen.motion)
        given.append(recogniser.probability(maps, seen.motion))
    assert np.isfinite(given).all()
    # not to the bit: the logarithm of errors has a floor
    np.testing.assert_allclose(given[0], given[1], atol=0.1)


def test_half_of_the_sequences_lie_around_an_anomaly():
    """Of two videos with three anomalous frames in 240: by chance one sequence in five would hold one."""
    seen = [video(0, anomalous=False), video(1, anomalous=False)]
    seen[1].labels[:3] = True
    (maps, motion), labels = sequences(seen, 40, 4, 10, np.random.default_rng(0))
    assert maps.shape == (40, 14, ROWS, COLUMNS) and motion.shape == (40, 14) and labels.shape == (40, 10)
    assert labels[::2].any(axis=1).all()
    assert labels[1::2].any(axis=1).mean() < 0.2


def test_a_sequence_has_the_labels_and_the_motion_of_its_frames():
    frames = np.arange(30, dtype=np.float32)
    seen = LabelledVideo(
        "a", np.tile(frames[:, None, None], (1, 2, 2)), frames, (frames > 20) & (frames < 25)
    )
    (maps, motion), labels = sequences([seen], 20, 3, 12, np.random.default_rng(0))
    np.testing.assert_array_equal(maps[:, :, 0, 0], motion)
    np.testing.assert_array_equal(labels, ((motion > 20) & (motion < 25))[:, 3:])
    assert motion.min() == 0 and motion.max() == 29
    assert (np.diff(motion) >= 0).all() and (np.diff(motion) <= 1).all()


def test_split_keeps_both_classes_in_each_part_and_videos_whole():
    seen = videos()
    truth = {v.name: bool(v.labels.any()) for v in seen}
    parts = balanced_split(truth, seed=4)
    assert sorted(name for part in parts for name in part) == [v.name for v in seen]
    anomalous = {v.name for v in seen if v.labels.any()}
    assert all(0 < len(anomalous & set(part)) < len(part) for part in parts)
    assert balanced_split(dict(reversed(truth.items())), seed=4) == parts
    assert balanced_split(truth, seed=5) != parts


def test_labels_of_one_class_are_refused():
    with pytest.raises(RequestError, match=r"training part, received 4 of 6 videos with 0 anomalous frames"):
        fit_recogniser([video(number, anomalous=False) for number in range(6)], QUICK)


@pytest.mark.parametrize(
    "more, said",
    [({"units": 0}, "units=0"), ({"grid": (3,)}, r"grid=\(3,\)"), ({"dilations": (0,)}, r"dilations=\(0,\)")],
)
def test_bad_arguments_are_refused(more, said):
    with pytest.raises(RequestError, match=said):
        Recogniser(ROWS, COLUMNS, **more)
