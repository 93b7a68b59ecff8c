"""One entry to all decoders."""

from collections.abc import Iterator

from vadray.media.request import DecodedChunk, DecodeRequest


def decode(request: DecodeRequest) -> Iterator[DecodedChunk]:
    """Decodes one unit in this process.

    What is wrong with the media itself ends in `DecodedChunk.members` as `"partial"` or `"quarantined"`,
    never as an exception. Memory stays within a few chunks, however long the video is.

    Args:
        request: The unit to decode.

    Yields:
        Chunks in presentation order, the final one with `last=True`. A unit of images is one chunk.

    Raises:
        OSError: Storage failed for a reason other than a missing or forbidden object: worth a retry.
        MemoryError: Decoding needs more memory than the process may have.
    """
    kind = request.sources[0].kind
    # OpenCV and PyAV cost 0.1 s each to import: a worker that needs one only should not wait for both.
    if kind == "image":
        from vadray.media.images import decode_images

        return decode_images(request)
    if kind == "clip":
        from vadray.media.clips import decode_clip

        return decode_clip(request)
    from vadray.media.video import decode_video

    return decode_video(request)
