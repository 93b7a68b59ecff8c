"""From an archive to plan rows: lists, asks videos for their index in Ray tasks, and cuts units."""

import itertools
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import ray

from vadray import storage
from vadray.archive.listing import ANOTHER_CAMERA, OUTSIDE, list_archive
from vadray.archive.objects import ArchiveObject
from vadray.archive.plan import BundlePlan, Probed, plan_units
from vadray.archive.routing import Route, route_of
from vadray.config import ArchiveOptions
from vadray.errors import RequestError, UnreadableMedia
from vadray.media.isolation import IsolatedDecoder
from vadray.media.probe import boundaries
from vadray.media.request import Source
from vadray.report.forgotten import digest_of
from vadray.sweep.units import FrameShape, listed_version

PROBES_PER_TASK = 32
BYTES_PER_TASK = 4 * 2**30
TASKS_AHEAD = 16
LAST, LATE_DAYS = "last", 7
FORGOTTEN = "forgotten"  # reasons to leave an object out
DEALT_WITH = "captured before what earlier sweeps have dealt with"

# (bundle index, object) → whether an earlier sweep has dealt with this version of it
Earlier = Callable[[int, ArchiveObject], bool]


def nothing_earlier(bundle: int, found: ArchiveObject) -> bool:
    """As if the report had no earlier sweep."""
    return False


class Limits(Protocol):
    """What planning reads of a command's options besides the archive."""

    unit_images: int
    scan_frames: int
    decode_timeout_s: float
    decode_memory_mib: int


def plan_archive(
    options: ArchiveOptions,
    limits: Limits,
    routes: Sequence[Route],
    shapes: Sequence[FrameShape],
    digests: Sequence[str],
    strides: Sequence[int],
    earlier: Earlier = nothing_earlier,
    skipped: Counter[str] | None = None,
    newest: Mapping[str, datetime] | None = None,
    late_days: float | None = None,
    forgot: Collection[str] = (),
) -> Iterator[dict[str, Any]]:
    """Rows of the plan without `part`, in plan order, streamed.

    Args:
        options: Archive, pattern, clips, since, until.
        limits: Limits of decoding, `unit_images` and `scan_frames`.
        routes: Which bundle scores what.
        shapes: By bundle.
        digests: Scoring digests, by bundle.
        strides: By bundle. Where windows move by more than one frame, a video is cut only at frames that were
            counted: an index is in decoding order and cannot promise that a cut falls on the windows' grid.
        earlier: Tells of objects that an earlier sweep has scored.
        skipped: Counts, by reason, of files that were left out.
        newest: With `since=last`, by camera when the newest object was captured that was dealt with.
        late_days: Of `options.since`.
        forgot: Digests of names that the report is to forget.

    Raises:
        RequestError: The archive cannot be listed.
    """
    root = storage.absolute(options.archive)
    has_video = any(route.kind == "video" for route in routes)
    skipped = Counter() if skipped is None else skipped
    since, until = time_range(options)
    late = timedelta(days=late_days if late_days is not None else LATE_DAYS * (options.since == LAST))
    found = list_archive(
        root,
        pattern=options.pattern,
        clips=options.clips and has_video,
        cameras=options.cameras,
        since=since and since - late,
        until=until,
        skipped=skipped,
    )
    if options.since == LAST:
        found = _after(found, newest or {}, late, skipped)
    if forgot:
        found = _remembered(found, forgot, skipped)
    bundles = [
        BundlePlan(digest, shape.chunk_frames, shape.lead_frames)
        for digest, shape in zip(digests, shapes, strict=True)
    ]
    probed = _probed(found, root, routes, shapes, strides, limits, earlier)
    return plan_units(probed, root=root, routes=routes, bundles=bundles, unit_images=limits.unit_images)


def require_objects(
    rows: Iterable[dict[str, Any]], options: ArchiveOptions, skipped: Counter[str]
) -> Iterator[dict[str, Any]]:
    """Passes the rows of a plan on.

    Raises:
        RequestError: There are none, and not because nothing is new: a disk that is not mounted looks like this.
    """
    nothing = True
    for row in rows:
        nothing = False
        yield row
    if nothing and not any(skipped[reason] for reason in (OUTSIDE, DEALT_WITH, FORGOTTEN)):
        left_out = ", ".join(f"{count} × {reason}" for reason, count in sorted(skipped.items())) or "nothing"
        argument = "cameras" if skipped[ANOTHER_CAMERA] else "archive"
        raise RequestError(
            f"{argument}: expected something to score in {storage.absolute(options.archive)}, found none; left out: {left_out}"
        )


def _remembered(
    found: Iterator[ArchiveObject], forgot: Collection[str], skipped: Counter[str]
) -> Iterator[ArchiveObject]:
    """Leaves out what is forgotten."""
    for item in found:
        if digest_of(item.uri) in forgot:
            skipped[FORGOTTEN] += 1
        else:
            yield item


def _after(
    found: Iterator[ArchiveObject], newest: Mapping[str, datetime], late: timedelta, skipped: Counter[str]
) -> Iterator[ArchiveObject]:
    """Leaves out what was captured before the newest of its camera; an object of an unknown time is never left out."""
    for item in found:
        until = newest.get(item.camera or "")
        if until is not None and item.captured_at is not None and item.captured_at < until - late:
            skipped[DEALT_WITH] += 1
        else:
            yield item


def _probed(
    found: Iterable[ArchiveObject],
    root: str,
    routes: Sequence[Route],
    shapes: Sequence[FrameShape],
    strides: Sequence[int],
    limits: Limits,
    earlier: Earlier,
) -> Iterator[Probed]:
    """Adds what the index says to videos that will be scored, in order and with few tasks under way."""
    ahead: deque[tuple[list[Probed], list[ray.ObjectRef]]] = deque()
    for batch in _batched(found):
        known: list[Probed] = []
        wanted: list[_Wanted] = []
        for place, item in enumerate(batch):
            bundle = route_of(item, routes, root)
            if bundle is not None and earlier(bundle, item):
                known.append(Probed(item, unchanged=True))
                continue
            known.append(Probed(item))
            if bundle is not None and item.kind == "video" and item.error_type is None:
                wanted.append(_Wanted(place, item, shapes[bundle], strides[bundle] > 1, limits.scan_frames))
        probes = [
            _probe.remote(some, limits.decode_timeout_s, limits.decode_memory_mib) for some in _shared(wanted)
        ]
        ahead.append((known, probes))
        if len(ahead) >= TASKS_AHEAD:
            yield from _settled(*ahead.popleft())
    while ahead:
        yield from _settled(*ahead.popleft())


def _batched(found: Iterable[ArchiveObject]) -> Iterator[list[ArchiveObject]]:
    """`itertools.batched`, which Python 3.11 lacks."""
    iterator = iter(found)
    while batch := list(itertools.islice(iterator, PROBES_PER_TASK)):
        yield batch


@dataclass(frozen=True)
class _Wanted:
    """A video to probe: the `n`th of its batch, and what is asked of it."""

    place: int
    item: ArchiveObject
    shape: FrameShape
    exact: bool
    scan_frames: int


def _shared(wanted: list[_Wanted]) -> Iterator[list[_Wanted]]:
    """Tasks that read at most a few GiB each, should all be read through."""
    task: list[_Wanted] = []
    for one in wanted:
        if task and sum(other.item.size for other in task) + one.item.size > BYTES_PER_TASK:
            yield task
            task = []
        task.append(one)
    if task:
        yield task


def _settled(known: list[Probed], probes: "list[ray.ObjectRef]") -> list[Probed]:
    for place, item in itertools.chain.from_iterable(ray.get(probes) if probes else ()):
        known[place] = item
    return known


@ray.remote(num_cpus=0.5)
def _probe(wanted: list[_Wanted], timeout_s: float, memory_mib: int) -> list[tuple[int, Probed]]:
    results = []
    with IsolatedDecoder(memory_bytes=memory_mib * 2**20, timeout_s=timeout_s) as decoder:
        for one in wanted:
            results.append(
                (one.place, probe_object(decoder, one.item, one.shape, one.exact, one.scan_frames))
            )
    return results


def probe_object(
    decoder: IsolatedDecoder,
    item: ArchiveObject,
    shape: FrameShape,
    exact: bool = False,
    scan_frames: int | None = None,
) -> Probed:
    """Where to cut a video. One whose header cannot be read, or must not be believed, is one streaming unit.

    Whether it can be decoded at all is for the decoder to say: a bad header alone quarantines nothing.

    Args:
        decoder: Opens the file.
        item: The video.
        shape: Frames that are wanted of it.
        exact: Cut at counted frames, or not at all.
        scan_frames: As of `vadray.media.probe.probe`.
    """
    tar = item.tar
    source = Source(
        uri=item.uri,
        kind="video",
        size=item.size,
        etag=listed_version("video", item.etag, tar is not None),
        shard_uri=tar.shard_uri if tar else None,
        shard_offset=tar.offset if tar else None,
    )
    try:
        probe = decoder.probe(source, scan_frames, exact)
    except UnreadableMedia:
        return Probed(item)
    if probe.error_type:
        return Probed(item)
    if exact and not probe.exact:
        return Probed(item, frames_estimate=probe.frames_estimate)
    return Probed(item, boundaries(probe, shape.chunk_frames, shape.lead_frames), probe.frames_estimate)


def time_range(options: ArchiveOptions) -> tuple[datetime | None, datetime | None]:
    """`since` and `until` as times; None for `last`, which depends on the camera.

    Raises:
        RequestError: One is not ISO 8601.
    """
    since = _instant("since", None if options.since == LAST else options.since)
    until = _instant("until", options.until)
    if since is not None and until is not None and since >= until:
        raise RequestError(
            f"since: expected a time before until={options.until}, received since={options.since}"
        )
    return since, until


def _instant(argument: str, text: str | None) -> datetime | None:
    """An ISO date or time as an aware datetime; UTC where it names no zone.

    Raises:
        RequestError: It is not ISO 8601.
    """
    if text is None:
        return None
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise RequestError(
            f"{argument}: expected an ISO 8601 date or time as 2026-11-22, received {text!r}"
        ) from None
    return value if value.tzinfo else value.replace(tzinfo=UTC)
