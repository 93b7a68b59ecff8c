"""Runs units through the stages on Ray Data."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import ray
from ray.data import ActorPoolStrategy, Dataset
from ray.exceptions import RayTaskError

from vadray.archive.plan import PLAN_SCHEMA
from vadray.bundle import Bundle
from vadray.config import ClusterOptions
from vadray.errors import VadrayError
from vadray.sweep.cluster import ACTOR_CPUS, Pools, pools, reason_of
from vadray.sweep.moments import Pictures
from vadray.sweep.stages import (
    DecodeAndScoreStage,
    DecodeStage,
    ScoreStage,
    StageSettings,
    pack_units,
)
from vadray.sweep.tries import Tries
from vadray.sweep.units import FrameShape
from vadray.sweep.watch import Say, Watch

# whichever is more: few enough to schedule, small enough to balance
MOST_BLOCKS, BLOCKS_OF_AN_ACTOR = 2000, 20
# a task costs the driver some 20 ms: one of 64 small pictures would take it as long as scoring them takes a GPU
FRAMES_OF_A_BLOCK, LEAST_BLOCKS_OF_AN_ACTOR = 1024, 4
CHUNK_BLOCK_BYTES = 32 * 2**20  # Ray's 128 MiB would hold back four chunks before the scorer sees the first


def settings_for(
    bundles: list[Bundle],
    shapes: list[FrameShape],
    options: ClusterOptions,
    scores_folder: str | None,
    pictures: Pictures,
    threads: int = 0,
    gpu: bool = False,
    error_maps: bool = False,
) -> StageSettings:
    """The stages' settings from bundles and options."""
    return StageSettings(
        bundles=tuple(bundle.uri for bundle in bundles),
        shapes=tuple(shapes),
        scores_folder=scores_folder,
        pictures=pictures,
        decode_timeout_s=options.decode_timeout_s,
        decode_memory_mib=options.decode_memory_mib,
        threads=threads,
        gpu=gpu,
        per_gpu=options.scorers_per_gpu,
        precision=options.precision,
        error_maps=error_maps,
        tries=Tries(),
    )


def score_units(
    units: pa.Table,
    bundles: list[Bundle],
    shapes: list[FrameShape],
    options: ClusterOptions,
    scores_folder: str | None,
    pictures: Pictures,
    error_maps: bool = False,
    say: Say = lambda text: None,
) -> Iterator[pa.Table]:
    """Decodes and scores units, in no particular order.

    Args:
        units: Rows of the plan.
        bundles: By the plan's `bundle` index.
        shapes: Frames that each bundle wants.
        options: Sizes of the pools, limits of decoding.
        scores_folder: Where score files go. With None whole rows of scores come back.
        pictures: Of the highest-scoring moments, and of each camera's view.
        error_maps: Error maps come back with the rows (`stages.error_maps_of`); only without `scores_folder`.
        say: Tells a person what is waited for.

    Yields:
        Tables of summaries (`stages.summary`) or of `scores.SCORES`.

    Raises:
        RequestError: The cluster cannot hold the actors asked for.
        ClusterShrunk: A node was lost, and fewer actors could go on; see `Watch`.
        Stalled: Nothing goes on.
        VadrayError: A score is not finite, or storage failed for longer than it is tried.
    """
    if units.num_rows == 0:
        return
    size = pools(options)
    size = replace(size, decode=min(size.decode, units.num_rows))
    settings = settings_for(
        bundles, shapes, options, scores_folder, pictures, size.threads, size.gpu, error_maps
    )
    scored = _stages(_dataset(units, max(size.decode, size.most_decode or 0)), settings, size)
    try:
        with Watch(size, options, say) as watch:
            for batch in scored.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
                watch.heard()
                yield batch
    except RayTaskError as error:
        raise VadrayError(
            f"scoring stopped, {reason_of(error)}; what was scored stays, and the same command goes on from here"
        ) from error


def _stages(dataset: Dataset, settings: StageSettings, size: Pools) -> Dataset:
    common: dict[str, Any] = {
        "fn_constructor_args": (settings,),
        "batch_size": 1,  # a row is plenty, and whole blocks (None) are refused where there are GPUs
        "batch_format": "pyarrow",
        "zero_copy_batch": True,
    }
    decoders = _pool(size.decode, size.most_decode)
    if size.fused:
        return dataset.map_batches(DecodeAndScoreStage, compute=decoders, **common, **size.device)
    chunks = dataset.map_batches(DecodeStage, compute=decoders, num_cpus=ACTOR_CPUS, **common)
    scorers = _pool(
        size.score, size.most_score, max_concurrent_calls_per_actor=2, enable_true_multi_threading=True
    )
    return chunks.map_batches(ScoreStage, compute=scorers, **common, **size.device)


def _pool(actors: int, most: int | None, **more: Any) -> ActorPoolStrategy:
    """A pool that stays, or one that Ray Data makes larger and smaller as work waits for it."""
    if most is None:
        return ActorPoolStrategy(size=actors, **more)
    return ActorPoolStrategy(min_size=1, initial_size=actors, max_size=max(actors, most), **more)


def decode_to_store(
    units: list[dict[str, Any]], shape: FrameShape, options: ClusterOptions
) -> list[ray.ObjectRef]:
    """Decodes units and leaves them in Ray's object store.

    Returns:
        References to tables of decoded chunks (`stages.pack`), in no particular order of units.

    Raises:
        RequestError: The cluster cannot hold the actors asked for.
    """
    table = pa.Table.from_pylist([{**unit, "bundle": 0} for unit in units], schema=PLAN_SCHEMA)
    # no scorer beside them
    actors = min(pools(options.model_copy(update={"gpus": 0, "fuse": True})).decode, len(units))
    settings = settings_for([], [shape], options, None, "none")
    dataset = _dataset(table, actors).map_batches(
        DecodeStage,
        fn_constructor_args=(settings,),
        compute=ActorPoolStrategy(size=actors),
        num_cpus=ACTOR_CPUS,
        batch_size=None,
        batch_format="pyarrow",
    )
    return dataset.materialize().to_arrow_refs()


def units_of_a_block(units: int, actors: int, frames: float = FRAMES_OF_A_BLOCK) -> int:
    """How many units one task takes in hand.

    Args:
        units: In all.
        actors: That take them.
        frames: Of a unit, on average.
    """
    schedulable = -(-units // max(MOST_BLOCKS, BLOCKS_OF_AN_ACTOR * actors))
    worthwhile = -(-FRAMES_OF_A_BLOCK // max(1, int(frames)))
    return max(1, schedulable, min(worthwhile, units // (LEAST_BLOCKS_OF_AN_ACTOR * actors)))


def _dataset(units: pa.Table, actors: int) -> Dataset:
    frames = pc.mean(pc.fill_null(units["frames_estimate"], FRAMES_OF_A_BLOCK)).as_py()
    rows = units_of_a_block(units.num_rows, actors, frames)
    blocks = [pack_units(units.slice(start, rows)) for start in range(0, units.num_rows, rows)]
    # not `from_arrow`, which starts a task for the metadata of each: 2,000 blocks took 25 s, and so take 3
    dataset = ray.data.from_blocks(blocks)
    dataset.context.target_max_block_size = CHUNK_BLOCK_BYTES
    return dataset
