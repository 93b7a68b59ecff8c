"""What a labelled set is, whatever layout it was read from."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

MaskReader = Callable[[int], np.ndarray]

# of a video that is anomalous somewhere, nobody knows where
EVERY_FRAME = ((0, sys.maxsize - 1),)


@dataclass(frozen=True)
class ObjectLabels:
    """What is true of one object.

    Args:
        kind: "video" (a video file or a clip) or "image".
        frames: How many frames the labels were made for, None when not said; 1 for images.
        ranges: Anomalous frames as `(first, last)`, 0-based, inclusive.
        name: What the anomaly is, where the set says.
        pixels: Reads the pixel masks, where the set has them: `frames -> bool [frames, rows, columns]`.
    """

    kind: str
    frames: int | None
    ranges: tuple[tuple[int, int], ...]
    name: str | None = None
    pixels: MaskReader | None = None

    def flags(self, frames: int) -> np.ndarray:
        """Labels of the first `frames` frames, bool; frames after the labelled ones count as normal.

        A damaged file may yield fewer frames than were labelled: compare with `self.frames`.
        """
        flags = np.zeros(frames, dtype=bool)
        for first, last in self.ranges:
            flags[first : last + 1] = True
        return flags

    def mask(self, frames: int) -> np.ndarray | None:
        """Anomalous pixels of the first `frames` frames, read now and not kept.

        Args:
            frames: How many frames; those after the labelled ones have empty masks.

        Returns:
            bool `[frames, rows, columns]` in the resolution of the labels, which is mostly that of the
            original; None where the set has no masks for this object.

        Raises:
            RequestError: The masks cannot be read, or are not as the layout says.
        """
        return None if self.pixels is None else self.pixels(frames)


@dataclass(frozen=True)
class LabelledSet:
    """A labelled archive.

    Args:
        archive: URI of the folder to score: the set's test half, or the set itself where it has no halves.
        labels: By path relative to `archive` (of a clip: its folder, without a slash at the end). What is
            in the archive and not here has no label and is no part of the evaluation.
        clips: Whether folders of numbered images are clips; False where each image has its own label.
        source: URI of what the labels were read from, for messages.
        train: URI of the set's normal footage to train on, None where the layout has none.
        video_level: Whether only whole videos are labelled: then every frame of an anomalous video counts as
            anomalous, and figures of frames and events mean little.
        notes: What a person should know of it.
    """

    archive: str
    labels: dict[str, ObjectLabels]
    clips: bool
    source: str
    train: str | None = None
    video_level: bool = False
    notes: tuple[str, ...] = ()
