"""One Ray for the whole run, one synthetic archive, and bundles whose weights need no training."""

import os
from pathlib import Path

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = "1"  # two halves on two cores
os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - of Ray's 15 the tests beside it would leave its workers little

import pytest

from tests.s3_server import s3_server  # noqa: F401
from vadray.synth import SynthArchive, synthesise


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks all tests of files that need Ray, so that `make test` can run the others beside them."""
    with_ray = {item.path for item in items if "cluster" in item.fixturenames}
    for item in items:
        if item.path in with_ray:
            item.add_marker(pytest.mark.ray)


@pytest.fixture(scope="session")
def cluster(s3_server):  # noqa: F811
    """A local Ray; started after the S3 server, since workers see the environment that Ray was started in."""
    from vadray.sweep.cluster import connected

    with connected():
        yield


@pytest.fixture(scope="session")
def archive(tmp_path_factory) -> SynthArchive:
    """Two kinds of anomalies, short: 3 normal and 3 test videos of 6 s, 16 and 10 images."""
    return synthesise(
        tmp_path_factory.mktemp("archive"),
        normal_videos=3,
        test_videos=3,
        seconds=6,
        normal_images=16,
        test_images=10,
    )


@pytest.fixture(scope="session")
def bundles(archive, cluster, tmp_path_factory) -> dict[str, Path]:
    """A video and an image bundle with random weights, calibrated on the archive's normal half."""
    import keras

    from vadray.bundle import write_bundle
    from vadray.config import CalibrateOptions
    from vadray.detectors.registry import detector_class
    from vadray.training.calibrate import calibrate

    folder = tmp_path_factory.mktemp("bundles")
    keras.utils.set_random_seed(0)
    small = {
        "video": detector_class("stae")(
            height=32, width=48, window=4, units=16, filters=(4, 4), code_channels=2
        ),
        "image": detector_class("conv_ae")(height=32, width=32, filters=(4, 4), code_channels=2),
    }
    made = {}
    for kind, detector in small.items():
        detector.build()
        raw = write_bundle(str(folder / f"raw-{kind}"), detector, None, {}, {})
        made[kind] = folder / kind
        options = CalibrateOptions(bundle=raw.uri, archive=str(archive.train), out=str(made[kind]), actors=1)
        calibrate(options, lambda text: None)
    return made
