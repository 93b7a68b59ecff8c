"""Pictures to an MP4 that any player and browser shows."""

from collections.abc import Iterable
from fractions import Fraction

import av
import numpy as np

CLOCK = 90_000  # ticks a second, as in MPEG


def write_film(path: str, pictures: Iterable[tuple[float, np.ndarray]], fps: float) -> int:
    """Writes H.264 in an MP4; each picture is shown at its own time, so that a variable rate stays one.

    Args:
        path: A local file.
        pictures: Seconds, not falling, and uint8 `[rows, columns, 3]` RGB, all of one size; both sides even.
        fps: Of the container's header, and for how long the last picture stands.

    Returns:
        How many pictures.
    """
    count, origin_s, last = 0, 0.0, -1
    with av.open(path, "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "20", "preset": "veryfast"}
        stream.codec_context.time_base = Fraction(1, CLOCK)
        for time_s, picture in pictures:
            if count == 0:
                origin_s = time_s
                stream.height, stream.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            # streams of broken clocks repeat times, which a film may not
            last = max(last + 1, round((time_s - origin_s) * CLOCK))
            frame.pts, frame.time_base = last, Fraction(1, CLOCK)
            container.mux(stream.encode(frame))
            count += 1
        container.mux(stream.encode(None))
    return count
