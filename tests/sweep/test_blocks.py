"""Units of one task: few enough tasks to schedule, and enough of them for every actor."""

from hypothesis import given
from hypothesis import strategies as st

from vadray.sweep.scoring import BLOCKS_OF_AN_ACTOR, MOST_BLOCKS, units_of_a_block


@given(units=st.integers(1, 3_000_000), actors=st.integers(1, 2000))
def test_tasks_are_bounded_and_no_actor_waits_for_a_long_last_one(units, actors):
    each = units_of_a_block(units, actors)
    blocks = -(-units // each)
    assert blocks <= max(MOST_BLOCKS, BLOCKS_OF_AN_ACTOR * actors)
    # one more unit a task would make them too few
    assert each == 1 or units / (each - 1) > max(MOST_BLOCKS, BLOCKS_OF_AN_ACTOR * actors)
