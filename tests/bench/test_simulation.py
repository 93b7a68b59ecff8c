"""The simulated cluster keeps what any cluster must."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vadray.bench.simulation import CHUNKS_HELD, TASKS_AHEAD, Actors, Stages, simulate
from vadray.errors import RequestError

BLOCKS = st.lists(st.lists(st.integers(1, 100), min_size=1, max_size=5), min_size=1, max_size=30)
SECONDS = st.floats(0.001, 1.0)


def frames(blocks):
    return sum(sum(block) for block in blocks)


@given(BLOCKS, SECONDS, SECONDS)
@settings(deadline=None, max_examples=50)
def test_one_actor_takes_the_sum_of_all_steps(blocks, decode_s, score_s):
    stages = Stages(decode_s, score_s, chunk_s=0.5, task_s=0.1, start_s=7.0)
    chunks = sum(len(block) for block in blocks)
    expected = 7.0 + frames(blocks) * (decode_s + score_s) + 0.5 * chunks + 0.1 * len(blocks)
    assert simulate(Actors(1), stages, blocks).wall_s == pytest.approx(expected)


@given(BLOCKS, SECONDS, SECONDS, st.integers(1, 6), st.integers(1, 4), st.integers(1, 8))
@settings(deadline=None, max_examples=100)
def test_no_stage_is_faster_than_its_actors_and_no_queue_longer_than_its_bound(
    blocks, decode_s, score_s, decode, score, chunks
):
    actors, stages = Actors(decode, score, chunks), Stages(decode_s, score_s, task_s=0.01)
    outcome = simulate(actors, stages, blocks)
    work = frames(blocks)
    assert outcome.wall_s >= max(work * decode_s / decode, work * score_s / score) * (1 - 1e-9)
    # at every time somebody works: of nobody the night is longer than all work one after the other
    tasks = len(blocks) + sum(len(block) for block in blocks)
    assert outcome.wall_s <= work * (decode_s + score_s) + 0.01 * tasks + 1e-6
    assert outcome.decoding * outcome.wall_s * decode == pytest.approx(work * decode_s)
    assert outcome.scoring * outcome.wall_s * score == pytest.approx(work * score_s)
    # in decoders, in the store, with the driver, before scorers, in their hands
    assert outcome.chunks <= CHUNKS_HELD * decode + chunks + 1 + TASKS_AHEAD * score + score


def test_a_fed_scorer_works_all_the_time_and_a_hungry_one_waits_for_its_decoders():
    blocks = [[100]] * 400
    fed = simulate(Actors(8, 1), Stages(0.004, 0.001), blocks)
    hungry = simulate(Actors(2, 1), Stages(0.004, 0.001), blocks)
    assert fed.scoring > 0.98
    assert hungry.scoring == pytest.approx(0.5, abs=0.01)
    assert hungry.decoding > 0.99


def test_the_driver_is_the_limit_where_tasks_are_small_and_actors_many():
    outcome = simulate(Actors(100), Stages(0.001, 0.0, task_s=0.01), [[10]] * 5000)
    assert outcome.driver > 0.99
    assert outcome.wall_s == pytest.approx(50, rel=0.01)


def test_nothing_to_do_takes_no_time():
    assert simulate(Actors(3, 1), Stages(1.0, 1.0), []).wall_s == 0


def test_without_simpy_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "simpy", None)
    with pytest.raises(RequestError, match=r"vadray\[bench\]"):
        simulate(Actors(1), Stages(1.0, 1.0), [[1]])


@pytest.mark.parametrize("wrong", [{"decode": 0}, {"decode": 1, "score": -1}, {"decode": 1, "chunks": 0}])
def test_actors_are_at_least_one(wrong):
    with pytest.raises(ValueError, match="Expected `decode` >= 1"):
        Actors(**wrong)
