"""Reading Parquet files that a sweep wrote itself: damage is told apart from a store that does not answer."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from vadray.errors import DamagedSweep

ANEW = "a sweep under another sweep_id begins anew"


@contextmanager
def undamaged(uri: str, expected: str, remedy: str = ANEW) -> Iterator[None]:
    """Around reading a file.

    Args:
        uri: The file.
        expected: What it should be, for a person.
        remedy: What a person can do.

    Raises:
        DamagedSweep: It is not Parquet, or not of the columns that are read.
    """
    try:
        yield
    except (pa.ArrowException, ValueError, KeyError) as error:
        raise DamagedSweep(uri, expected, str(error), remedy) from error
    except OSError as error:
        if error.errno is not None or type(error) is not OSError:
            raise
        # what Arrow raises where pages cannot be decompressed
        raise DamagedSweep(uri, expected, str(error), remedy) from error
