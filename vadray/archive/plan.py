"""The plan of a sweep: one row is one unit of work, of retry and of resume. Pure: objects in, rows out."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal

import pyarrow as pa

from vadray.archive.objects import ArchiveObject
from vadray.archive.routing import Route, route_of

Status = Literal["planned", "unchanged", "skipped", "quarantined"]
Boundary = tuple[int | None, int | None, int | None]
UNITS_PER_PART = 64
_COMPACT = json.JSONEncoder(separators=(",", ":"))
MOST_PARTS = 256

_MEMBER = pa.struct(
    [
        pa.field("object_uri", pa.string(), nullable=False),
        pa.field("camera", pa.string()),
        pa.field("captured_at", pa.timestamp("us", tz="UTC")),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("etag", pa.string(), nullable=False),
        pa.field("clip_prefix", pa.string()),
        pa.field("clip_digits", pa.int32()),
        pa.field("clip_suffix", pa.string()),
        pa.field("clip_first", pa.int64()),
        pa.field("clip_count", pa.int64()),
        pa.field("shard_uri", pa.string()),
        pa.field("shard_offset", pa.int64()),
    ]
)
PLAN_SCHEMA = pa.schema(
    [
        pa.field("unit_id", pa.string(), nullable=False),
        pa.field("part", pa.int32(), nullable=False),
        pa.field("object_index", pa.int64(), nullable=False),
        pa.field("unit_index", pa.int32(), nullable=False),
        pa.field("unit_count", pa.int32(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("bundle", pa.int32()),
        pa.field("scoring_digest", pa.string()),
        pa.field("start_pts", pa.int64()),
        pa.field("end_pts", pa.int64()),
        pa.field("lead_pts", pa.int64()),
        pa.field("frames_estimate", pa.int64()),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("error_type", pa.string()),
        pa.field("error", pa.string()),
        pa.field("members", pa.list_(_MEMBER), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class BundlePlan:
    """What planning must know of one bundle.

    Args:
        scoring_digest: Digest of weights, preprocessing and window.
        unit_frames: Most frames of a unit of video.
        lead_frames: Frames that a unit decodes before its first scored one.
    """

    scoring_digest: str
    unit_frames: int
    lead_frames: int

    def __post_init__(self) -> None:
        if self.unit_frames < 1 or self.lead_frames < 0:
            raise ValueError(
                "Expected `unit_frames` >= 1 and `lead_frames` >= 0. "
                f"Received: unit_frames={self.unit_frames}, lead_frames={self.lead_frames}"
            )


@dataclass(frozen=True, slots=True)
class Probed:
    """An object and what probing found. Images and clips need no probe.

    Args:
        object: The object.
        boundaries: Videos: `(lead_pts, start_pts, end_pts)` of each unit, in order, that together cover the
            file; None or empty where its index cannot be trusted, which makes one streaming unit.
        frames_estimate: Videos: frames promised, or None.
        error_type: Set where the object cannot be read: it becomes a row `quarantined`.
        error: The same for a person.
        unchanged: True where an earlier sweep has scored this version with the same scoring digest.
    """

    object: ArchiveObject
    boundaries: Sequence[Boundary] | None = None
    frames_estimate: int | None = None
    error_type: str | None = None
    error: str | None = None
    unchanged: bool = False


@dataclass(frozen=True, slots=True)
class _GroupKey:
    status: Status
    kind: str
    bundle: int | None


def plan_units(
    probed: Iterable[Probed],
    *,
    root: str,
    routes: Sequence[Route],
    bundles: Sequence[BundlePlan],
    unit_images: int,
) -> Iterator[dict[str, Any]]:
    """Rows of `PLAN_SCHEMA`, without `part`, in plan order; every object stands in one place.

    Images of one bundle gather in groups of `unit_images`, wherever they lie, and so do objects that are
    `skipped` or `unchanged`; a video, clip or quarantined object has rows of its own. `object_index` counts
    objects in the order of rows: a group's row has the index of its first member.

    Args:
        probed: Objects in listing order, with what probing found.
        root: The archive, as `storage.absolute` gives it.
        routes: First that fits wins; an object that none fits is `skipped`.
        bundles: Indexed by `Route.bundle_index`.
        unit_images: Most members of a group.
    """
    if unit_images < 1:
        raise ValueError(f"`unit_images` must be at least 1. Received: {unit_images}")
    groups: dict[_GroupKey, list[ArchiveObject]] = {}
    object_index = 0
    for item in probed:
        status, bundle = _status(item, routes, root)
        settings = bundles[bundle] if bundle is not None else None
        digest = settings.scoring_digest if settings else None
        if status == "planned" and settings and item.object.kind != "image":
            yield from _video_rows(item, object_index, bundle, settings)
            object_index += 1
        elif status == "quarantined":
            row = _row([item.object], object_index, status, bundle, digest)
            row["error_type"] = item.error_type or item.object.error_type
            row["error"] = item.error or item.object.error
            yield row
            object_index += 1
        else:
            key = _GroupKey(status, item.object.kind, bundle)
            group = groups.setdefault(key, [])
            group.append(item.object)
            if len(group) == unit_images:
                yield _row(groups.pop(key), object_index, status, bundle, digest)
                object_index += len(group)
    for key, group in groups.items():
        digest = bundles[key.bundle].scoring_digest if key.bundle is not None else None
        yield _row(group, object_index, key.status, key.bundle, digest)
        object_index += len(group)


def _status(item: Probed, routes: Sequence[Route], root: str) -> tuple[Status, int | None]:
    if item.object.error_type is not None:  # a damaged shard: whose kind it is nobody knows
        return "quarantined", None
    bundle = route_of(item.object, routes, root)
    if bundle is None:
        return "skipped", None
    if item.unchanged:
        return "unchanged", bundle
    return ("quarantined" if item.error_type is not None else "planned"), bundle


def _video_rows(
    item: Probed, object_index: int, bundle: int | None, settings: BundlePlan
) -> Iterator[dict[str, Any]]:
    clip = item.object.clip
    if clip is not None:
        frames: int | None = clip.count
        ranges: Sequence[Boundary] = clip_boundaries(clip.count, settings.unit_frames, settings.lead_frames)
    else:
        frames = item.frames_estimate
        ranges = item.boundaries or [(None, None, None)]
    count = len(ranges)
    for index, boundary in enumerate(ranges):
        row = _row([item.object], object_index, "planned", bundle, settings.scoring_digest, boundary)
        row |= {"unit_index": index, "unit_count": count}
        # Shares that add up to the whole, so that sums over the plan are sums over the archive.
        row["bytes"] = item.object.size * (index + 1) // count - item.object.size * index // count
        row["frames_estimate"] = _frames_of_unit(frames, index, count, settings.unit_frames)
        yield row


def _frames_of_unit(frames: int | None, index: int, count: int, unit_frames: int) -> int | None:
    if frames is None or count == 1:
        return frames
    return max(0, min(unit_frames, frames - index * unit_frames))


def clip_boundaries(frames: int, unit_frames: int, lead_frames: int) -> list[Boundary]:
    """`(lead, start, end)` in 0-based frames of a clip; the first start and the last end are open: None."""
    starts = range(0, max(frames, 1), unit_frames)
    return [
        (
            max(0, start - lead_frames) if start else None,
            start or None,
            start + unit_frames if start + unit_frames < frames else None,
        )
        for start in starts
    ]


def _row(
    members: list[ArchiveObject],
    object_index: int,
    status: Status,
    bundle: int | None,
    scoring_digest: str | None,
    boundary: Boundary = (None, None, None),
) -> dict[str, Any]:
    lead_pts, start_pts, end_pts = boundary
    is_images = status == "planned" and members[0].kind == "image"
    return {
        "unit_id": unit_id([(member.uri, member.etag) for member in members], boundary, scoring_digest),
        "object_index": object_index,
        "unit_index": 0,
        "unit_count": 1,
        "kind": members[0].kind,
        "status": status,
        "bundle": bundle,
        "scoring_digest": scoring_digest,
        "start_pts": start_pts,
        "end_pts": end_pts,
        "lead_pts": lead_pts,
        "frames_estimate": len(members) if is_images else None,
        "bytes": sum(member.size for member in members),
        "error_type": None,
        "error": None,
        "members": [_member(member) for member in members],
    }


def _member(member: ArchiveObject) -> dict[str, Any]:
    clip, tar = member.clip, member.tar
    return {
        "object_uri": member.uri,
        "camera": member.camera,
        "captured_at": member.captured_at,
        "bytes": member.size,
        "etag": member.etag,
        "clip_prefix": clip.prefix if clip else None,
        "clip_digits": clip.digits if clip else None,
        "clip_suffix": clip.suffix if clip else None,
        "clip_first": clip.first if clip else None,
        "clip_count": clip.count if clip else None,
        "shard_uri": tar.shard_uri if tar else None,
        "shard_offset": tar.offset if tar else None,
    }


def unit_id(members: Sequence[tuple[str, str]], boundary: Boundary, scoring_digest: str | None) -> str:
    """The name of a unit, 32 hexadecimal digits, decided by `(uri, etag)` of members, range and digest."""
    text = _COMPACT.encode([members, boundary, scoring_digest])
    return blake2b(text.encode(), digest_size=16).hexdigest()


def part_of(object_uri: str, parts: int) -> int:
    """The part, from 0 to `parts - 1`, that the rows of an object go to; the same on every machine."""
    return int.from_bytes(blake2b(object_uri.encode(), digest_size=8).digest(), "big") % parts


def parts_for(unit_count: int) -> int:
    """How many parts a plan of so many units has: about 64 units a part, at least 1 and at most 256."""
    return min(max(-(-unit_count // UNITS_PER_PART), 1), MOST_PARTS)
