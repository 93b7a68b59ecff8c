"""Detectors whose encoder begins with a pre-trained network."""

import keras
import numpy as np
import pytest

from tests.detectors.learning import assert_round_trip, assert_scores_do_not_depend_on_the_cut, footage
from tests.detectors.test_backbones import needs_package
from vadray.detectors.backbones.backbone import Backbone
from vadray.detectors.backbones.efficientnet_lite0 import efficientnet_lite0, load_imagenet
from vadray.detectors.backbones.encoder import PretrainedContraction
from vadray.detectors.registry import DETECTORS, detector_class
from vadray.errors import RequestError
from vadray.model_file import load_detector

TAKING = [name for name, cls in DETECTORS.items() if cls.takes_backbone]


def built(name: str, weights: str | None = None, **more):
    keras.utils.set_random_seed(1)
    if DETECTORS[name].kind == "video":
        more = {"window": 4, **more}
    detector = detector_class(name)(32, 48, backbone="efficientnet_lite0", backbone_weights=weights, **more)
    detector.build()
    return detector


def pretrained(detector) -> PretrainedContraction:
    (layer,) = (layer for layer in detector.layers if isinstance(layer, PretrainedContraction))
    return layer


def test_all_with_an_encoder_of_pictures_are_tried():
    assert set(TAKING) == {"conv_ae", "vae", "stae", "std", "amae", "memory_ae", "frame_prediction"}


@pytest.mark.parametrize("name", TAKING)
def test_it_learns_saves_and_scores(name, tmp_path):
    detector = built(name)
    network = pretrained(detector).backbone.network
    channels = detector.input_channels
    frames = footage(detector.window, seed=0, channels=1)
    if channels > 1:
        still = np.full((*frames.shape[:-1], channels - 1), 128, np.uint8)
        frames = np.concatenate([frames, still], axis=-1)
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = keras.ops.mean(detector.sample_loss(detector.prepare(frames)[None]))
    (gradient,) = tape.gradient(loss, [network.trainable_variables[0]])
    assert np.abs(np.asarray(gradient)).max() > 0, "the network is trained on"
    assert_round_trip(detector, tmp_path)
    assert_scores_do_not_depend_on_the_cut(detector)


@needs_package
def test_it_begins_with_imagenet_and_a_saved_one_with_what_it_learned(tmp_path, monkeypatch):
    detector = built("conv_ae", "imagenet")
    whole = efficientnet_lite0(32, 48)
    load_imagenet(whole)
    stem = pretrained(detector).backbone.network.get_layer("stem")
    np.testing.assert_array_equal(stem.kernel, whole.get_layer("stem").kernel)

    stem.kernel.assign(stem.kernel + 1)
    detector.save(tmp_path / "model.keras")

    def refuse(backbone):
        raise AssertionError("a saved detector brings its own weights")

    monkeypatch.setattr(Backbone, "load", refuse)
    again = load_detector((tmp_path / "model.keras").read_bytes())
    np.testing.assert_array_equal(pretrained(again).backbone.network.get_layer("stem").kernel, stem.kernel)
    assert again.get_config()["backbone"] == "efficientnet_lite0"


def test_colour_and_other_streams_go_in():
    assert pretrained(built("conv_ae", channels=3)).is_picture
    assert not pretrained(built("stae", difference=1)).is_picture


@pytest.mark.parametrize("name", ["dense_ae", "motion", "stcen"])
def test_a_detector_without_such_an_encoder_refuses(name):
    with pytest.raises(RequestError, match=f"{name} has no encoder of pictures"):
        detector_class(name)(
            32, 48, backbone="efficientnet_lite0", **({} if name == "dense_ae" else {"window": 4})
        )


def test_a_network_that_is_not_there_is_refused():
    with pytest.raises(RequestError, match="efficientnet_lite9"):
        detector_class("conv_ae")(32, 48, backbone="efficientnet_lite9", backbone_weights=None)
