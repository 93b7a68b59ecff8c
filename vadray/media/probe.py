"""What a container's index or packets say, and where a video may be cut, without decoding a frame."""

from collections.abc import Callable
from dataclasses import replace

import av.error
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from vadray.errors import UnreadableMedia
from vadray.media import opener
from vadray.media.container import describe_stream, open_video, seconds
from vadray.media.request import Probe, Source

# Frames of margin before the lead-in, since an index is in decoding order and frames are asked for in
# presentation order: more than H.264 and HEVC may reorder.
REORDER_MARGIN_FRAMES = 16
PACKETS_BETWEEN_SIGNS = 1000

Range = tuple[int | None, int | None, int | None]


def probe(
    source: Source,
    scan_frames: int | None = None,
    exact: bool = False,
    alive: Callable[[], None] = lambda: None,
) -> Probe:
    """Reads a source's header and index, and all its packets where that is wanted.

    An index is trusted only if it is real: an MP4 or MOV table with as many entries as frames declared, in
    order, inside the file, spanning the declared duration. Other containers promise what they do not hold
    (one real file declares 31,913 frames and has 12): they are decoded in one go, or read through once. What was
    read is trusted if it came without an error, each packet with a timestamp of its own and in order.

    Args:
        source: Image, video or clip. Images are not opened.
        scan_frames: Read a video through that has no trusted index and promises more frames than that, or does not
            say how many; None for never.
        exact: An index in decoding order is not enough, so that a cut falls on an exact number of frames.
        alive: Called from time to time while a file is read through.

    Returns:
        What is known; `error_type` and `error` set where the container cannot be opened.

    Raises:
        OSError: Storage failed for a reason other than a missing or forbidden object: worth a retry.
    """
    if source.kind == "image":
        return Probe(frames_estimate=1)
    if source.kind == "clip":
        count = source.clip_count or 0
        return Probe(
            frames_estimate=count,
            duration_s=count / source.clip_fps,
            fps=source.clip_fps,
            timestamps=np.arange(count, dtype=np.int64),
            exact=True,
        )
    try:
        with open_video(source) as (container, stream):
            found = _describe(container, stream, source)
            if found.timestamps is not None and not exact:
                return found
            estimate = found.frames_estimate
            if scan_frames is None or (estimate is not None and estimate <= scan_frames):
                return found
            stamps, all_shown = _scanned_timestamps(container, stream, alive)
            if stamps is None:
                return replace(found, timestamps=None)
            return replace(found, timestamps=stamps, exact=all_shown, frames_estimate=len(stamps))
    except UnreadableMedia as error:
        return Probe(error_type=error.error_type, error=error.message)


def boundaries(probe: Probe, unit_frames: int, lead_frames: int) -> list[Range]:
    """Cuts a video into ranges of about `unit_frames` frames.

    Args:
        probe: From `probe`.
        unit_frames: Frames of one range.
        lead_frames: Frames of context that each range needs before its first frame.

    Returns:
        `(lead_pts, start_pts, end_pts)` of each range, in order. The ranges cover all time without overlap:
        the first starts at None, the last ends at None. A video without trusted index is one range.

    Raises:
        ValueError: `unit_frames` is not positive.
    """
    if unit_frames < 1:
        raise ValueError(f"`unit_frames` must be at least 1. Received: {unit_frames}")
    stamps = probe.timestamps
    if stamps is None or len(stamps) <= unit_frames:
        return [(None, None, None)]
    starts = range(0, len(stamps), unit_frames)
    ranges: list[Range] = []
    for first in starts:
        after = first + unit_frames
        lead = max(0, first - lead_frames - REORDER_MARGIN_FRAMES)
        ranges.append(
            (
                int(stamps[lead]) if first else None,
                int(stamps[first]) if first else None,
                int(stamps[after]) if after < len(stamps) else None,
            )
        )
    return ranges


def _describe(container, stream: VideoStream, source: Source) -> Probe:
    info = describe_stream(stream)
    duration_s = None
    if stream.duration is not None:
        duration_s = seconds(stream.duration, stream)
    elif container.duration is not None:
        duration_s = container.duration / 1e6
    if duration_s is not None and duration_s <= 0:
        duration_s = None
    frames = info.frames_declared
    if frames is None and duration_s is not None and info.fps:
        frames = round(duration_s * info.fps)
    return Probe(
        frames_estimate=frames,
        duration_s=duration_s,
        fps=info.fps,
        codec=info.codec,
        width=info.width,
        height=info.height,
        time_base=stream.time_base,
        timestamps=_trusted_timestamps(container.format.name, stream, source),
    )


def _trusted_timestamps(format_name: str, stream: VideoStream, source: Source) -> np.ndarray | None:
    if "mp4" not in format_name.split(","):
        return None
    entries = [entry for entry in stream.index_entries if not entry.is_discard]
    if not entries or len(entries) != stream.frames or stream.start_time is None:
        return None
    stamps = np.fromiter((entry.timestamp for entry in entries), np.int64, len(entries))
    ends = np.fromiter((entry.pos + entry.size for entry in entries), np.int64, len(entries))
    if ends.max() > _size(source) or not np.all(np.diff(stamps) > 0):
        return None
    # Of a fragmented file, only the first fragments are in the index when it is opened.
    if stream.duration and stamps[-1] - stamps[0] < 0.9 * stream.duration * (1 - 1 / len(stamps)):
        return None
    return stamps


def _scanned_timestamps(
    container: InputContainer, stream: VideoStream, alive: Callable[[], None]
) -> tuple[np.ndarray | None, bool]:
    """Timestamps of all packets in order of presentation, and whether each of them is sure to give a frame.

    None where a packet is damaged or without a timestamp of its own, or decoding timestamps go back: where a
    recording starts anew, say, and a range of time is not one of frames.
    """
    stamps: list[int] = []
    decoding: int | None = None
    starts_clean = True
    try:
        for number, packet in enumerate(container.demux(stream)):
            if number % PACKETS_BETWEEN_SIGNS == 0:
                alive()
            if packet.size == 0:
                continue
            if packet.pts is None or packet.is_corrupt or packet.is_discard:
                return None, False
            if packet.dts is not None:  # Matroska has none where a stream begins
                if decoding is not None and packet.dts <= decoding:
                    return None, False
                decoding = packet.dts
            if not stamps:
                starts_clean = packet.is_keyframe
            stamps.append(packet.pts)
    except av.error.FFmpegError:
        return None, False  # the decoder will say what is wrong
    if not stamps:
        return None, False
    read = np.array(stamps, np.int64)
    order = read.argsort()
    ordered = read[order]
    moved = np.abs(order - np.arange(len(order))).max()
    if moved > REORDER_MARGIN_FRAMES or not np.all(np.diff(ordered) > 0):
        return None, False
    # pictures before the first keyframe may refer to what is not there, and then are never shown
    return ordered, starts_clean and ordered[0].item() == stamps[0]


def _size(source: Source) -> int:
    if source.size is not None:
        return source.size
    with opener.open_file(source) as file:
        return file.seek(0, 2)
