"""What is fitted goes through the footage in the plan's order, in whatever order it was decoded."""

import numpy as np
import ray

from vadray.media.request import DecodedChunk
from vadray.sweep.stages import pack
from vadray.training.feed import Samples
from vadray.training.normal import normal_runs


def decoded(level: int, frames: int):
    figures = np.zeros(frames, np.float32)
    return pack(
        "unit",
        0,
        DecodedChunk(
            member=np.zeros(frames, np.int32),
            chunk=level,
            last=False,
            lead=1,
            frames=np.full((frames, 2, 2, 1), level, np.uint8),
            time_s=figures.astype(np.float64),
            brightness=figures,
            sharpness=figures,
            motion=figures,
            members=(),
        ),
        0.0,
    )


def test_runs_come_in_the_plans_order_whatever_was_decoded_first(cluster):
    tables = [ray.put(decoded(level, frames)) for level, frames in ((30, 4), (10, 5), (20, 1), (0, 3))]
    # windows of two frames, by the plan: levels 0, 10, 20 (a lead-in alone) and 30
    places = [(3, 0, 0), (3, 0, 1), (1, 0, 0), (1, 0, 1), (2, 0, 0), (0, 0, 0)]
    samples = Samples(tables, np.array(places), 2, 9, np.zeros(len(places), np.float32))
    assert [(int(frames[0, 0, 0, 0]), len(frames), lead) for frames, lead in normal_runs(samples)] == [
        (0, 3, 1),
        (10, 5, 1),
        (30, 4, 1),
    ]
