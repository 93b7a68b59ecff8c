"""Training that starts from a bundle: with its weights, or its encoder's; told what has changed."""

import keras
import numpy as np
import pytest

from tests.integration.small_training import small_options
from vadray.bundle import open_bundle, write_bundle
from vadray.config import TrainOptions
from vadray.detectors.conv_ae import ConvolutionalAutoencoder
from vadray.detectors.stae import SpatiotemporalAutoencoder
from vadray.detectors.vae import VariationalAutoencoder
from vadray.errors import RequestError
from vadray.training.start import start_from
from vadray.training.train import train

SAME = {"filters": [4, 4], "code_channels": 2}


def options(archive, out, **more) -> TrainOptions:
    return small_options(archive, out, **{"settings": SAME, **more})


def built(cls=SpatiotemporalAutoencoder, **more):
    keras.utils.set_random_seed(9)
    settings = {"window": 4, "units": 16} if cls is SpatiotemporalAutoencoder else {}
    detector = cls(height=32, width=48, **{**settings, **SAME, **more})
    detector.build()
    return detector


def learned(detector) -> np.ndarray:
    return np.concatenate([variable.numpy().ravel() for variable in detector.trainable_variables])


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_it_starts_from_the_bundle_and_the_old_calibration_is_told_beside_the_new(
    workers, archive, bundles, cluster, tmp_path
):
    """One step at a rate next to nothing leaves the weights where they began."""
    said: list[str] = []
    result = train(
        options(
            archive,
            tmp_path / "tuned",
            init=str(bundles["video"]),
            epochs=1,
            steps_per_epoch=1,
            workers=workers,
            learning_rate=1e-9,
            schedule="temporal",
        ),
        said.append,
    )
    old, new = open_bundle(str(bundles["video"])), result.bundle
    np.testing.assert_allclose(learned(new.load_detector()), learned(old.load_detector()), atol=1e-7)

    figures = result.figures
    assert figures["init_weights"] == "all" and figures["init_digest"] == old.digest
    assert figures["threshold_before"] == old.calibration.default.threshold
    assert figures["threshold"] == new.calibration.default.threshold
    assert 0 <= figures["flagged_before"] <= 1 and 0 <= figures["flagged_after"] <= 0.1
    assert any("the bundle it started from flags" in line for line in said)
    assert new.info["training"]["init"] == old.uri

    (row,) = new.info["history"]
    assert 0.25e-9 <= row["learning_rate"] <= 4e-9 and row["learning_rate"] != 1e-9


@pytest.mark.parametrize("more", [{}, {"stride": 2}])
def test_the_same_detector_takes_all_weights_whatever_its_stride(bundles, more):
    detector, source = built(**more), open_bundle(str(bundles["video"])).load_detector()
    assert start_from(str(bundles["video"]), detector).taken == "all"
    np.testing.assert_array_equal(learned(detector), learned(source))


def test_another_seed_takes_all_weights_too(tmp_path):
    """The seed of a training reaches detectors that draw, and is no reason to begin with less."""
    source, detector = (built(VariationalAutoencoder, units=8, seed=seed) for seed in (0, 1))
    bundle = write_bundle(str(tmp_path / "raw"), source, None, {}, {})
    assert start_from(bundle.uri, detector).taken == "all"
    np.testing.assert_array_equal(learned(detector), learned(source))


@pytest.mark.parametrize(
    "cls, kind", [(SpatiotemporalAutoencoder, "video"), (ConvolutionalAutoencoder, "image")]
)
def test_another_configuration_takes_the_encoder(bundles, cls, kind):
    more = {"units": 24} if kind == "video" else {"code_channels": 3}
    detector, source = built(cls, **more), open_bundle(str(bundles[kind])).load_detector()
    rest = detector.decoder.get_weights()
    assert start_from(str(bundles[kind]), detector).taken == "encoder"
    np.testing.assert_array_equal(detector.encoder.get_weights()[0], source.encoder.get_weights()[0])
    for now, before in zip(detector.decoder.get_weights(), rest, strict=True):
        np.testing.assert_array_equal(now, before)


def test_where_nothing_fits_training_is_refused_before_a_file_is_read(archive, bundles, tmp_path):
    wide = {"filters": [6, 6], "code_channels": 3}
    with pytest.raises(RequestError, match=r"init: nothing in .*video fits stae"):
        train(options(archive, tmp_path / "out", init=str(bundles["video"]), settings=wide), print)
    with pytest.raises(RequestError, match="expected a bundle"):
        train(options(archive, tmp_path / "out", init=str(tmp_path)), print)
    assert not (tmp_path / "out").exists()


def test_what_is_not_learned_cannot_start_from_a_bundle(bundles):
    detector = built()
    detector.learns = False
    with pytest.raises(RequestError, match="expected a detector that learns"):
        start_from(str(bundles["video"]), detector)


def test_temporal_schedule_is_refused_for_images(archive, tmp_path):
    with pytest.raises(RequestError, match="schedule: conv_ae learns from single images"):
        train(
            options(
                archive,
                tmp_path,
                detector="conv_ae",
                size=(32, 32),
                window=None,
                units=None,
                schedule="temporal",
            ),
            print,
        )


def test_what_was_usual_in_the_old_footage_is_not_taken(tmp_path):
    """The new usual errors are measured on maps that come out relative to what the detector holds for usual."""
    source, detector = built(relative=True), built(relative=True)
    source.normal_error.usual.assign(np.full((4, 6), 7.0))
    bundle = write_bundle(str(tmp_path / "raw"), source, None, {}, {})
    assert start_from(bundle.uri, detector).taken == "all"
    assert (detector.normal_error.usual.numpy() == 1).all()
