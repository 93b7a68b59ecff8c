"""What moves in a recording of a fixed camera: cut out against the background, and followed from frame to frame."""

from dataclasses import dataclass

import cv2
import numpy as np

UNLIKE = 14  # grey levels between an object and the background
AREA = (0.0014, 0.03)  # of the picture, of one object
NEAR = 0.03  # of the height, from one frame to the next
AREAS_ALIKE = (0.65, 1.5)
LEAST_FRAMES = 20
LEAST_WAY = 0.07  # of the width
MARGIN = 3  # pixels around an object
AT_MOST = 60  # frames that the background is the median of


@dataclass(frozen=True)
class Cutout:
    """An object in one frame.

    Args:
        picture: uint8 `[h, w, 3]`.
        opacity: float32 `[h, w]`, 0 to 1.
        left: Column of its left edge.
        top: Row of its upper edge.
        x: Column of its centre.
        y: Row of its centre.
        area: In pixels.
    """

    picture: np.ndarray
    opacity: np.ndarray
    left: int
    top: int
    x: float
    y: float
    area: int


Track = list[Cutout]


def background_of(pictures: np.ndarray) -> np.ndarray:
    """The median over time, uint8 `[height, width, 3]`, of pictures `[n, height, width, 3]`."""
    every = max(1, len(pictures) // AT_MOST)
    return np.median(pictures[::every], axis=0).astype(np.uint8)


def tracks(pictures: np.ndarray, background: np.ndarray) -> list[Track]:
    """Objects that could be followed through at least `LEAST_FRAMES` frames and got somewhere.

    What touches another object is lost: one that walks alone is wanted, not every one.

    Args:
        pictures: uint8 `[n, height, width, 3]`, consecutive.
        background: Of `background_of`.
    """
    height, width = background.shape[:2]
    followed: list[Track] = []
    ended: list[Track] = []
    for picture in pictures:
        seen = _objects(picture, background)
        goes_on = []
        for track in followed:
            last = track[-1]
            near = [
                one
                for one in seen
                if np.hypot(one.x - last.x, one.y - last.y) <= NEAR * height
                and AREAS_ALIKE[0] <= one.area / last.area <= AREAS_ALIKE[1]
            ]
            if near:
                best = min(near, key=lambda one: np.hypot(one.x - last.x, one.y - last.y))
                seen = [one for one in seen if one is not best]
                goes_on.append([*track, best])
            else:
                ended.append(track)
        followed = goes_on + [[one] for one in seen if AREA[0] <= one.area / (height * width) <= AREA[1]]
    return [
        track
        for track in ended + followed
        if len(track) >= LEAST_FRAMES and abs(track[-1].x - track[0].x) >= LEAST_WAY * width
    ]


def feet(pictures: np.ndarray, background: np.ndarray) -> np.ndarray:
    """The lowest row of the object that each pixel belongs to, int16 `[n, height, width]`; -1 where there is none."""
    rows = np.empty(pictures.shape[:3], np.int16)
    for number, picture in enumerate(pictures):
        numbered, boxes, _ = _parts(picture, background)
        lowest = boxes[:, cv2.CC_STAT_TOP] + boxes[:, cv2.CC_STAT_HEIGHT] - 1
        rows[number] = np.where(_large(boxes, numbered.shape), lowest, -1)[numbered]
    return rows


def _objects(picture: np.ndarray, background: np.ndarray) -> list[Cutout]:
    numbered, boxes, centres = _parts(picture, background)
    height, width = numbered.shape
    found = []
    for number in np.flatnonzero(_large(boxes, numbered.shape)):
        left, top, wide, high, area = boxes[number].tolist()
        rows = slice(max(0, top - MARGIN), min(height, top + high + MARGIN))
        columns = slice(max(0, left - MARGIN), min(width, left + wide + MARGIN))
        opacity = cv2.GaussianBlur((numbered[rows, columns] == number).astype(np.float32), (5, 5), 0)
        x, y = centres[number].tolist()
        found.append(Cutout(picture[rows, columns].copy(), opacity, columns.start, rows.start, x, y, area))
    return found


def _parts(picture: np.ndarray, background: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Number of the part of each pixel, 0 being the background; each part's left, top, width, height, area; its centre."""
    difference = cv2.GaussianBlur(cv2.absdiff(picture, background).max(axis=2), (5, 5), 0)
    mask = cv2.morphologyEx(
        (difference > UNLIKE).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((7, 5), np.uint8)
    )
    return cv2.connectedComponentsWithStats(mask)[1:]


def _large(boxes: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Which parts are large enough for an object, bool `[parts]`; the background is none."""
    large = boxes[:, cv2.CC_STAT_AREA] >= AREA[0] * size[0] * size[1] / 2
    large[0] = False
    return large
