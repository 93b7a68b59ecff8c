"""What there is to score in a folder or an s3:// prefix, streamed: never a million keys at once."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from fnmatch import fnmatchcase

from vadray import storage
from vadray.archive.clips import NumberedRun
from vadray.archive.objects import ArchiveObject, Kind
from vadray.archive.pattern import PathPattern, compile_pattern
from vadray.archive.shards import list_shard
from vadray.storage import Entry

IMAGE_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"))
VIDEO_SUFFIXES = frozenset(
    f".{name}"
    for name in "mp4 mov m4v mkv webm avi ts mts m2ts mpg mpeg flv wmv asf 3gp ivf mxf ogv".split()  # noqa: SIM905
)
SHARD_SUFFIX = ".tar"
OUTSIDE, ANOTHER_CAMERA = "outside the time asked for", "of another camera"  # reasons to leave an object out


def kind_of(name: str) -> Kind | None:
    """`"image"` or `"video"` by the suffix of a file name, in any case of letters; None for anything else."""
    suffix = _suffix(name)
    if suffix in IMAGE_SUFFIXES:
        return "image"
    return "video" if suffix in VIDEO_SUFFIXES else None


def _suffix(name: str) -> str:
    dot = name.rfind(".")
    return name[dot:].lower() if dot > name.rfind("/") else ""


def list_archive(
    root: str,
    *,
    pattern: str | None = None,
    clips: bool = True,
    cameras: Sequence[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    skipped: Counter[str] | None = None,
) -> Iterator[ArchiveObject]:
    """Every image, video, clip and shard member below `root`, each once, in an order that does not change.

    A clip is a folder whose images, eight or more, are numbered without a gap, with one prefix and suffix.
    Names with a component below `root` that starts with `.` or `_` are left out, and so are links that lead
    out of `root`.

    Args:
        root: Folder, `s3://` prefix or a single object.
        pattern: Where camera and time stand in paths; see `compile_pattern`.
        clips: False lists the frames of clips as images.
        cameras: Globs, of which one must fit an object's camera; of none given any does.
        since: Leaves out objects captured (or, where that is not known, modified) before this time (aware).
        until: Leaves out objects captured (or else modified) at or after this time (aware).
        skipped: Counts, by reason, of what was left out; added to while the listing runs.

    Raises:
        RequestError: `root` cannot be listed, or the pattern is malformed.
    """
    skipped = Counter() if skipped is None else skipped
    return _list(storage.absolute(root), compile_pattern(pattern), clips, cameras, since, until, skipped)


def _list(
    root: str,
    pattern: PathPattern,
    clips: bool,
    cameras: Sequence[str],
    since: datetime | None,
    until: datetime | None,
    skipped: Counter[str],
) -> Iterator[ArchiveObject]:
    def on_skip(uri: str, reason: str) -> None:
        skipped[reason] += 1

    entries = storage.list_objects(root, hidden=False, on_skip=on_skip)
    for found in _recognise(entries, clips, skipped):
        camera, captured_at = _described(found, root, pattern)
        time = captured_at or found.modified
        if (since and time < since) or (until and time >= until):
            skipped[OUTSIDE] += 1
        elif cameras and not any(fnmatchcase(camera or "", glob) for glob in cameras):
            skipped[ANOTHER_CAMERA] += 1
        elif camera is None and captured_at is None:
            yield found
        else:
            yield found.described(camera, captured_at)


def _described(found: ArchiveObject, root: str, pattern: PathPattern) -> tuple[str | None, datetime | None]:
    if found.kind != "clip":
        return pattern.match(storage.relative(found.uri, root))
    folder = storage.relative(found.uri, root) if found.uri != root else ""
    camera, captured_at = pattern.match(f"{folder}/")
    return (camera, captured_at) if camera or captured_at else pattern.match(folder)


def _recognise(entries: Iterator[Entry], clips: bool, skipped: Counter[str]) -> Iterator[ArchiveObject]:
    """Objects in listing order; images wait in the run of their folder until it is known to be a clip or not.

    All below a folder comes in one stretch, so the runs that wait are those of the folders around the
    current entry, and a run ends where its folder does.
    """
    runs: list[NumberedRun] = []
    for entry in entries:
        folder = entry.uri.rpartition("/")[0]
        while runs and folder != runs[-1].folder and not folder.startswith(runs[-1].folder + "/"):
            yield from _finish(runs.pop())
        kind = kind_of(entry.uri)
        if kind == "image" and clips:
            if not runs or runs[-1].folder != folder:
                runs.append(NumberedRun(folder))
            yield from _continue(runs[-1], entry)
        elif kind is not None:
            yield _plain(entry, kind)
        elif _suffix(entry.uri) == SHARD_SUFFIX:
            yield from list_shard(entry, kind_of, skipped)
        else:
            skipped["not an image, a video or a shard"] += 1
    while runs:
        yield from _finish(runs.pop())


def _continue(run: NumberedRun, entry: Entry) -> Iterator[ArchiveObject]:
    if not run.is_broken and run.add(entry):
        return
    for held in run.entries():
        yield _plain(held, "image")
    yield _plain(entry, "image")


def _finish(run: NumberedRun) -> Iterator[ArchiveObject]:
    clip = run.clip()
    if clip is not None:
        yield clip
    else:
        for held in run.entries():
            yield _plain(held, "image")


def _plain(entry: Entry, kind: Kind) -> ArchiveObject:
    return ArchiveObject(entry.uri, kind, entry.size, entry.etag, entry.modified)
