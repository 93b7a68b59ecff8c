"""Videos into training, validation and test: whole videos, since neighbouring frames are nearly one frame."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np


class Split(NamedTuple):
    """Paths of each part, sorted."""

    train: list[str]
    validation: list[str]
    test: list[str]


def split_videos(
    paths: Iterable[str], shares: tuple[float, float, float] = (0.70, 0.15, 0.15), seed: int = 0
) -> Split:
    """Divides videos at random, the same way for the same videos and seed in whatever order they come.

    Each part gets its share, rounded so that all videos are used once. While there are enough videos, no part
    with a share is empty.

    Args:
        paths: A path a video; one that comes twice counts once.
        shares: Of training, validation and test; at least 0, with sum 1.
        seed: Of the shuffle.

    Raises:
        ValueError: `shares` are not three such numbers.
    """
    if len(shares) != 3 or not all(share >= 0 for share in shares) or abs(sum(shares) - 1) > 1e-6:
        raise ValueError(f"`shares` must be three numbers, at least 0, with sum 1. Received: {shares}")
    videos = sorted(set(paths))
    counts = _counts(len(videos), shares)
    order = np.random.default_rng(seed).permutation(len(videos))
    ends = np.cumsum(counts)
    parts = [sorted(videos[index] for index in part) for part in np.split(order, ends[:-1])]
    return Split(*parts)


def _counts(total: int, shares: tuple[float, float, float]) -> list[int]:
    """Whole numbers with sum `total`, by largest remainders."""
    exact = [round(share * total, 9) for share in shares]  # 0.15 * 20 is a little above 3
    counts = [int(value) for value in exact]
    by_remainder = sorted(range(3), key=lambda part: (counts[part] - exact[part], part))
    for part in by_remainder[: total - sum(counts)]:
        counts[part] += 1
    wanted = [part for part in range(3) if shares[part] > 0]
    if total >= len(wanted):
        for part in wanted:
            if counts[part] == 0:
                counts[counts.index(max(counts))] -= 1
                counts[part] = 1
    return counts
