"""Units of one task: few enough tasks to schedule, and enough of them for every actor."""

from datetime import UTC, datetime

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from vadray.archive.objects import ArchiveObject
from vadray.archive.plan import PLAN_SCHEMA, BundlePlan, Probed, plan_units
from vadray.archive.routing import Route
from vadray.sweep.scoring import (
    BLOCKS_OF_AN_ACTOR,
    FRAMES_OF_A_BLOCK,
    LEAST_BLOCKS_OF_AN_ACTOR,
    MOST_BLOCKS,
    units_of_a_block,
)
from vadray.sweep.stages import pack_units, unpack_units


@given(units=st.integers(1, 3_000_000), actors=st.integers(1, 2000))
def test_tasks_are_bounded_and_no_actor_waits_for_a_long_last_one(units, actors):
    each = units_of_a_block(units, actors)
    blocks = -(-units // each)
    assert blocks <= max(MOST_BLOCKS, BLOCKS_OF_AN_ACTOR * actors)
    # one more unit a task would make them too few
    assert each == 1 or units / (each - 1) > max(MOST_BLOCKS, BLOCKS_OF_AN_ACTOR * actors)


@given(units=st.integers(1, 3_000_000), actors=st.integers(1, 2000), frames=st.floats(0, 5000))
def test_tasks_are_worth_their_while_where_that_leaves_each_actor_some(units, actors, frames):
    each = units_of_a_block(units, actors, frames)
    blocks = -(-units // each)
    assert each == units_of_a_block(units, actors) or blocks >= LEAST_BLOCKS_OF_AN_ACTOR * actors
    assert (
        each * max(1, int(frames)) >= FRAMES_OF_A_BLOCK
        or units / (each + 1) < LEAST_BLOCKS_OF_AN_ACTOR * actors
    )


def test_what_tasks_get_are_the_units_once_and_in_order():
    now = datetime(2026, 11, 22, tzinfo=UTC)
    found = (Probed(ArchiveObject(f"/a/ü {i}.png", "image", i, "e", now)) for i in range(100))
    rows = plan_units(
        found,
        root="/a",
        routes=[Route(0, "image", None, None)],
        bundles=[BundlePlan("d", 1, 0)],
        unit_images=3,
    )
    units = pa.Table.from_pylist([{**row, "part": 0} for row in rows], PLAN_SCHEMA)
    packed = [pack_units(units.slice(start, 7)) for start in range(0, units.num_rows, 7)]
    assert unpack_units(pa.concat_tables(packed)).equals(units)
    assert pa.concat_tables([unpack_units(one) for one in packed]).equals(units)
