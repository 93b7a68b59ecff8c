"""What people said of events, where thresholds are chosen: what was rightly flagged is no normal footage."""

from collections.abc import Iterable, Sequence

import numpy as np

from vadray.calibration.calibration import Calibration, VideoScores
from vadray.calibration.events import runs
from vadray.report.labels import Label

Scored = tuple[str, VideoScores]  # the object's URI, and scores of it or of a part of it


def without_right(scored: Iterable[Scored], labels: Sequence[Label]) -> list[VideoScores]:
    """Scores of footage without the frames of events that were judged right.

    What is left on either side of such an event is a video of its own, so that the gap is no event either.
    """
    kept = []
    for uri, video in scored:
        usual = ~_within(uri, video, [label for label in labels if label.verdict == "right"])
        for first, last in runs(usual):
            part = slice(first, last + 1)
            kept.append(
                VideoScores(
                    video.camera, video.time_s[part], video.score[part], captured_at=video.captured_at
                )
            )
    return kept


def found_again(
    scored: Iterable[Scored], labels: Sequence[Label], calibration: Calibration
) -> dict[str, int]:
    """How many of the judged events that lie in this footage a calibration flags, at any of their frames.

    Returns:
        `right`, `right_found`, `wrong` and `wrong_found`.
    """
    seen: dict[Label, bool] = {}
    for uri, video in scored:
        flags = calibration.apply(video).flags
        for label in labels:
            within = _within(uri, video, [label])
            if within.any():
                seen[label] = seen.get(label, False) or bool(flags[within].any())
    return {
        name: sum(1 for label, flagged in seen.items() if label.verdict == verdict and (flagged or not found))
        for verdict in ("right", "wrong")
        for name, found in ((verdict, False), (f"{verdict}_found", True))
    }


def _within(uri: str, video: VideoScores, labels: Sequence[Label]) -> np.ndarray:
    """Which frames are of one of these events, bool `[n]`."""
    within = np.zeros(len(video.score), dtype=bool)
    for label in labels:
        if label.object_uri == uri:
            within |= (video.time_s >= label.start_s) & (video.time_s <= label.end_s)
    return within
