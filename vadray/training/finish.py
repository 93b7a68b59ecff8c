"""What every training ends with: from learned weights to a calibrated bundle."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vadray import storage
from vadray.bundle import Bundle, recalibrate, write_bundle
from vadray.calibration.calibration import VideoScores
from vadray.config import TrainOptions
from vadray.detectors.base import Detector
from vadray.training.calibrate import fit_calibration, score_footage
from vadray.training.folds import score_folds
from vadray.training.normal import fit_normal, needs_fit
from vadray.training.prepare import Prepared
from vadray.training.start import Start, against_start

Say = Callable[[str], None]


@dataclass(frozen=True)
class Trained:
    """What a training run left.

    Args:
        bundle: The calibrated bundle.
        figures: Numbers for the last line on stdout.
    """

    bundle: Bundle
    figures: dict[str, Any]


@dataclass(frozen=True)
class Learned:
    """A detector with the weights that were picked, and how they came about.

    Args:
        detector: Built.
        config: Its arguments.
        training: Provenance: how it was trained.
        history: A row for each epoch; empty where nothing is learned by gradients.
        pictures: Further files of the bundle, by name.
        start: The bundle that training began with, or None.
    """

    detector: Detector
    config: dict[str, Any]
    training: dict[str, Any]
    history: list[dict[str, Any]]
    pictures: dict[str, bytes]
    start: Start | None


def finish(
    learned: Learned, prepared: Prepared, options: TrainOptions, place: str, begun: float, say: Say
) -> Trained:
    """Measures what is usual, calibrates on the held-out footage (or on each fold), writes the bundle, forgets the checkpoints.

    Args:
        learned: What was trained; its detector is changed in place.
        prepared: The footage.
        options: How to calibrate, and where the bundle goes.
        place: Where the run's checkpoints are.
        begun: Of the command, by `time.monotonic`.
        say: Tells a person.
    """
    scored: list[VideoScores] = []
    if prepared.folds:
        scored = score_folds(learned.detector, learned.config, prepared, options, place, say)
    if prepared.learned is not None and needs_fit(learned.detector):
        say("measuring what is usual in the footage")
        fit_normal(learned.detector, learned.config, prepared.learned)
    training = {**learned.training, "train_s": round(time.monotonic() - begun, 1)}
    # of a detector that takes nothing from the footage all of it is as good as held out
    taught = prepared.learned is not None
    calibrated_on = "every fold" if prepared.folds else "held-out part" if taught else "all of it"
    data = {**prepared.provenance(options), "calibrated_on": calibrated_on}
    provenance = {"data": data, "training": training, "history": learned.history}
    candidate = write_bundle(
        storage.join(place, "candidate"),
        learned.detector,
        None,
        provenance,
        learned.pictures,
        overwrite=True,
    )
    held_out = [*([] if taught else prepared.sides.train), *prepared.sides.held_out]
    if not prepared.folds:
        say(
            "calibrating on the held-out footage"
            if taught
            else "nothing is learned: all the footage calibrates"
        )
        scored = score_footage(candidate, held_out, prepared.shape, options)
    calibration = fit_calibration(candidate.kind, scored, options)
    if calibration.doubt:
        say(calibration.doubt)
    start = learned.start
    compared = against_start(start, calibration, scored, held_out, options) if start else {}
    if compared:
        say(
            f"of the held-out footage {compared['flagged_after']:.2%} is flagged at threshold "
            f"{calibration.default.threshold:.6g}; the bundle it started from flags "
            f"{compared['flagged_before']:.2%} at {compared['threshold_before']:.6g}"
        )
    bundle = recalibrate(candidate, calibration, options.out, {}, options.overwrite)
    storage.delete_folder(place)
    return Trained(
        bundle,
        {
            **training,
            **({} if taught else {"frames": calibration.default.frames}),
            "calibrated_on": calibrated_on,
            "threshold": calibration.default.threshold,
            "extrapolated": calibration.default.extrapolated,
            **compared,
            "wall_s": round(time.monotonic() - begun, 1),
        },
    )
