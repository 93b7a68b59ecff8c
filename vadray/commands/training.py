"""Commands that make bundles."""

from typing import Any

from rich.console import Console

from vadray import config
from vadray.commands.command import Result, cluster, say, table


def run_train(options: config.TrainOptions, console: Console) -> Result:
    from vadray.training.train import train

    with cluster(training=True):
        trained = train(options, say(console))
    return _trained(trained, console)


def run_tune(options: config.TuneOptions, console: Console) -> Result:
    from vadray.training.trials import COLUMNS
    from vadray.training.tune import tune

    with cluster(training=True):
        tuned = tune(options, say(console))
    console.print(table("the start, and the best trials", list(COLUMNS), tuned.rows), markup=False)
    return _trained(tuned.trained, console)


def _trained(trained: Any, console: Console) -> Result:
    bundle = trained.bundle
    console.print(f"bundle {bundle.uri}", markup=False)
    return 0, {
        "bundle": bundle.uri,
        "detector": bundle.detector_name,
        "bundle_digest": bundle.digest,
        "scoring_digest": bundle.scoring_digest,
        **trained.figures,
    }


def run_calibrate(options: config.CalibrateOptions, console: Console) -> Result:
    from vadray.training.calibrate import calibrate

    with cluster():
        bundle, calibration, judged = calibrate(options, say(console))
    default = calibration.default
    for camera, note in calibration.notes.items():
        console.print(f"{camera}: {note}", markup=False)
    if calibration.doubt:
        console.print(calibration.doubt, markup=False)
    if judged:
        console.print(
            f"of the judged events in this footage the new threshold flags {judged['right_found']} of {judged['right']} "
            f"right ones and {judged['wrong_found']} of {judged['wrong']} wrong ones",
            markup=False,
        )
    return 0, {
        "bundle": bundle.uri,
        "method": calibration.method,
        "threshold": default.threshold,
        "extrapolated": default.extrapolated,
        "hours": default.hours,
        "frames": default.frames,
        "cameras": sorted(calibration.cameras),
        **judged,
    }
