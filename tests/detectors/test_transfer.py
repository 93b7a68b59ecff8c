"""A new detector begins with another's encoder, and keeps the rest of its own."""

import keras
import numpy as np
import pytest

from vadray.detectors.conv_ae import ConvolutionalAutoencoder
from vadray.detectors.transfer import transfer_encoder
from vadray.errors import RequestError
from vadray.model_file import load_detector


def built(seed: int, height: int = 32, width: int = 48, **more) -> ConvolutionalAutoencoder:
    keras.utils.set_random_seed(seed)
    detector = ConvolutionalAutoencoder(height, width, **{"filters": (4, 8), "code_channels": 2, **more})
    detector.build()
    return detector


def test_the_encoder_is_copied_and_nothing_else():
    source, detector = built(0), built(1)
    decoder = [np.asarray(weight) for weight in detector.decoder.weights]
    copied = transfer_encoder(detector, source)
    assert copied == [
        f"encoder/{layer}/{weight}"
        for layer in ("conv2d", "conv2d_1", "conv2d_2")
        for weight in ("kernel", "bias")
    ]
    for ours, theirs in zip(detector.encoder.weights, source.encoder.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for now, before in zip(detector.decoder.weights, decoder, strict=True):
        np.testing.assert_array_equal(now, before)


def test_a_saved_detector_of_another_size_lends_its_encoder(tmp_path):
    source = built(2, height=64, width=64)
    source.save(tmp_path / "model.keras")
    loaded = load_detector((tmp_path / "model.keras").read_bytes())
    detector = built(3)
    assert len(transfer_encoder(detector, loaded)) == 6
    np.testing.assert_array_equal(detector.encoder.weights[0], source.encoder.weights[0])


def test_weights_of_another_shape_stay_and_are_not_named():
    source, detector = built(4, filters=(4, 6)), built(5)
    second = np.asarray(detector.encoder.weights[2])
    assert transfer_encoder(detector, source) == [
        "encoder/conv2d/kernel",
        "encoder/conv2d/bias",
        "encoder/conv2d_2/bias",
    ]
    np.testing.assert_array_equal(detector.encoder.weights[2], second)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (lambda: built(6, filters=(3, 3), code_channels=5, channels=3), r"6 from encoder/conv2d/kernel"),
        (lambda: keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]), "without an encoder"),
    ],
)
def test_a_source_that_has_nothing_to_give_is_refused(source, said):
    with pytest.raises(RequestError, match=said):
        transfer_encoder(built(7), source())
