"""What every training begins with: a detector of the right shape, the listed archive, decoded footage in two sides."""

import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vadray import storage
from vadray.archive.routing import Route
from vadray.config import TrainOptions
from vadray.detectors.base import Detector
from vadray.detectors.registry import detector_class
from vadray.errors import RequestError
from vadray.sweep import planning
from vadray.sweep.units import FrameShape, frame_shape
from vadray.training import footage
from vadray.training.feed import Samples, Schedule
from vadray.training.normal import needs_fit

Say = Callable[[str], None]

# arguments of `Detector` that any detector passes on
COMMON_SETTINGS = ("cell", "relative", "error_norm", "losses", "backbone", "backbone_weights")
VIDEO_SETTINGS = ("flow", "gate")


@dataclass(frozen=True)
class Fold:
    """A part of the footage, which a detector that was fitted on the others scores.

    Args:
        units: Plan rows.
        samples: The same, decoded.
    """

    units: list[dict[str, Any]]
    samples: Samples


@dataclass(frozen=True)
class Prepared:
    """An archive of normal footage, ready to learn from.

    Args:
        shape: Frames that the detector wants.
        sides: Units to learn from and units held out.
        learned: Decoded windows to learn from; None where nothing is taken from them.
        held: Decoded windows to validate on; None where nothing is learned by gradients.
        fingerprint: Names the footage.
        folds: Parts of the units to learn from, which are then all of them; empty where some are held out.
    """

    shape: FrameShape
    sides: footage.Split
    learned: Samples | None
    held: Samples | None
    fingerprint: str
    folds: tuple[Fold, ...] = ()

    def provenance(self, options: TrainOptions) -> dict[str, Any]:
        return {
            "archive": storage.absolute(options.archive),
            "fingerprint": self.fingerprint,
            "held_out_by": self.sides.by,
            "validation": options.validation,
            **({"folds": len(self.folds)} if self.folds else {}),
        }


def prepare(options: TrainOptions, detector: Detector, say: Say) -> Prepared:
    """Lists the archive, holds a part out, and decodes both sides into the object store. Ray must be connected.

    Args:
        options: The archive, the split, the size of the pools.
        detector: What will learn; its frames and windows are cut.
        say: Tells a person.

    Raises:
        RequestError: The archive has nothing to learn from, or too little.
    """
    shape = frame_shape(detector, options.unit_frames, options.clip_fps)
    say(f"listing {options.archive}")
    units = list(
        planning.plan_archive(
            options, options, [Route(0, detector.kind)], [shape], ["training"], [detector.stride]
        )
    )
    skipped = [unit for unit in units if unit["status"] == "quarantined"]
    units = [unit for unit in units if unit["status"] == "planned"]
    if not units:
        raise RequestError(
            f"archive: expected {detector.kind}s that {options.detector} can learn from, found none in {options.archive}"
            + (f" ({len(skipped)} unreadable)" if skipped else "")
        )
    step = options.window_step or max(1, detector.window // 2)

    def load(side: list[dict[str, Any]]) -> Samples:
        return footage.load(side, shape, detector.window, step, options, say)

    fingerprint = footage.fingerprint(units)
    if options.folds and needs_fit(detector):
        parts, by = footage.folds(units, options.folds, options.seed)
        folds = tuple(Fold(part, load(part)) for part in parts)
        every = Samples.joined([fold.samples for fold in folds])
        return Prepared(shape, footage.Split(units, [], by), every, None, fingerprint, folds)
    sides = footage.split(units, options.validation, options.seed)
    learned = load(sides.train) if detector.learns or needs_fit(detector) else None
    held = load(sides.held_out) if detector.learns else None
    return Prepared(shape, sides, learned, held, fingerprint)


def own_arguments(detector: type[Detector]) -> list[str]:
    """Names of the arguments that a detector has itself."""
    return [
        name for name in inspect.signature(detector.__init__).parameters if name not in ("self", "kwargs")
    ]


def draws_at_random(detector: type[Detector]) -> bool:
    """Whether another seed makes another detector of the same footage."""
    return detector.learns or "seed" in own_arguments(detector)


def detector_config(options: TrainOptions) -> dict[str, Any]:
    """The detector's arguments from the options; what it has no argument for is refused."""
    detector = detector_class(options.detector)
    height, width = options.size or detector.default_size
    config: dict[str, Any] = {"height": height, "width": width, "channels": options.channels}
    if detector.kind == "video":
        config |= {"window": options.window or detector.default_window, "stride": options.stride}
    elif (options.window or 1) != 1 or options.stride != 1:
        raise RequestError(
            f"window and stride: {options.detector} scores single images; received window={options.window}, stride={options.stride}"
        )
    if detector.kind == "image" and options.schedule == "temporal":
        raise RequestError(
            f"schedule: {options.detector} learns from single images, in which nothing moves; expected one of "
            "constant, cosine, plateau, received temporal"
        )
    if detector.learns and options.folds:
        raise RequestError(
            f"folds: expected a detector that is fitted in one pass; {options.detector} would be trained once for each part; "
            f"received folds={options.folds}"
        )
    named = {name: getattr(options, name) for name in ("temporal", "units", "target")}
    own = own_arguments(detector)
    choices = [*own, *COMMON_SETTINGS, *(VIDEO_SETTINGS if detector.kind == "video" else ())]
    for name, value in {**named, **options.settings}.items():
        if value is None:
            continue
        if name not in choices or name in config:
            near = difflib.get_close_matches(name, choices, n=1)
            raise RequestError(
                f"{name}: {options.detector} has no such choice; received {name}={value!r}"
                + (f"; did you mean {near[0]}?" if near else "")
            )
        config[name] = value
    if "seed" in own:
        config.setdefault("seed", options.seed)
    return config


def schedule(options: TrainOptions, learned: Samples, held: Samples) -> Schedule:
    """Which samples each step of a training by these options sees.

    Raises:
        RequestError: The batch does not divide among the workers, or there is too little footage.
    """
    if options.batch_size % options.workers:
        raise RequestError(
            f"batch_size: expected a multiple of workers={options.workers}, received {options.batch_size}"
        )
    if len(learned) < options.workers or len(held) == 0:
        raise RequestError(
            f"archive: expected at least {options.workers} windows to learn from and one held out, "
            f"received {len(learned)} and {len(held)}"
        )
    # every rank must take the same number of steps or the all-reduce hangs: what does not fill a step is left
    # to the next epoch's order
    batch_size = min(options.batch_size, len(learned) // options.workers * options.workers)
    steps = len(learned) // batch_size
    validation_steps = -(-len(held) // batch_size)
    if options.steps_per_epoch:
        steps = min(steps, options.steps_per_epoch)
        validation_steps = min(validation_steps, max(1, options.steps_per_epoch // 4))
    return Schedule(learned, held, batch_size, steps, validation_steps, options.epochs, options.seed)
