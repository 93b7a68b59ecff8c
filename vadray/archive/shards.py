"""Members of a tar shard, found from its headers alone and read later by offset: nothing is unpacked."""

import posixpath
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator

from vadray import storage
from vadray.archive.objects import ArchiveObject, Kind, TarMember
from vadray.storage import Entry


def list_shard(
    shard: Entry, kind_of: Callable[[str], Kind | None], skipped: Counter[str]
) -> Iterator[ArchiveObject]:
    """Images and videos of an uncompressed tar file, in its order.

    A shard that is damaged yields the members before the damage and then itself, with `error_type`
    `"DamagedShard"`.

    Args:
        shard: The tar file.
        kind_of: Kind by file name, or None for what is not scored.
        skipped: Counts, by reason, of members that are left out; added to.
    """
    last_kind: Kind = "image"
    paths: set[str] = set()
    try:
        for member in _members(shard):
            kind, path = kind_of(member.name), posixpath.normpath(member.name)
            if kind is None:
                skipped["not an image, a video or a shard"] += 1
            elif reason := _refused(member, path):
                skipped[reason] += 1
            elif path in paths:  # two objects of one URI could not be told apart
                skipped["a name that stands twice in a shard"] += 1
            else:
                last_kind = kind
                paths.add(path)
                yield ArchiveObject(
                    uri=f"{shard.uri}#{path}",
                    kind=kind,
                    size=member.size,
                    etag=f"{shard.etag}+{member.offset_data}",
                    modified=shard.modified,
                    tar=TarMember(shard.uri, member.offset_data, member.size),
                )
    except tarfile.TarError as error:
        yield ArchiveObject(
            uri=shard.uri,
            kind=last_kind,
            size=shard.size,
            etag=shard.etag,
            modified=shard.modified,
            error_type="DamagedShard",
            error=f"{type(error).__name__}: {error}",
        )


def _members(shard: Entry) -> Iterator[tarfile.TarInfo]:
    with storage.open_read(shard.uri) as file, tarfile.open(fileobj=file, mode="r:") as tar:
        position = -1
        while (member := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined]  # or they would pile up for the whole shard
            if member.size < 0 or member.offset <= position:
                raise tarfile.ReadError("headers lead backwards")
            if member.offset_data + member.size > shard.size:
                raise tarfile.ReadError(f"the shard ends within {member.name!r}")
            position = member.offset
            yield member


def _refused(member: tarfile.TarInfo, path: str) -> str | None:
    """Why a member is left out. Names are only ever labels here, but they end up in exports and in URIs."""
    if not member.isreg() or member.issparse():
        return "a shard's member that is no plain file"
    if path.startswith(("/", "../")) or path == ".." or "\0" in path:
        return "a shard's member whose name leads out of it"
    if any(part[0] in "._" for part in path.split("/")):
        return "a hidden name in a shard"
    if any("\ud800" <= letter <= "\udfff" for letter in path):
        return "the name is not UTF-8"
    return None
