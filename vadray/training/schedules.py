"""How fast to learn at each step: the base rate times a factor by name.

A factor is a pure function of what every worker knows and what a checkpoint holds: the step, the losses of the
epochs before, and how much moves in the step's windows. So all workers learn at the same rate, and a run that goes on
from a checkpoint learns at the rate at which it would have.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from vadray.errors import RequestError

SLOWEST, FASTEST = 0.25, 4.0
PLATEAU_EPOCHS = 3
PLATEAU_FACTOR = 0.5


@dataclass(frozen=True)
class Moment:
    """A step of training.

    Args:
        epoch: Epochs done.
        step: Steps done in this one.
        epochs: Most epochs of the run.
        steps: Steps in an epoch.
        history: A row for each epoch done, with its `validation_loss`.
        motion: Mean motion in the step's windows over that of all windows to learn from.
    """

    epoch: int
    step: int
    epochs: int
    steps: int
    history: Sequence[dict[str, Any]] = ()
    motion: float = 1.0


def constant(moment: Moment) -> float:
    """1: the paper's 0.001 throughout."""
    return 1.0


def cosine(moment: Moment) -> float:
    """From 1 to 0 along half a cosine over the whole run.

    Reference: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017, equation 5,
        without restarts.
    """
    done = (moment.epoch * moment.steps + moment.step) / (moment.epochs * moment.steps)
    return (1 + math.cos(math.pi * min(done, 1.0))) / 2


def plateau(moment: Moment) -> float:
    """Halved whenever the validation loss has not been at its lowest for `PLATEAU_EPOCHS` epochs."""
    best, waited, factor = math.inf, 0, 1.0
    for row in moment.history:
        improved = row["validation_loss"] < best
        best = min(best, row["validation_loss"])
        waited = 0 if improved else waited + 1
        if waited == PLATEAU_EPOCHS:
            waited, factor = 0, factor * PLATEAU_FACTOR
    return factor


def temporal(moment: Moment) -> float:
    """The motion in the step's windows relative to the footage's, from `SLOWEST` to `FASTEST`.

    The paper adapts the learning rate "by temporal context" and lists it beside frame-difference rate, motion and
    optical flow, without a formula; this one is ours. Adam makes steps of one size whatever the gradient: a step
    on windows in which nothing moves would change the weights as much as one on a crowd, to fit noise. In
    proportion to motion, the mean rate over an epoch stays about the base rate. In a batch of many windows drawn at
    random motion is near its mean, and so is the rate: it tells with small batches and uneven footage.
    """
    return min(max(moment.motion, SLOWEST), FASTEST)


SCHEDULES: dict[str, Callable[[Moment], float]] = {
    factor.__name__: factor for factor in (constant, cosine, plateau, temporal)
}


def learning_rate(schedule: str, base: float, moment: Moment) -> float:
    """The learning rate of a step.

    Args:
        schedule: One of `SCHEDULES`.
        base: Learning rate where the factor is 1.
        moment: The step.

    Raises:
        RequestError: No such schedule.
    """
    if schedule not in SCHEDULES:
        raise RequestError(f"schedule: expected one of {', '.join(SCHEDULES)}, received {schedule!r}")
    return base * SCHEDULES[schedule](moment)
