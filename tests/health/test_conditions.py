"""Conditions of cameras from figures, and the stretches they last."""

import itertools

import numpy as np
import pytest

from vadray.health.conditions import CONDITIONS, Usual, conditions_of, stretches
from vadray.health.figures import STEP, STEP_S, StepFigures

DAY = Usual(brightness=120.0, sharpness=900.0, still=0.0, same_hour=False)


def steps(count: int, **changes) -> np.ndarray:
    made = np.zeros(count, STEP)
    made["start_s"], made["seconds"], made["frames"] = np.arange(count) * STEP_S, STEP_S, 50
    made["brightness"], made["sharpness"] = 120.0, 900.0
    for name, value in changes.items():
        made[name] = value
    return made


@pytest.mark.parametrize(
    ("changes", "usual", "named"),
    [
        ({}, DAY, None),
        ({"brightness": 4.0, "sharpness": 2.0}, DAY, "dark"),
        ({"brightness": 30.0, "sharpness": 100.0}, DAY, "dark"),
        ({"brightness": 30.0, "sharpness": 900.0}, DAY, None),  # little light and all details: a night
        ({"brightness": 4.0}, Usual(5.0, 900.0, 0.0, True), None),  # as dark as it always is at this hour
        ({"still": 1.0}, DAY, "frozen"),
        ({"still": 1.0}, Usual(120.0, 900.0, 0.9, False), None),  # nothing moves there at other times either
        ({"sharpness": 300.0}, DAY, None),  # infrared, may be
        ({"sharpness": 300.0}, Usual(120.0, 900.0, 0.0, True), "blurred"),
        ({"sharpness": 100.0}, DAY, "blurred"),
        ({"moved": True}, DAY, "moved"),
        ({"moved": True, "brightness": 3.0, "sharpness": 1.0}, DAY, "dark"),
    ],
)
def test_each_condition(changes, usual, named):
    found = conditions_of(steps(3, **changes), usual)
    assert found.tolist() == [-1 if named is None else CONDITIONS.index(named)] * 3


def test_a_stretch_is_named_once_it_lasts():
    some = steps(60)
    conditions = np.full(60, -1)
    conditions[3:8] = CONDITIONS.index("dark")  # 50 s
    assert stretches(some, conditions) == []
    conditions[3:10] = CONDITIONS.index("dark")
    conditions[12] = CONDITIONS.index("dark")  # after a gap of 20 s
    (one,) = stretches(some, conditions)
    assert (one.condition, one.start_s, one.end_s) == ("dark", 30.0, 130.0)
    conditions[30:] = CONDITIONS.index("frozen")
    assert [one.condition for one in stretches(some, conditions)] == ["dark", "frozen"]


def test_steps_do_not_depend_on_how_frames_come():
    rng = np.random.default_rng(0)
    count = 997
    frames = {"time_s": np.sort(rng.uniform(0, 123, count))}
    frames |= {name: rng.uniform(0, 200, count).astype(np.float32) for name in ("brightness", "sharpness")}
    frames["motion"] = np.where(rng.random(count) < 0.5, 0.0, 1.0).astype(np.float32)

    def made(bounds):
        figures, found = StepFigures(), []
        for a, b in itertools.pairwise(bounds):
            found += figures.push({name: values[a:b] for name, values in frames.items()})
        return np.array([*found, *figures.finish()], STEP)

    whole = made([0, count])
    assert len(whole) == 13 and whole["frames"].sum() == count
    np.testing.assert_array_equal(made([0, 1, 1, 400, 401, count]), whole)
    assert 0.3 < whole["still"].mean() < 0.7
