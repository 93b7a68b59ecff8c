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
    if not (place / "done").exists():
        synthesise(place / "archive", normal_videos=1, test_videos=4, normal_images=1, test_images=24)
        (place / "done").touch()
    return place / "archive" / "test", untrained_bundles(place)


def untrained_bundles(place: Path) -> list[str]:
    """A bundle for videos and one for images, in `place`; kept once they are made."""
    small = {
        "video": detector_class("stae")(
            height=32, width=48, window=4, units=16, filters=(4, 4), code_channels=2
        ),
        "image": detector_class("conv_ae")(height=32, width=32, filters=(4, 4), code_channels=2),
    }
    for name, detector in small.items():
        if (place / name / "bundle.json").exists():
            continue
        keras.utils.set_random_seed(0)
        detector.build()
        normal = [VideoScores(None, np.arange(500) / 10, np.linspace(0, THRESHOLD, 500, dtype=np.float32))]
        calibration = Calibration.fit(normal, kind=detector.kind, method="fixed", value=THRESHOLD)
        write_bundle(str(place / name), detector, calibration, {}, {}, overwrite=True)
    return [str(place / name) for name in small]
