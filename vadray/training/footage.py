"""Normal footage for training: decoded once, split by video, cut into windows."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import ray

from vadray.config import ClusterOptions
from vadray.errors import RequestError
from vadray.sweep import scoring
from vadray.sweep.units import FrameShape
from vadray.training.feed import Samples

Say = Callable[[str], None]


@dataclass(frozen=True)
class Split:
    """Units to learn from and units held out.

    Args:
        train: Plan rows.
        held_out: Plan rows of other videos (or images), for validation and calibration.
        by: What was kept together: "video", "image", or "unit" (ranges of the only video).
    """

    train: list[dict[str, Any]]
    held_out: list[dict[str, Any]]
    by: str


def split(units: list[dict[str, Any]], share: float, seed: int) -> Split:
    """Holds out a share of the videos: neighbouring frames of one video on both sides would leak.

    A single video is split by its units, that is by ranges of time; images one by one.

    Args:
        units: Planned rows of the plan, in its order.
        share: Of the videos (or images) to hold out, above 0 and below 1.
        seed: Of the choice.

    Raises:
        RequestError: There is nothing to split: one video without an index, or one image.
    """
    by, group, groups = _together(units)
    held = _choose(groups, share, np.random.default_rng([seed, 0x5EED]), by)[group]
    return Split(_rows(units, ~held), _rows(units, held), by)


def folds(units: list[dict[str, Any]], count: int, seed: int) -> tuple[list[list[dict[str, Any]]], str]:
    """Cuts footage into parts, for cross-validation; what `split` keeps on one side stays in one part.

    Args:
        units: Planned rows of the plan, in its order.
        count: Parts, at least 2.
        seed: Of the choice.

    Returns:
        Plan rows of each part, and what was kept together, as `Split.by`.

    Raises:
        RequestError: There are fewer videos (or images, or units of the only video) than parts.
    """
    by, group, groups = _together(units)
    if groups < count:
        raise RequestError(
            f"folds: expected at least as many {by}s of normal footage as parts, received folds={count} and {groups} {by}(s)"
        )
    part = np.empty(groups, np.int64)
    part[np.random.default_rng([seed, 0x5EED]).permutation(groups)] = np.arange(groups) % count
    return [_rows(units, part[group] == number) for number in range(count)], by


def _together(units: list[dict[str, Any]]) -> tuple[str, np.ndarray, int]:
    """What is kept together: its name, the group of each row (of images, of each member) and how many there are."""
    if units[0]["kind"] == "image":
        count = sum(len(unit["members"]) for unit in units)
        return "image", np.arange(count), count
    videos = [unit["members"][0]["object_uri"] for unit in units]
    names, group = np.unique(videos, return_inverse=True)
    if len(names) > 1:
        return "video", group, len(names)
    return "unit", np.arange(len(units)), len(units)


def _rows(units: list[dict[str, Any]], wanted: np.ndarray) -> list[dict[str, Any]]:
    """The rows (of images, the members, regrouped) that are wanted, bool as `_together` numbers them."""
    if units[0]["kind"] != "image":
        return [unit for unit, mine in zip(units, wanted, strict=True) if mine]
    pairs = [(unit, member) for unit in units for member in unit["members"]]
    return _image_units([pair for pair, mine in zip(pairs, wanted, strict=True) if mine])


def _choose(count: int, share: float, random: np.random.Generator, of: str) -> np.ndarray:
    if count < 2:
        raise RequestError(
            f"archive: expected at least two {of}s of normal footage (one to learn from, one held out), or one video "
            f"long enough for two units; received {count}"
        )
    held = np.zeros(count, bool)
    held[random.permutation(count)[: min(max(1, round(count * share)), count - 1)]] = True
    return held


def _image_units(pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> list[dict[str, Any]]:
    """Regroups images: the first row of the plan that they come from lends its other columns."""
    by_unit: dict[str, dict[str, Any]] = {}
    for unit, member in pairs:
        row = by_unit.setdefault(unit["unit_id"], {**unit, "members": []})
        row["members"].append(member)
    return list(by_unit.values())


def load(
    units: list[dict[str, Any]], shape: FrameShape, window: int, step: int, options: ClusterOptions, say: Say
) -> Samples:
    """Decodes units into the object store and cuts windows.

    Args:
        units: Plan rows.
        shape: Frames wanted.
        window: Frames of a window.
        step: Frames between the starts of windows.
        options: Size of the decoding pool, limits.
        say: Where to tell of unreadable files.

    Returns:
        The samples, in the order of `units`.
    """
    chunks = scoring.decode_to_store(units, shape, options)
    order = {unit["unit_id"]: number for number, unit in enumerate(units)}
    located = [
        (order[row["unit_id"]], row["chunk"], number, place, row["frames"], row["lead"], row["motion"])
        for number, rows in enumerate(ray.get([_describe.remote(chunk) for chunk in chunks]))
        for place, row in enumerate(rows)
    ]
    for rows in ray.get([_unreadable.remote(chunk) for chunk in chunks]):
        for uri_error in rows:
            say(f"not used for training: {uri_error}")
    places: list[tuple[int, int, int]] = []
    moving = [np.zeros(0, np.float32)]
    frames = 0
    for _, _, number, place, count, lead, motion in sorted(located, key=lambda chunk: chunk[:4]):
        frames += count - lead
        if count == 0:
            continue
        starts = range(0, max(count - window, 0) + 1, step)
        places += [(number, place, start) for start in starts]
        moving.append(window_motion(np.array(motion, np.float32), lead, np.array(starts), window))
    return Samples(chunks, np.array(places, np.int64).reshape(-1, 3), window, frames, np.concatenate(moving))


def window_motion(motion: np.ndarray, lead: int, starts: np.ndarray, window: int) -> np.ndarray:
    """Mean motion of windows, float32 `[len(starts)]`.

    Args:
        motion: Of each frame of a chunk after its lead-in, float32 `[n]`.
        lead: Frames before those, whose motion is not known.
        starts: First frame of each window, counted from the lead-in's first.
        window: Frames of a window; a short chunk's last frame is repeated.
    """
    known = np.concatenate([np.zeros(lead, bool), np.ones(len(motion), bool)])
    known[0] = False  # it has none before it: what stands there is 0, and means nothing
    if not known.any():
        return np.zeros(len(starts), np.float32)
    figures = np.concatenate([np.zeros(lead, np.float32), motion])
    index = np.minimum(starts[:, None] + np.arange(window), len(known) - 1)
    count = known[index].sum(axis=1)
    total = (figures * known)[index].sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), figures[known].mean()).astype(np.float32)


@ray.remote(num_cpus=0.1)
def _describe(chunks: pa.Table) -> list[dict[str, Any]]:
    return [
        {
            "unit_id": chunks["unit_id"][row].as_py(),
            "chunk": chunks["chunk"][row].as_py(),
            "lead": chunks["lead"][row].as_py(),
            "frames": chunks["shape"][row].as_py()[0],
            "motion": chunks["motion"][row].as_py(),
        }
        for row in range(chunks.num_rows)
    ]


@ray.remote(num_cpus=0.1)
def _unreadable(chunks: pa.Table) -> list[str]:
    return [
        f"{member['error_type']}: {member['error']}"
        for members in chunks["members"].to_pylist()
        for member in members
        if member["status"] == "quarantined"
    ]


def fingerprint(units: list[dict[str, Any]]) -> str:
    """Names the footage: a digest over every object's URI and version."""
    digest = hashlib.blake2b(digest_size=16)
    for unit in units:
        for member in unit["members"]:
            digest.update(f"{member['object_uri']}\0{member['etag']}\0".encode())
    return digest.hexdigest()
