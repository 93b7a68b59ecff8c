"""Folders of numbered frames, read as the video they are."""

from collections.abc import Iterator

import numpy as np

from vadray.errors import UnreadableMedia
from vadray.media import opener
from vadray.media.chunks import ChunkBuilder
from vadray.media.images import Picture, decode_picture
from vadray.media.request import DecodedChunk, DecodeRequest, MemberInfo, Source


def decode_clip(request: DecodeRequest) -> Iterator[DecodedChunk]:
    """Decodes frames `start_pts` to `end_pts` (0-based numbers) of a clip; see `vadray.media.decode.decode`.

    A frame that is missing or cannot be decoded is left out and makes the clip `"partial"`; its time passes.
    """
    source = request.sources[0]
    count = source.clip_count or 0
    start = request.start_pts or 0
    end = count if request.end_pts is None else min(count, request.end_pts)
    info = MemberInfo(fps=source.clip_fps, frames_declared=count)
    builder = ChunkBuilder(request, info)
    builder.lead_in(_lead_in(source, start, request))
    failures: list[tuple[int, UnreadableMedia]] = []
    for index in range(start, end):
        try:
            picture = _read_picture(source, index, request)
        except UnreadableMedia as error:
            failures.append((index, error))
            continue
        if picture.damage is not None:
            failures.append((index, UnreadableMedia("TruncatedImage", picture.damage)))
        info.codec, info.width, info.height = picture.codec, picture.width, picture.height
        chunk = builder.add(picture.frame, index / source.clip_fps)
        if chunk is not None:
            yield chunk
    if failures:
        index, first = failures[0]
        info.status = "partial" if info.frames else "quarantined"
        info.error_type = first.error_type
        info.error = f"{len(failures)} of {end - start} frames are damaged or missing, the first is {index}: {first.message}"
    yield builder.finish()


def _lead_in(source: Source, start: int, request: DecodeRequest) -> list[np.ndarray]:
    """The last good frames before `start`, in order; bad ones are passed over as they are when scoring."""
    lead: list[np.ndarray] = []
    for index in range(start - 1, -1, -1):
        if len(lead) == request.lead_frames:
            break
        try:
            lead.append(_read_picture(source, index, request).frame)
        except UnreadableMedia:
            continue  # counted by the unit that the frame belongs to
    return lead[::-1]


def _read_picture(source: Source, index: int, request: DecodeRequest) -> Picture:
    uri = opener.clip_member_uri(source, index)
    try:
        data = opener.read(Source(uri=uri, kind="image"))
    except opener.MISSING as error:
        raise UnreadableMedia("MissingFrame", f"{uri}: {type(error).__name__}") from error
    return decode_picture(data, request.height, request.width, request.channels, name=uri)
