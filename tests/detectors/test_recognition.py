"""The detector that learns from labels: its scores are the head's reading of its base's error maps."""

import keras
import numpy as np
import pytest

from tests.detectors.learning import (
    assert_round_trip,
    assert_scores_do_not_depend_on_the_cut,
    random_frames,
)
from vadray.detectors.conv_ae import ConvolutionalAutoencoder
from vadray.detectors.recognition import RecognitionDetector, frame_motion
from vadray.detectors.stae import SpatiotemporalAutoencoder
from vadray.errors import RequestError

SMALL = {"height": 32, "width": 48}


def base(cls=SpatiotemporalAutoencoder, **more):
    return cls(**SMALL, filters=(4, 4), code_channels=2, **more)


def built(**more) -> RecognitionDetector:
    keras.utils.set_random_seed(0)
    detector = RecognitionDetector(**SMALL, units=5, **more)
    detector.build()
    return detector


BASES = {
    "motion": lambda: "motion",
    "frame_difference": lambda: "frame_difference",
    "stae": lambda: base(window=4, units=8),
    "stae by 3": lambda: base(window=4, stride=3, units=8),
    "conv_ae": lambda: base(ConvolutionalAutoencoder),
}


@pytest.mark.parametrize("name", BASES)
def test_round_trip_and_scores_that_do_not_depend_on_the_cut(name, tmp_path):
    detector = built(base=BASES[name]())
    assert_round_trip(detector, tmp_path)
    assert_scores_do_not_depend_on_the_cut(detector)
    assert detector.kind == detector.base.kind and detector.stride == detector.base.stride
    assert {v.path for v in detector.trainable_variables} == {
        v.path for v in detector.head.trainable_variables
    }


@pytest.mark.parametrize("name", BASES)
def test_score_is_the_logit_of_what_the_head_makes_of_the_bases_maps(name):
    """As training sees them: the maps of a whole video by the base, motion of the frames beside."""
    detector = built(base=BASES[name]())
    frames = random_frames(detector, 3 * detector.stride)
    score, error_map, mse = (np.asarray(value) for value in detector.score(frames))
    base, head = detector.base, detector.head
    _, maps, base_mse = (
        np.asarray(value)
        for value in base.score(frames[-3 * detector.stride - detector.before - base.context :])
    )
    maps = maps[detector.before - head.context :]
    motion = np.zeros(len(maps), np.float32)
    if base.kind == "video":
        motion = np.asarray(frame_motion(frames, 1))[-len(maps) :]
    chance = head.probability(maps, motion)[head.context :]
    np.testing.assert_allclose(1 / (1 + np.exp(-score)), chance, rtol=1e-4)
    np.testing.assert_allclose(error_map.max(axis=(1, 2)), chance, rtol=1e-4)
    np.testing.assert_allclose(mse, base_mse[detector.before :], rtol=1e-4)


def test_where_errors_are_usual_is_not_where_the_anomaly_is():
    """A tree at the top right is always wrong, and by more than the anomaly."""
    detector = built(base=base(ConvolutionalAutoencoder), grid=(2, 3))
    maps = np.full((8, 4, 6), 0.001, np.float32)
    maps[:, 0, 5] = 0.05
    detector.head.adapt(maps, np.zeros(8, np.float32))
    usual = np.asarray(detector.head.usual())
    assert usual.shape == (4, 6)
    np.testing.assert_allclose(usual[:2, 4:], 0.05, rtol=1e-3)
    np.testing.assert_allclose(usual[2:, :4], 0.005, rtol=1e-3)  # a tenth of the highest


@pytest.mark.parametrize(
    "more, said",
    [
        ({"base": "stae"}, "base=stae"),
        ({"base": RecognitionDetector(**SMALL)}, "base=recognition"),
        ({"base": ConvolutionalAutoencoder(64, 64)}, "must be those of `base`, 64, 64"),
        ({"coherence": -1}, "coherence=-1"),
    ],
)
def test_bad_arguments_are_refused(more, said):
    with pytest.raises(RequestError, match=said):
        RecognitionDetector(**SMALL, **more)
