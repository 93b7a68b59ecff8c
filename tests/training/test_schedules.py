"""Learning rates: what each schedule says, and that a checkpoint and every rank know enough to say the same."""

import itertools
import json
import math

import numpy as np
import pytest

from vadray.errors import RequestError
from vadray.training.feed import RankFeed, Samples, Schedule
from vadray.training.footage import window_motion
from vadray.training.schedules import FASTEST, SCHEDULES, SLOWEST, Moment, learning_rate

EPOCHS, STEPS = 10, 5


def history(*losses: float) -> list[dict]:
    return [
        {"epoch": epoch, "loss": 2 * loss, "validation_loss": loss} for epoch, loss in enumerate(losses, 1)
    ]


def moment(epoch: int = 0, step: int = 0, past: list[dict] | None = None, motion: float = 1.0) -> Moment:
    return Moment(epoch, step, EPOCHS, STEPS, past or [], motion)


def feed_schedule(motion: np.ndarray, batch_size: int = 4, steps: int = 3) -> Schedule:
    samples = Samples([], np.zeros((len(motion), 3), np.int64), 8, 0, motion.astype(np.float32))
    return Schedule(samples, samples, batch_size, steps, 1, EPOCHS, seed=0)


def test_constant_is_the_base_throughout():
    rates = {
        learning_rate("constant", 0.001, moment(e, s, history(1, 2, 3, 4), motion=9.0))
        for e in range(EPOCHS)
        for s in range(STEPS)
    }
    assert rates == {0.001}


def test_cosine_falls_from_the_base_to_nearly_nothing():
    rates = [learning_rate("cosine", 0.01, moment(e, s)) for e in range(EPOCHS) for s in range(STEPS)]
    assert rates[0] == 0.01
    assert all(later < earlier for earlier, later in itertools.pairwise(rates))
    assert rates[EPOCHS * STEPS // 2] == pytest.approx(0.005)
    assert 0 < rates[-1] < 0.0001


@pytest.mark.parametrize(
    "losses, factor",
    [
        ((), 1),
        ((5, 4, 3, 2, 1), 1),
        ((1, 2, 2), 1),
        ((1, 2, 2, 2), 1 / 2),
        ((1, 1, 1, 1), 1 / 2),
        ((3, 4, 4, 2, 3, 3), 1),
        ((1, 2, 2, 2, 2, 2), 1 / 2),
        ((1, 2, 2, 2, 2, 2, 2), 1 / 4),
        ((3, 4, 4, 4, 2, 3, 3, 3), 1 / 4),
        ((1, math.nan, math.nan, math.nan), 1 / 2),
    ],
)
def test_plateau_halves_after_three_epochs_without_improvement(losses, factor):
    past = history(*losses)
    assert learning_rate("plateau", 0.008, moment(len(past), 0, past)) == pytest.approx(0.008 * factor)


@pytest.mark.parametrize(
    "motion, factor",
    [(1.0, 1.0), (0.5, 0.5), (2.0, 2.0), (0.0, SLOWEST), (0.01, SLOWEST), (100.0, FASTEST)],
)
def test_temporal_follows_motion_within_bounds(motion, factor):
    assert learning_rate("temporal", 0.001, moment(motion=motion)) == pytest.approx(0.001 * factor)


def test_an_unknown_schedule_is_refused():
    with pytest.raises(RequestError, match=r"schedule: expected one of constant, cosine.*received 'linear'"):
        learning_rate("linear", 0.001, moment())


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_run_that_goes_on_learns_at_the_rates_it_would_have(name):
    """What a checkpoint holds is read back from JSON before each epoch of the second run."""
    random = np.random.default_rng(1)
    losses = random.random(EPOCHS).tolist()
    schedule = feed_schedule(random.random(60), steps=STEPS)

    def rates(from_epoch: int, past: list[dict]) -> list[float]:
        given = []
        for epoch in range(from_epoch, EPOCHS):
            motion = schedule.epoch_motion(epoch).tolist()
            given += [
                learning_rate(name, 0.001, moment(epoch, step, past, motion[step])) for step in range(STEPS)
            ]
            past = [*past, {"epoch": epoch + 1, "validation_loss": losses[epoch]}]
        return given

    whole = rates(0, [])
    assert len(set(whole)) > 1 or name == "constant"
    for epoch in range(EPOCHS):
        held = json.loads(json.dumps(history(*losses[:epoch])))
        assert rates(epoch, held) == whole[epoch * STEPS :]


def test_motion_of_a_step_is_of_all_its_samples_on_every_rank():
    motion = np.random.default_rng(0).random(20)
    schedule = feed_schedule(motion)
    chosen = schedule.epoch_samples(3)[0]
    np.testing.assert_allclose(
        schedule.epoch_motion(3), motion[chosen].mean(axis=1) / motion.mean(), rtol=1e-6
    )
    feeds = [RankFeed(schedule, rank, 2) for rank in range(2)]
    given = [feed.schedule.epoch_motion(3).tolist() for feed in feeds]
    assert given[0] == given[1]
    assert not np.array_equal(schedule.epoch_motion(3), schedule.epoch_motion(4))


def test_where_nothing_moves_motion_is_usual():
    assert feed_schedule(np.zeros(20)).epoch_motion(0).tolist() == [1.0, 1.0, 1.0]


def test_motion_of_windows_is_the_mean_of_frames_that_have_one():
    motion = np.array([0, 2, 4, 6, 8], np.float32)
    starts = np.array([0, 1, 3])
    # an object's beginning: its first frame has none before it
    assert window_motion(motion, 0, starts, 2).tolist() == [2, 3, 7]
    # a later chunk: the two frames of the lead-in were measured in the chunk before
    assert window_motion(motion, 2, starts, 3).tolist() == [0, 1, 4]
    # windows longer than the chunk repeat its last frame
    assert window_motion(motion[:3], 0, np.array([0]), 5).tolist() == [pytest.approx((2 + 4 + 4 + 4) / 4)]
    # one frame of lead-in alone, and an image
    assert window_motion(motion, 1, np.array([0]), 1).tolist() == [4]
    assert window_motion(motion[:1], 0, np.array([0]), 1).tolist() == [0]
