"""One thing in the archive that can be scored: an image, a video, a clip, or a member of a tar shard."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Kind = Literal["image", "video", "clip"]


@dataclass(frozen=True, slots=True)
class ClipPattern:
    """The file names of a clip's frames: `prefix`, the number, `suffix` (with the extension).

    Args:
        prefix: Text before the number in the file name, without the folder.
        digits: Digits that numbers are padded to with zeros (`%04d` style); 0 means not padded.
        suffix: Text after the number.
        first: Number of the first frame.
        count: Frames; their numbers follow each other without a gap.
    """

    prefix: str
    digits: int
    suffix: str
    first: int
    count: int

    def member_name(self, index: int) -> str:
        """File name of frame `index`, counted from 0."""
        return f"{self.prefix}{self.first + index:0{self.digits}d}{self.suffix}"

    def member_uri(self, folder: str, index: int) -> str:
        """URI of frame `index`, counted from 0, of the clip that is `folder`."""
        return f"{folder}/{self.member_name(index)}"


@dataclass(frozen=True, slots=True)
class TarMember:
    """Where the bytes of a tar member lie: one ranged read of `size` bytes at `offset` of the shard."""

    shard_uri: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class ArchiveObject:
    """One object of the archive.

    Args:
        uri: Absolute path or `s3://` URI, not percent-encoded; of a clip its folder, without a trailing
            slash; of a tar member `shard.tar#member`.
        kind: `"image"`, `"video"` or `"clip"`.
        size: Bytes; of a clip the sum over its frames.
        etag: Version tag; changes when the content does.
        modified: Time of the last change, UTC.
        camera: Camera that the path names, or None.
        captured_at: Time of the first frame that the path names, UTC, or None.
        clip: Set for clips.
        tar: Set for members of tar shards.
        error_type: Set where listing found that the object cannot be read, such as a damaged shard.
        error: The same for a person.
    """

    uri: str
    kind: Kind
    size: int
    etag: str
    modified: datetime
    camera: str | None = None
    captured_at: datetime | None = None
    clip: ClipPattern | None = None
    tar: TarMember | None = None
    error_type: str | None = None
    error: str | None = None

    def described(self, camera: str | None, captured_at: datetime | None) -> "ArchiveObject":
        """The same with what its path tells. `dataclasses.replace` takes a tenth of planning a million objects."""
        return ArchiveObject(
            self.uri,
            self.kind,
            self.size,
            self.etag,
            self.modified,
            camera,
            captured_at,
            self.clip,
            self.tar,
            self.error_type,
            self.error,
        )
