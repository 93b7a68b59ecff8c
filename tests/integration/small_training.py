"""A training of `stae` that takes seconds, for tests of what happens around it."""

from vadray.config import TrainOptions
from vadray.synth import SynthArchive

SMALL = {
    "detector": "stae",
    "size": (32, 48),
    "window": 4,
    "units": 16,
    "batch_size": 4,
    "seed": 3,
    "actors": 1,
}


def small_options(archive: SynthArchive, out: object, **more) -> TrainOptions:
    """Options of a training on the archive's normal half; `more` replaces or adds."""
    return TrainOptions(archive=str(archive.train), out=str(out), **{**SMALL, **more})
