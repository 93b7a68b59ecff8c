"""Cross-validation of detectors that are fitted in one pass: all of the footage calibrates, and all of it is learned from."""

from collections.abc import Callable
from typing import Any

from vadray import storage
from vadray.bundle import write_bundle
from vadray.calibration.calibration import VideoScores
from vadray.config import TrainOptions
from vadray.detectors.base import Detector
from vadray.training.calibrate import score_footage
from vadray.training.feed import Samples
from vadray.training.normal import fit_normal
from vadray.training.prepare import Prepared


def score_folds(
    detector: Detector,
    config: dict[str, Any],
    prepared: Prepared,
    options: TrainOptions,
    place: str,
    say: Callable[[str], None],
) -> list[VideoScores]:
    """Scores each part of the footage by a detector that was fitted on the others. Ray must be connected.

    With little footage a share that is held out says little of the scores' tail; here all of it does. What is scored by
    is fitted on `1 - 1 / folds` of what the bundle will be fitted on, and so a little stricter than it.

    Args:
        detector: Built and not yet fitted; left as it was.
        config: Its arguments.
        prepared: The footage, with its folds.
        options: Sizes of the pools.
        place: Folder for the bundles of the folds.
        say: Tells a person.
    """
    unfitted = detector.get_weights()
    scored = []
    for number, fold in enumerate(prepared.folds):
        say(f"fold {number + 1} of {len(prepared.folds)}: fitted on the others and scored")
        others = Samples.joined([other.samples for other in prepared.folds if other is not fold])
        fit_normal(detector, config, others)
        fitted = write_bundle(storage.join(place, f"fold-{number}"), detector, None, {}, {}, overwrite=True)
        scored += score_footage(fitted, fold.units, prepared.shape, options)
        detector.set_weights(unfitted)
    return scored
