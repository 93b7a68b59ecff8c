"""What the decoders take and give: plain values that travel between processes."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from vadray.media.flow_code import FLOW_CHANNELS

Kind = Literal["image", "video", "clip"]

# less than that leaves the search for flow no pyramid
LEAST_SIDE_FOR_FLOW_PX = 16


@dataclass(frozen=True)
class Source:
    """One object of the archive, with all that is needed to reach its bytes.

    Args:
        uri: Absolute path, `s3://bucket/key`, the folder of a clip, or `shard.tar#member`.
        kind: `"image"`, `"video"` or `"clip"` (a folder of numbered frames).
        size: Size in bytes where known.
        etag: Version that is expected, of the shard where there is one; None takes any.
        clip_prefix: Clips: text before the number in a frame's file name.
        clip_digits: Clips: digits that the number is padded to; 0 means not padded.
        clip_suffix: Clips: text after the number, extension included.
        clip_first: Clips: number of the first frame.
        clip_count: Clips: number of frames.
        clip_fps: Clips: frames per second to assume, since numbered pictures carry no clock.
        shard_uri: Tar members: the shard that holds the bytes.
        shard_offset: Tar members: first byte of the member inside the shard; `size` is its length.
    """

    uri: str
    kind: Kind
    size: int | None = None
    etag: str | None = None
    clip_prefix: str | None = None
    clip_digits: int | None = None
    clip_suffix: str | None = None
    clip_first: int | None = None
    clip_count: int | None = None
    clip_fps: float = 25.0
    shard_uri: str | None = None
    shard_offset: int | None = None


@dataclass(frozen=True)
class DecodeRequest:
    """One unit of work: a range of one video or clip, or a group of images.

    Args:
        sources: One source for video and clips; any number of images.
        height: Rows of the frames wanted.
        width: Columns of the frames wanted.
        channels: 1 (grey) or 3 (RGB).
        lead_frames: Frames to read before the first frame of a unit. At least 1, or the motion figure of a
            unit's first frame cannot see the frame before it. All but the first `flow` of them are given, as
            context before the first frame of each chunk.
        chunk_frames: Most scored frames in one chunk (video and clips; images come as one chunk).
        start_pts: First timestamp that belongs to the unit, in the stream's time base; for clips a
            0-based frame number. None: from the first frame.
        lead_pts: Where to begin decoding so that the lead-in is complete: a hint, checked after seeking.
        end_pts: First timestamp that no longer belongs to the unit. None: to the end.
        flow: Video and clips: frames across which optical flow is measured, 0 for none; at most `lead_frames`.
            Flow comes as two more channels behind the picture's, coded as in `vadray.media.flow_code`, from the
            frame `flow` frames before to the frame itself. An object's first `flow` frames take that of the next, where
            they come in one chunk with it; else they have no motion.

    Raises:
        ValueError: An argument outside its range.
    """

    sources: tuple[Source, ...]
    height: int
    width: int
    channels: int = 1
    lead_frames: int = 1
    chunk_frames: int = 256
    start_pts: int | None = None
    lead_pts: int | None = None
    end_pts: int | None = None
    flow: int = 0

    @property
    def input_channels(self) -> int:
        """Channels of the frames given: the picture's, and two of optical flow where it is wanted."""
        return self.channels + (FLOW_CHANNELS if self.flow else 0)

    def __post_init__(self) -> None:
        if not self.sources:
            raise ValueError("`sources` must hold at least one source. Received: none")
        kinds = {source.kind for source in self.sources}
        if len(self.sources) > 1 and kinds != {"image"}:
            raise ValueError(f"Only images are decoded in groups. Received kinds: {sorted(kinds)}")
        if self.channels not in (1, 3):
            raise ValueError(f"`channels` must be 1 (grey) or 3 (RGB). Received: {self.channels}")
        least_of = {"height": 1, "width": 1, "lead_frames": 0, "chunk_frames": 1, "flow": 0}
        for name, least in least_of.items():
            if getattr(self, name) < least:
                raise ValueError(f"`{name}` must be at least {least}. Received: {getattr(self, name)}")
        if self.flow:
            self._check_flow(kinds)

    def _check_flow(self, kinds: set[Kind]) -> None:
        if "image" in kinds:
            raise ValueError(f"`flow` must be 0 for images: there is no frame before. Received: {self.flow}")
        if self.flow > self.lead_frames:
            raise ValueError(
                "`flow` must be at most `lead_frames`, or a unit's first frames have no flow. "
                f"Received: flow={self.flow}, lead_frames={self.lead_frames}"
            )
        if min(self.height, self.width) < LEAST_SIDE_FOR_FLOW_PX:
            raise ValueError(
                f"`flow` needs frames of at least {LEAST_SIDE_FOR_FLOW_PX} pixels a side. "
                f"Received: flow={self.flow}, height={self.height}, width={self.width}"
            )


@dataclass
class MemberInfo:
    """What is known of one source once it was decoded, or could not be.

    Attributes:
        codec: Name of the codec (`"h264"`, `"jpeg"`), or None.
        width: Columns of the original picture as displayed, that is after rotation; 0 if unknown.
        height: Rows of the same; 0 if unknown.
        fps: Average frames per second; 0 for images or if unknown.
        frames_declared: Frames that the container's header promises, or None.
        status: `"scored"`, `"partial"` (damaged, what could be decoded is there) or `"quarantined"`.
        error_type: Short stable name of what went wrong, or None.
        error: The same for a person, or None.
        frames: Scored frames of this source in this unit, up to and including this chunk.
    """

    codec: str | None = None
    width: int = 0
    height: int = 0
    fps: float = 0.0
    frames_declared: int | None = None
    status: Literal["scored", "partial", "quarantined"] = "scored"
    error_type: str | None = None
    error: str | None = None
    frames: int = 0


@dataclass
class DecodedChunk:
    """Some consecutive frames of a unit. Every unit ends with a chunk whose `last` is True, if an empty one.

    Attributes:
        member: int32 `[n]`: for each scored frame, the index of its source in the request.
        chunk: Number of this chunk in its unit, from 0.
        last: True for the final chunk of the unit.
        lead: How many of the first `frames` are context only, not to be scored.
        frames: uint8 `[lead + n, height, width, input_channels]`, in presentation order.
        time_s: float64 `[n]`: seconds from the object's first frame; 0 for images.
        brightness: float32 `[n]`: mean grey level, 0 to 255.
        sharpness: float32 `[n]`: variance of the Laplacian of the grey frame.
        motion: float32 `[n]`: mean absolute difference from the grey frame before; 0 for the very first.
        members: One `MemberInfo` per source of the request; final in the last chunk.
    """

    member: np.ndarray
    chunk: int
    last: bool
    lead: int
    frames: np.ndarray
    time_s: np.ndarray
    brightness: np.ndarray
    sharpness: np.ndarray
    motion: np.ndarray
    members: tuple[MemberInfo, ...]


@dataclass(frozen=True)
class Probe:
    """What a container says about itself, without decoding a frame.

    Attributes:
        frames_estimate: Frames promised by index, header or duration, or None. May lie.
        duration_s: Seconds, or None.
        fps: Average frames per second; 0 if unknown.
        codec: Codec name, or None.
        width: Columns as stored (rotation not applied); 0 if unknown.
        height: Rows as stored; 0 if unknown.
        time_base: Seconds per timestamp tick, or None.
        timestamps: int64, strictly increasing, one per frame, from an index that can be trusted, or from all
            packets; None where neither is at hand, and the file must be decoded in one go. For clips frame numbers.
        exact: `timestamps` are those of the frames in order of presentation, of each that decodes; otherwise
            those of decoding, which differ where pictures refer to later ones.
        error_type: Set when the file cannot be opened.
        error: The same for a person.
    """

    frames_estimate: int | None = None
    duration_s: float | None = None
    fps: float = 0.0
    codec: str | None = None
    width: int = 0
    height: int = 0
    time_base: Fraction | None = None
    timestamps: np.ndarray | None = None
    exact: bool = False
    error_type: str | None = None
    error: str | None = None
