"""From a plan row to decoded chunks, whatever is wrong with the file."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from vadray.errors import UnreadableMedia
from vadray.media.isolation import IsolatedDecoder
from vadray.media.request import DecodedChunk, DecodeRequest, MemberInfo, Source

TRIES = 3  # of a file whose decoder crashes, without a chunk more than the time before


@dataclass(frozen=True)
class FrameShape:
    """What a bundle wants of the decoder.

    Args:
        height: Rows.
        width: Columns.
        channels: 1 or 3.
        lead_frames: Frames to read before the first scored one, at least 1 (for the motion figure): the windows'
            context, and before it as many frames as flow is measured across, or the context's flow were unknown.
        chunk_frames: Most scored frames in a chunk, a multiple of the stride.
        clip_fps: Frames per second to assume for folders of numbered frames.
        flow: Frames across which optical flow is measured, 0 for none.
    """

    height: int
    width: int
    channels: int
    lead_frames: int
    chunk_frames: int
    clip_fps: float = 25.0
    flow: int = 0


class TakesFrames(Protocol):
    """A bundle or a detector: what both say of the frames that they take."""

    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def flow(self) -> int: ...
    @property
    def input_channels(self) -> int: ...
    @property
    def context(self) -> int: ...
    @property
    def stride(self) -> int: ...


def frame_shape(taker: TakesFrames, unit_frames: int | None, clip_fps: float) -> FrameShape:
    """The frames that a bundle or detector takes, in units of `unit_frames` (default: what fits 32 MiB).

    Units hold whole strides, and more frames than flow is measured across: a recording's first frames take the flow of
    the first that has any.
    """
    frames = unit_frames or frames_in_mib(taker.height, taker.width, taker.input_channels)
    least = -(-(taker.flow + 1) // taker.stride) * taker.stride
    return FrameShape(
        height=taker.height,
        width=taker.width,
        channels=taker.channels,
        lead_frames=max(taker.context + taker.flow, 1),
        chunk_frames=max(least, frames // taker.stride * taker.stride),
        clip_fps=clip_fps,
        flow=taker.flow,
    )


class UnitDecoder:
    """Decodes units in a child process that may crash, hang or grow without harm.

    Args:
        shapes: A shape for each bundle, by the plan's `bundle` index.
        timeout_s: Longest wait for the next frames.
        memory_mib: Address space of the child.
    """

    def __init__(self, shapes: list[FrameShape], timeout_s: float, memory_mib: int):
        self._shapes = shapes
        self._decoder = IsolatedDecoder(memory_bytes=memory_mib * 2**20, timeout_s=timeout_s)

    def close(self) -> None:
        self._decoder.close()

    def decode(self, unit: dict[str, Any]) -> Iterator[DecodedChunk]:
        """Chunks of a unit, the final one with `last=True`; what went wrong is in their `members`.

        Args:
            unit: A row of the plan as a dict.
        """
        request = decode_request(unit, self._shapes[unit["bundle"]])
        if len(request.sources) == 1:
            yield from self._decode_one(request)
            return
        try:
            yield from list(self._decoder.decode(request))
        except UnreadableMedia:
            # one picture took the whole group down: find it, and score the others
            alone = [dataclasses.replace(request, sources=(source,)) for source in request.sources]
            yield _join([list(self._decode_one(single)) for single in alone])

    def nothing(self, unit: dict[str, Any], chunk: int) -> DecodedChunk:
        """The last chunk of a unit, number `chunk`, without frames: nothing is opened."""
        request = decode_request(unit, self._shapes[unit["bundle"]])
        members = tuple(MemberInfo() for _ in request.sources)
        return empty_chunk(chunk, True, _frame_shape(request), members)

    def _decode_one(self, request: DecodeRequest) -> Iterator[DecodedChunk]:
        info, next_chunk, crashes = MemberInfo(), 0, 0
        while True:
            before = next_chunk
            try:
                for chunk in self._decoder.decode(request):
                    if chunk.chunk >= next_chunk:  # those before were given out by a decoder that has died
                        info, next_chunk = chunk.members[0], chunk.chunk + 1
                        yield chunk
                return
            except UnreadableMedia as error:
                # it may have been killed for what another file did; a file that crashes decoders does so at one place
                crashes = 1 if next_chunk > before else crashes + 1
                if error.error_type == "DecoderCrashed" and crashes < TRIES:
                    continue
                info = dataclasses.replace(
                    info,
                    status="partial" if info.frames else "quarantined",
                    error_type=error.error_type,
                    error=error.message,
                )
                yield empty_chunk(next_chunk, True, _frame_shape(request), (info,))
                return


def decode_request(unit: dict[str, Any], shape: FrameShape) -> DecodeRequest:
    """The request that a plan row stands for."""
    sources = tuple(
        Source(
            uri=member["object_uri"],
            kind=unit["kind"],
            size=member["bytes"],
            etag=listed_version(unit["kind"], member["etag"], member["shard_uri"] is not None),
            clip_prefix=member["clip_prefix"],
            clip_digits=member["clip_digits"],
            clip_suffix=member["clip_suffix"],
            clip_first=member["clip_first"],
            clip_count=member["clip_count"],
            clip_fps=shape.clip_fps,
            shard_uri=member["shard_uri"],
            shard_offset=member["shard_offset"],
        )
        for member in unit["members"]
    )
    return DecodeRequest(
        sources=sources,
        height=shape.height,
        width=shape.width,
        channels=shape.channels,
        lead_frames=shape.lead_frames,
        chunk_frames=shape.chunk_frames,
        start_pts=unit["start_pts"],
        lead_pts=unit["lead_pts"],
        end_pts=unit["end_pts"],
        flow=shape.flow,
    )


def listed_version(kind: str, etag: str, in_shard: bool) -> str | None:
    """The version of the file that holds an object, from the object's own; None for a clip, which is many files."""
    if kind == "clip":
        return None
    return etag.rpartition("+")[0] if in_shard else etag


def _frame_shape(request: DecodeRequest) -> tuple[int, ...]:
    return request.height, request.width, request.input_channels


def empty_chunk(
    number: int, last: bool, shape: tuple[int, ...], members: tuple[MemberInfo, ...]
) -> DecodedChunk:
    """A chunk without frames, of `shape` (height, width, channels), and `members` that tell why."""
    nothing = np.zeros(0, np.float32)
    return DecodedChunk(
        member=np.zeros(0, np.int32),
        chunk=number,
        last=last,
        lead=0,
        frames=np.zeros((0, *shape), np.uint8),
        time_s=np.zeros(0, np.float64),
        brightness=nothing,
        sharpness=nothing,
        motion=nothing,
        members=members,
    )


def _join(decoded: list[list[DecodedChunk]]) -> DecodedChunk:
    """One chunk of images from one list of chunks for each image."""
    chunks = [chunk for chunks in decoded for chunk in chunks]
    member = [
        np.full(len(chunk.time_s), index, np.int32)
        for index, chunks in enumerate(decoded)
        for chunk in chunks
    ]
    return DecodedChunk(
        member=np.concatenate(member),
        chunk=0,
        last=True,
        lead=0,
        frames=np.concatenate([chunk.frames for chunk in chunks]),
        time_s=np.concatenate([chunk.time_s for chunk in chunks]),
        brightness=np.concatenate([chunk.brightness for chunk in chunks]),
        sharpness=np.concatenate([chunk.sharpness for chunk in chunks]),
        motion=np.concatenate([chunk.motion for chunk in chunks]),
        members=tuple(chunks[-1].members[0] for chunks in decoded),
    )


def frames_in_mib(height: int, width: int, channels: int, mib: int = 32) -> int:
    """Frames of `height` x `width` x `channels` bytes that fit `mib` MiB; at least 16."""
    return max(16, mib * 2**20 // (height * width * channels))
