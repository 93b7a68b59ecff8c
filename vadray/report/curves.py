"""Score-over-time curves for the report, kept small while a table of any length streams by."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

CURVE_POINTS = 400
CURVE_COLUMNS = ("object_uri", "frame_index", "time_s", "score")


@dataclass(frozen=True)
class Curve:
    """A downsampled curve: `time_s` and `score`, both float64 `[points]`, in order of time."""

    time_s: np.ndarray
    score: np.ndarray


class CurveBuilder:
    """Keeps, for each of at most `points` equal runs of frames, the highest score and when it was.

    So every peak of the recording is a point of the curve, whatever its length, and memory stays constant.

    Args:
        frames: Number of frames of the object, at least 1.
        points: Points of the curve at most.
    """

    def __init__(self, frames: int, points: int = CURVE_POINTS):
        self._frames = max(1, frames)
        self._points = min(points, self._frames)
        self._score = np.full(self._points, -np.inf)
        self._time_s = np.zeros(self._points)

    def add(self, frame_index: np.ndarray, time_s: np.ndarray, score: np.ndarray) -> None:
        """Take in frames, in any order: int64, float64 and float arrays of one length."""
        point = np.clip(frame_index * self._points // self._frames, 0, self._points - 1)
        # by point, within it by falling score: the first row of each point is its peak
        order = np.lexsort((-score, point))
        point, time_s, score = point[order], time_s[order], score[order]
        first = np.flatnonzero(np.diff(point, prepend=-1))
        point, time_s, score = point[first], time_s[first], score[first]
        higher = score > self._score[point]
        self._score[point[higher]] = score[higher]
        self._time_s[point[higher]] = time_s[higher]

    def finish(self) -> Curve:
        """The curve of what was taken in; points without frames are left out."""
        seen = np.isfinite(self._score)
        return Curve(self._time_s[seen], self._score[seen])


def build_curves(batches: Iterable[pa.RecordBatch], frames_of: dict[str, int]) -> dict[str, Curve]:
    """Curves of some objects from the streamed `frames` table.

    Args:
        batches: Record batches with the columns `CURVE_COLUMNS`.
        frames_of: The objects wanted, by URI, and their numbers of frames.

    Returns: For each object with at least one frame, its curve.
    """
    builders = {uri: CurveBuilder(frames) for uri, frames in frames_of.items()}
    for batch in batches:
        encoded = batch.column("object_uri").dictionary_encode()
        codes = encoded.indices.to_numpy()
        columns = [batch.column(name).to_numpy() for name in CURVE_COLUMNS[1:]]
        for code, uri in enumerate(encoded.dictionary.to_pylist()):
            if uri in builders:
                rows = codes == code
                builders[uri].add(*(column[rows] for column in columns))
    curves = {uri: builder.finish() for uri, builder in builders.items()}
    return {uri: curve for uri, curve in curves.items() if len(curve.score)}


def svg_points(curve: Curve, duration_s: float, low: float, high: float, size: Sequence[int]) -> str:
    """The `points` attribute of an SVG polyline: time to the right, score upwards, within `size` units."""
    width, height = size
    x = curve.time_s / duration_s * width if duration_s > 0 else np.full(len(curve.time_s), width / 2)
    y = height - (curve.score - low) / (high - low) * height if high > low else np.full(len(x), height / 2)
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
