"""What is swept: a small archive with a damaged video, and bundles whose weights need no training."""

from pathlib import Path

import keras
import numpy as np

from vadray.bundle import write_bundle
from vadray.calibration.calibration import Calibration, VideoScores
from vadray.detectors.registry import detector_class
from vadray.synth import synthesise

THRESHOLD = 0.02  # of untrained detectors: some frames pass it, and some do not


def material(place: Path) -> tuple[Path, list[str]]:
    """The archive, and bundles for its videos and images."""
    bundles = [place / "video", place / "image"]
    if not (place / "done").exists():
        synthesise(place / "archive", normal_videos=1, test_videos=4, normal_images=1, test_images=24)
        keras.utils.set_random_seed(0)
        small = [
            detector_class("stae")(height=32, width=48, window=4, units=16, filters=(4, 4), code_channels=2),
            detector_class("conv_ae")(height=32, width=32, filters=(4, 4), code_channels=2),
        ]
        for detector, bundle in zip(small, bundles, strict=True):
            detector.build()
            normal = [
                VideoScores(None, np.arange(500) / 10, np.linspace(0, THRESHOLD, 500, dtype=np.float32))
            ]
            calibration = Calibration.fit(normal, kind=detector.kind, method="fixed", value=THRESHOLD)
            write_bundle(str(bundle), detector, calibration, {}, {}, overwrite=True)
        (place / "done").touch()
    return place / "archive" / "test", [str(bundle) for bundle in bundles]
