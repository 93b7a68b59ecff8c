"""Fine-tuning: training that begins with what a bundle has learned, and what that changed in the end."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from vadray.bundle import Bundle, open_bundle
from vadray.calibration.calibration import Calibration, VideoScores
from vadray.config import TrainOptions
from vadray.detectors.base import Detector
from vadray.detectors.transfer import transfer_encoder
from vadray.errors import RequestError
from vadray.sweep.units import frame_shape
from vadray.training.calibrate import score_footage

# what makes no other weights of those that are given: names, by how much windows move, the seed of what is drawn, and
# where a backbone once was read from
_NOT_LEARNED = ("name", "dtype", "trainable", "stride", "seed", "backbone_weights")


@dataclass(frozen=True)
class Start:
    """Where training began.

    Args:
        bundle: The bundle that was trained before.
        taken: "all" its weights, or its "encoder".
    """

    bundle: Bundle
    taken: Literal["all", "encoder"]

    def provenance(self) -> dict[str, str]:
        return {"init": self.bundle.uri, "init_digest": self.bundle.digest, "init_weights": self.taken}


def start_from(uri: str, detector: Detector) -> Start:
    """Gives a detector a bundle's weights: all of them if it is the same in all that is learned, else the encoder's.

    What the bundle knows of normal errors is not taken: it is measured anew on the new footage.

    Args:
        uri: Of the bundle.
        detector: Built; changed in place.

    Raises:
        RequestError: There is no bundle, nothing of it fits, or the detector learns nothing.
    """
    if not detector.learns:
        raise RequestError(
            f"init: expected a detector that learns, received {detector.name_of_detector}, which is fitted in one pass"
        )
    bundle = open_bundle(uri)
    source = bundle.load_detector()
    if type(source) is type(detector) and _learned_config(source) == _learned_config(detector):
        detector.set_weights(source.get_weights())
        # error maps would come divided by the old footage's usual errors, and the new ones be fitted to those
        if detector.normal_error is not None:
            detector.normal_error.usual.assign(np.ones_like(detector.normal_error.usual.numpy()))
        return Start(bundle, "all")
    try:
        transfer_encoder(detector, source)
    except RequestError as error:
        raise RequestError(
            f"init: nothing in {bundle.uri} fits {detector.name_of_detector}: {error}"
        ) from None
    return Start(bundle, "encoder")


def against_start(
    start: Start,
    calibration: Calibration,
    scored: list[VideoScores],
    units: list[dict[str, Any]],
    options: TrainOptions,
) -> dict[str, float]:
    """What the bundle that training began with makes of the new footage, beside the new one. Ray must be connected.

    Args:
        start: Where training began.
        calibration: Of the new bundle.
        scored: The held-out footage, scored by the new bundle.
        units: Its plan rows.
        options: Sizes of the pools.

    Returns:
        `threshold_before`, `flagged_before` and `flagged_after`, shares of the frames; none of them where the old
        bundle scores no such objects or has no calibration. Its first frames of a unit within a video have
        less context than in a sweep, where its windows are longer than the new one's.
    """
    old = start.bundle
    if old.kind != calibration.kind or "calibration.json" not in old.info["files"]:
        return {}
    shape = frame_shape(old, options.unit_frames, options.clip_fps)
    return {
        "threshold_before": old.calibration.default.threshold,
        "flagged_before": _share_flagged(old.calibration, score_footage(old, units, shape, options)),
        "flagged_after": _share_flagged(calibration, scored),
    }


def _learned_config(detector: Detector) -> dict[str, Any]:
    return {key: value for key, value in detector.get_config().items() if key not in _NOT_LEARNED}


def _share_flagged(calibration: Calibration, scored: list[VideoScores]) -> float:
    flags = [calibration.apply(video).flags for video in scored if len(video.score)]
    return float(np.concatenate(flags).mean()) if flags else 0.0
