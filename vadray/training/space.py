"""What `vadray tune` tries: a space of options, checked and drawn from before Ray starts any work."""

import difflib
import inspect
import math
from typing import Any

import numpy as np
from scipy import stats
from sklearn.model_selection import ParameterSampler

from vadray.config import TrainOptions, TuneOptions
from vadray.detectors.base import Detector
from vadray.detectors.registry import detector_class
from vadray.errors import RequestError
from vadray.parsing import parse
from vadray.training.prepare import detector_config, own_arguments

EXAMPLE = "space='{learning_rate: {loguniform: [1e-4, 1e-2]}, settings.code_channels: {choice: [8, 16]}}'"
KINDS = ("choice", "uniform", "loguniform", "randint")
SETTING = "settings."

# Trials are compared by their validation loss. So only what leaves its meaning alone can be tried: these options, and
# a detector's own arguments but for those that weigh the loss or choose what it measures ...
TUNABLE = ("learning_rate", "batch_size", "schedule", "temporal", "units")
LOSS_PARTS = ("weight", "loss")
LOSS_SETTINGS = frozenset({"beta", "contrast", "difference", "flow", "margin", "target", "task"})
# ... and those that it does not see, since they change scores alone
SCORE_SETTINGS = frozenset(
    {"blur", "cell", "error_norm", "gate", "normal_speed", "per_picture", "relative", "shares", "top_share"}
)

Changes = dict[str, Any]


def draw_trials(options: TuneOptions) -> list[Changes]:
    """The changes of each trial to the options, the first being none: the starting point.

    The same options draw the same trials. Of a space of few choices there may be fewer trials than `trials`, for
    none is drawn twice.

    Raises:
        RequestError: The space is empty; a key is unknown, or may not be tried; a range is wrong; a value is not one
            that the option or the detector takes.
    """
    if not options.space:
        raise RequestError(f"space: missing; expected what to try, as {EXAMPLE}")
    if not detector_class(options.detector).learns:
        raise RequestError(
            f"detector: expected one that learns by gradient descent, received {options.detector}: there is no "
            "validation loss to compare trials by"
        )
    if options.grace_epochs and options.grace_epochs > options.epochs:
        raise RequestError(
            f"grace_epochs: expected at most epochs={options.epochs}, received {options.grace_epochs}"
        )
    if options.workers != 1:
        raise RequestError(
            f"workers: each trial trains on one worker, and concurrent= says how many at once; received {options.workers}"
        )
    ranges = {}
    for key, entry in options.space.items():
        _check_key(str(key), options)
        ranges[key], ends = _read_range(key, entry)
        for value in ends:  # alone, so that the error can name the key
            trial_detector(options, {key: value})
    return _draw(ranges, starting_values(options), options.trials, options.seed)


def _draw(ranges: dict[str, Any], start: Changes, trials: int, seed: int) -> list[Changes]:
    finite = all(isinstance(values, list) for values in ranges.values())
    most = math.prod(len(values) for values in ranges.values()) if finite else 2 * trials
    drawn: list[Changes] = [{}]
    # more than wanted, for those that are equal to the start or to one another
    for sample in ParameterSampler(ranges, min(2 * trials, most), random_state=seed):
        changes = {key: _plain(sample[key]) for key in ranges}
        if changes != start and changes not in drawn and len(drawn) < trials:
            drawn.append(changes)
    return drawn


def starting_values(options: TuneOptions) -> Changes:
    """What the starting point has for each key of the space; None where a detector's argument has no default."""
    _, detector = trial_detector(options, {})
    known = {**detector.get_config(), **options.model_dump(include=set(TUNABLE), exclude_none=True)}
    start = {key: known.get(key.removeprefix(SETTING)) for key in options.space}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in start.items()}


def trial_options(options: TuneOptions, changes: Changes) -> TrainOptions:
    """The options of one trial's training.

    Raises:
        RequestError: A value is not one that its option takes.
    """
    values = options.model_dump(include=set(TrainOptions.model_fields))
    own = {key.removeprefix(SETTING): value for key, value in changes.items() if key.startswith(SETTING)}
    values |= {key: value for key, value in changes.items() if not key.startswith(SETTING)}
    values["settings"] = {**options.settings, **own}
    return parse(TrainOptions, None, values)


def trial_detector(options: TuneOptions, changes: Changes) -> tuple[dict[str, Any], Detector]:
    """Arguments of a trial's detector, and the detector, without weights yet.

    Raises:
        RequestError: The detector does not take them.
    """
    detector = detector_class(options.detector)
    try:
        for key, value in changes.items():
            argument = inspect.signature(detector.__init__).parameters.get(key.removeprefix(SETTING))
            if argument and type(argument.default) is int and isinstance(value, float):
                raise RequestError(f"expected whole numbers (randint or choice), received {value}")
        config = detector_config(trial_options(options, changes))
        return config, detector(**config)
    except (RequestError, TypeError, ValueError) as error:
        if not changes:
            raise
        raise RequestError(f"space: with {in_words(changes)}: {error}") from None


def in_words(changes: Changes) -> str:
    """`learning_rate=0.0012, temporal=tcn`; "the start" where nothing is changed."""
    shown = {
        key: f"{value:.4g}" if isinstance(value, float) else str(value) for key, value in changes.items()
    }
    return ", ".join(f"{key}={value}" for key, value in shown.items()) or "the start"


def _check_key(key: str, options: TuneOptions) -> None:
    arguments = [
        name
        for name in own_arguments(detector_class(options.detector))
        if name not in TrainOptions.model_fields
    ]
    valid = [*TUNABLE, *(SETTING + name for name in arguments)]
    name = key.removeprefix(SETTING)
    if key.startswith(SETTING):
        if name in LOSS_SETTINGS or any(part in name for part in LOSS_PARTS):
            raise RequestError(
                f"space.{key}: changes what the validation loss means, so trials could not be compared by it"
            )
        if name in SCORE_SETTINGS:
            raise RequestError(
                f"space.{key}: changes scores but not the validation loss, by which trials are compared"
            )
        if name == "seed" or key not in valid:
            near = [name] if name in TUNABLE else difflib.get_close_matches(key, valid, n=1)
            raise RequestError(
                f"space.{key}: {options.detector} has no such argument to try"
                + (f"; did you mean {near[0]}?" if near else f"; valid keys: {', '.join(valid)}")
            )
    elif key in TUNABLE:
        if key == "batch_size" and options.steps_per_epoch:
            raise RequestError(
                "space.batch_size: with steps_per_epoch, trials with other batches would be validated on other "
                "windows; give one of the two"
            )
    elif key in TrainOptions.model_fields:
        raise RequestError(
            f"space.{key}: must be the same for all trials, or their validation losses could not be compared; "
            f"of train's options expected {', '.join(TUNABLE)}"
        )
    else:
        near = difflib.get_close_matches(key, [*valid, *arguments], n=1)
        meant = SETTING + near[0] if near and near[0] in arguments else near[0] if near else ""
        raise RequestError(
            f"space.{key}: unknown key"
            + (f"; did you mean {meant}?" if meant else f"; valid keys: {', '.join(valid)}")
        )


def _read_range(key: str, entry: Any) -> tuple[Any, list[Any]]:
    """A list of choices or a SciPy distribution, and the values that must be valid: all choices, or both ends."""
    wanted = f"space.{key}: expected one of {{choice: [a, b, …]}}, {{uniform: [a, b]}}, {{loguniform: [a, b]}}, {{randint: [a, b]}}"
    if not isinstance(entry, dict) or len(entry) != 1 or next(iter(entry)) not in KINDS:
        raise RequestError(f"{wanted}; received {entry!r}")
    ((kind, values),) = entry.items()
    if not isinstance(values, list) or not values:
        raise RequestError(f"{wanted}; received {entry!r}")
    values = [_number(value) for value in values]
    if kind == "choice":
        return values, values
    if len(values) != 2 or not all(type(value) in (int, float) for value in values):
        raise RequestError(f"{wanted}; received {entry!r}")
    low, high = values
    if not low < high or (kind == "loguniform" and low <= 0):
        raise RequestError(
            f"space.{key}: expected {'0 < ' if kind == 'loguniform' else ''}a < b, received {kind}: [{low}, {high}]"
        )
    if kind == "randint":
        if not all(isinstance(value, int) for value in values):
            raise RequestError(f"space.{key}: expected whole numbers, received {kind}: [{low}, {high}]")
        return stats.randint(low, high + 1), values
    low, high = float(low), float(high)
    return (stats.uniform(low, high - low) if kind == "uniform" else stats.loguniform(low, high)), [low, high]


def _number(value: Any) -> Any:
    """YAML 1.1 takes 1e-4, without a point, for text."""
    try:
        number = float(value) if isinstance(value, str) else math.nan
    except ValueError:
        return value
    return number if math.isfinite(number) else value


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
