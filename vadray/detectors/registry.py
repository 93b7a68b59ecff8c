"""Detectors by name. Importing this module imports Keras."""

import difflib

from vadray.detectors.amae import AppearanceMotionAutoencoder
from vadray.detectors.base import Detector
from vadray.detectors.conv_ae import ConvolutionalAutoencoder
from vadray.detectors.dense_ae import DenseAutoencoder
from vadray.detectors.feature_density import FeatureDensity
from vadray.detectors.frame_difference import FrameDifference
from vadray.detectors.frame_prediction import FramePrediction
from vadray.detectors.memory_ae import MemoryAutoencoder
from vadray.detectors.motion import Motion
from vadray.detectors.perspective_motion import PerspectiveMotion
from vadray.detectors.recognition import RecognitionDetector
from vadray.detectors.stae import SpatiotemporalAutoencoder
from vadray.detectors.stcen import SpatiotemporalConsistency
from vadray.detectors.std import SpatioTemporalDissociation
from vadray.detectors.vae import VariationalAutoencoder
from vadray.errors import RequestError

DETECTORS: dict[str, type[Detector]] = {
    detector.name_of_detector: detector
    for detector in (
        ConvolutionalAutoencoder,
        DenseAutoencoder,
        VariationalAutoencoder,
        FeatureDensity,
        SpatiotemporalAutoencoder,
        SpatioTemporalDissociation,
        SpatiotemporalConsistency,
        AppearanceMotionAutoencoder,
        MemoryAutoencoder,
        FramePrediction,
        PerspectiveMotion,
        Motion,
        FrameDifference,
        RecognitionDetector,
    )
}


def detector_class(name: str) -> type[Detector]:
    """The class of the detector called `name`.

    Raises:
        RequestError: No such detector; the nearest name is suggested.
    """
    if name in DETECTORS:
        return DETECTORS[name]
    near = difflib.get_close_matches(name, DETECTORS, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise RequestError(f"detector: expected one of {', '.join(DETECTORS)}, received {name!r}.{hint}")
