"""Opening a video container with PyAV, and what its errors are called."""

from collections.abc import Iterator
from contextlib import contextmanager

import av
import av.error
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from vadray.errors import UnreadableMedia
from vadray.media import opener
from vadray.media.request import MemberInfo, Source

# A header may promise any size; 16384 x 16384 is more than any camera gives.
MAX_PIXELS = 1 << 28


@contextmanager
def open_video(source: Source) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Opens the source's best video stream for decoding in one thread.

    Raises:
        UnreadableMedia: The container or its codec cannot be opened; `error_type` is the name of FFmpeg's
            error class, such as `"InvalidDataError"`, or `"NoVideoStream"`, `"TooLarge"`.
        OSError: Storage failed on the way.
        MemoryError: The process may not have the memory needed.
    """
    try:
        with opener.open_for_ffmpeg(source) as file, _open(file) as container:
            yield container, _best_stream(container, source)
    except opener.MISSING as error:
        raise UnreadableMedia(type(error).__name__, describe(error)) from error


@contextmanager
def _open(file) -> Iterator[InputContainer]:
    try:
        container = av.open(
            file,
            "r",
            metadata_errors="replace",
            # A playlist that calls itself video must not make FFmpeg fetch addresses.
            options={"protocol_whitelist": "file" if isinstance(file, str) else "none"},
        )
    except av.error.FFmpegError as error:
        raise_unreadable(error)
    with container:
        yield container


def _best_stream(container: InputContainer, source: Source) -> VideoStream:
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream):
        raise UnreadableMedia("NoVideoStream", f"{source.uri} holds no video stream")
    context = stream.codec_context
    if not isinstance(context, VideoCodecContext):
        raise UnreadableMedia("DecoderNotFoundError", f"{source.uri}: no decoder for its video codec")
    if context.width * context.height > MAX_PIXELS:
        raise UnreadableMedia(
            "TooLarge",
            f"{source.uri} declares {context.width}x{context.height}, at most {MAX_PIXELS} pixels are read",
        )
    # More decoders use cores better than more threads in one; and one thread gives frames in a fixed order.
    context.thread_count = 1
    return stream


def raise_unreadable(error: Exception) -> None:
    """Raises `UnreadableMedia` named after FFmpeg's error, but lets lack of memory be what it is."""
    if isinstance(error, MemoryError):
        raise MemoryError(describe(error)) from error
    raise UnreadableMedia(type(error).__name__, describe(error)) from error


def describe(error: Exception) -> str:
    """The error's text without its number and the repeated file name."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def seconds(ticks: int, stream: VideoStream) -> float:
    """Timestamp ticks of a stream in seconds."""
    if stream.time_base is None:
        raise UnreadableMedia("NoTimeBase", "The video stream states no time base")
    return ticks * stream.time_base.numerator / stream.time_base.denominator


def describe_stream(stream: VideoStream) -> MemberInfo:
    """What the container declares; width and height are as stored."""
    context = stream.codec_context
    return MemberInfo(
        codec=context.codec.canonical_name,  # "av1", whichever library decodes it
        width=context.width,
        height=context.height,
        fps=float(stream.average_rate or stream.guessed_rate or 0),
        frames_declared=stream.frames or None,
    )
