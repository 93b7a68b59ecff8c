"""Video files to small frames, exact by timestamp, whatever part of the file is asked for.

A range is reached by seeking to well before it and looking where the seek landed. If it landed too late, so
that too few clean frames come before the range, it backs off further, at last to the start of the file. So
the frames of all ranges of a file together are the frames of the file, pixel for pixel.
"""

from bisect import insort
from collections import deque
from collections.abc import Iterator
from itertools import chain
from typing import Any

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream

from vadray.errors import UnreadableMedia
from vadray.media.chunks import ChunkBuilder
from vadray.media.container import describe, describe_stream, open_video, raise_unreadable, seconds
from vadray.media.request import DecodedChunk, DecodeRequest, MemberInfo

# A file cut short fails at every further read; after so many failures in a row nothing more will come.
MAX_READ_ERRORS = 64
# Where packets carry no decoding timestamps, a range ends this many frames after its end was passed: more
# than any codec reorders.
REORDER_FRAMES = 32
BACK_OFF_STEPS = 4
# By so many at most a decoder gave frames too late that had lost a keyframe to damage (1,050 damaged files of three
# containers and codecs); what goes back by more than this time is no disorder but a clock that was set.
DISORDER_FRAMES, CLOCK_SET_S = 4, 1.0


def decode_video(request: DecodeRequest) -> Iterator[DecodedChunk]:
    """Decodes a range of one video; see `vadray.media.decode.decode`."""
    builder = ChunkBuilder(request, MemberInfo())
    try:
        yield from _decode_range(request, builder)
    except UnreadableMedia as error:
        # Nothing was given out yet: every later failure is counted as damage instead.
        info = builder.info
        info.status, info.error_type, info.error = "quarantined", error.error_type, error.message
        yield builder.finish()


def _decode_range(request: DecodeRequest, builder: ChunkBuilder) -> Iterator[DecodedChunk]:
    for target in _seek_targets(request):
        with open_video(request.sources[0]) as (container, stream):
            builder.info = describe_stream(stream)
            reader = PacketReader(container, stream, target, request.end_pts)
            scaler = FrameScaler(request)
            frames = iter(reader)
            # At least one: a decoder that drops frames until it has recovered has then recovered.
            lead: deque[np.ndarray] = deque(maxlen=max(1, request.lead_frames))
            first = _read_lead(frames, request.start_pts, target, lead, reader, scaler)
            if target is not None and len(lead) < max(1, request.lead_frames):
                continue
            builder.lead_in(lead)
            for time_s, frame in _in_range(first, frames, request.end_pts, stream):
                small = _scale(frame, reader, scaler)
                if small is None:
                    continue
                if frame.is_corrupt:
                    reader.count_failure(None, frame.pts)
                chunk = builder.add(small, time_s)
                builder.info.width, builder.info.height = scaler.displayed
                if chunk is not None:
                    yield chunk
            _settle(builder.info, reader, request)
            yield builder.finish()
            return


def _seek_targets(request: DecodeRequest) -> Iterator[int | None]:
    """Where to seek, one attempt after the other; None is the file's start, without seeking."""
    if request.start_pts is not None:
        lead_pts = min(request.start_pts if request.lead_pts is None else request.lead_pts, request.start_pts)
        step = max(1, request.start_pts - lead_pts)
        for attempt in range(BACK_OFF_STEPS):
            yield lead_pts - step * (4**attempt - 1)
    yield None


def _read_lead(
    frames: Iterator[VideoFrame],
    start_pts: int | None,
    target: int | None,
    lead: deque[np.ndarray],
    reader: "PacketReader",
    scaler: "FrameScaler",
) -> VideoFrame | None:
    """Reads up to the first frame of the range, keeping those before it; None if no frame is in the range."""
    for frame in frames:
        if start_pts is None or (frame.pts is not None and frame.pts >= start_pts):
            return frame
        # Decoding from the keyframe to the target cannot be saved, scaling can.
        if target is None or (frame.pts is not None and frame.pts >= target):
            small = _scale(frame, reader, scaler)
            if small is not None:
                lead.append(small)
    return None


def _in_range(
    first: VideoFrame | None, rest: Iterator[VideoFrame], end_pts: int | None, stream: VideoStream
) -> Iterator[tuple[float, VideoFrame]]:
    """Gives (time_s, frame) from `first` on, without those at or after `end_pts`."""
    if first is None:
        return
    origin = stream.start_time or 0
    rate = stream.average_rate or stream.guessed_rate or 1
    inside = True
    for index, frame in enumerate(chain([first], rest)):
        if frame.pts is None:  # belongs where the frame before it does
            time_s = float(index / rate)
        else:
            time_s = seconds(frame.pts - origin, stream)
            inside = end_pts is None or frame.pts < end_pts
        if inside:
            yield time_s, frame


def _scale(frame: VideoFrame, reader: "PacketReader", scaler: "FrameScaler") -> np.ndarray | None:
    try:
        return scaler.scale(frame)
    except av.error.FFmpegError as error:  # a pixel format that swscale does not know
        reader.count_failure(error, frame.pts)
        return None


def _settle(info: MemberInfo, reader: "PacketReader", request: DecodeRequest) -> None:
    """Says in the source's record how the reading went."""
    if not reader.failures:
        if info.frames == 0 and request.start_pts is None and request.end_pts is None:
            info.status, info.error_type = "quarantined", "NoFrames"
            info.error = f"{reader.packets} packets read, none of them gave a frame"
        return
    # A range without frames of its own says nothing about the others.
    whole = request.start_pts is None and request.end_pts is None
    info.status = "quarantined" if whole and info.frames == 0 else "partial"
    info.error_type = reader.error_type
    info.error = f"{reader.failures} of {reader.packets} packets failed, the first with: {reader.error}"


class PacketReader:
    """Decodes packet by packet and goes on after damage, which it counts.

    Iterating gives frames in presentation order, from the first that decodes cleanly after the seek to the
    last before `end_pts`, and a few after it.

    Args:
        container: Freshly opened.
        stream: Its video stream.
        seek_pts: Timestamp to seek to, or None to read from the start without seeking.
        end_pts: Timestamp after which nothing more is needed, or None.
    """

    def __init__(
        self, container: InputContainer, stream: VideoStream, seek_pts: int | None, end_pts: int | None
    ):
        self._container = container
        self._stream = stream
        self._seek_pts = seek_pts
        self._end_pts = end_pts
        self.keyframe_pts: int | None = None
        self.packets = 0
        self.failures = 0
        self.error_type: str | None = None
        self.error: str | None = None

    def __iter__(self) -> Iterator[VideoFrame]:
        beyond = 0
        for frame in self._ordered():
            yield frame
            beyond += self._end_pts is not None and frame.pts is not None and frame.pts >= self._end_pts
            if beyond > REORDER_FRAMES:
                return

    def _ordered(self) -> Iterator[VideoFrame]:
        """Sorts frames that come a little too late into their places."""
        clock_set = CLOCK_SET_S / self._stream.time_base if self._stream.time_base else float("inf")
        held: list[tuple[int, int, VideoFrame]] = []
        for order, frame in enumerate(self._decoded()):
            if self._is_before_keyframe(frame.pts):
                continue
            if frame.pts is None or (held and held[-1][0] - frame.pts > clock_set):
                yield from (one for _, _, one in held)
                held.clear()
            if frame.pts is None:
                yield frame
                continue
            insort(held, (frame.pts, order, frame))
            if len(held) > DISORDER_FRAMES:
                yield held.pop(0)[2]
        yield from (one for _, _, one in held)

    def _is_before_keyframe(self, pts: int | None) -> bool:
        """True in an open GOP for pictures that refer to one from before the seek."""
        return self.keyframe_pts is not None and pts is not None and pts < self.keyframe_pts

    def _decoded(self) -> Iterator[VideoFrame]:
        context = self._stream.codec_context
        for packet in self._packets():
            if self._end_pts is not None and packet.dts is not None and packet.dts >= self._end_pts:
                break  # frames that belong to the range come from packets before this one
            try:
                frames = context.decode(packet)
            except av.error.FFmpegError as error:
                self.count_failure(error, packet.pts)
                continue
            if packet.is_corrupt:
                self.count_failure(None, packet.pts)
            yield from frames
        try:
            frames = context.decode(None)
        except av.error.EOFError:
            return
        except av.error.FFmpegError as error:
            self.count_failure(error, None)
            return
        yield from frames

    def _packets(self) -> Iterator[av.Packet]:
        """Packets from the first keyframe after the seek on."""
        started = self._seek_pts is None
        if self._seek_pts is not None:
            try:
                self._container.seek(self._seek_pts, stream=self._stream, backward=True)
            except av.error.FFmpegError:
                return  # cannot seek there: the caller, having got no frames, tries another way
        errors_in_a_row = 0
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as error:
                self.packets += 1
                self.count_failure(error, None)
                errors_in_a_row += 1
                if errors_in_a_row == MAX_READ_ERRORS:
                    return
                packets = self._container.demux(self._stream)
                continue
            if packet is None:
                return
            errors_in_a_row = 0
            if packet.size == 0:
                continue  # means "repeat the picture" or "end"; the decoder would take both for the end
            if not started:
                if not packet.is_keyframe:
                    continue
                started = True
                self.keyframe_pts = packet.pts
                if packet.pts is None:
                    return
            self.packets += 1
            yield packet

    def count_failure(self, error: Exception | None, pts: int | None) -> None:
        """Counts a packet or frame that could not be decoded whole, and remembers why for the first.

        Args:
            error: What the decoder raised; None where it gave what it could and said that some is missing.
            pts: Of the packet or frame, if known.
        """
        if isinstance(error, MemoryError):
            raise_unreadable(error)
        if self._is_before_keyframe(pts):
            return  # not damage
        self.failures += 1
        if self.error_type is None:
            self.error_type = "CorruptPacket" if error is None else type(error).__name__
            self.error = "what it holds is incomplete" if error is None else describe(error)


class FrameScaler:
    """Scales frames to the wanted size and format, turned upright as the file asks.

    Attributes:
        displayed: (width, height) of the last frame as displayed; zeros before the first.
    """

    def __init__(self, request: DecodeRequest):
        self._height = request.height
        self._width = request.width
        self._channels = request.channels
        self._format = "gray" if request.channels == 1 else "rgb24"
        self._reformatter = VideoReformatter()
        self.displayed = (0, 0)

    def scale(self, frame: VideoFrame) -> np.ndarray:
        """Gives uint8 `[height, width, channels]`, a view of the scaled frame's own memory where possible."""
        quarter_turns = round(frame.rotation / 90) % 4
        sideways = quarter_turns % 2 == 1
        self.displayed = (frame.height, frame.width) if sideways else (frame.width, frame.height)
        height, width = (self._width, self._height) if sideways else (self._height, self._width)
        # AREA averages: FAST_BILINEAR is off by up to 146 grey levels.
        small = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format=self._format,
            interpolation=Interpolation.AREA,
            threads=1,
        )
        plane: Any = small.planes[0]  # gives its bytes by the buffer protocol
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:height, : width * self._channels]
        return np.rot90(rows.reshape(height, width, self._channels), quarter_turns)
