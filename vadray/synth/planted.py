"""Anomalies planted in real recordings, to choose detectors and settings by before there is any label.

Of the recordings of a fixed camera, all normal, every second one is left as it is, to train on. In clips of the others an
object that was cut out of another recording comes in at the border and goes through the picture, behind who stands nearer to
the camera: somebody walks too fast, is too large, too broad, walks backwards, stops where nobody does; somebody glides, whose legs
stand still, as on a board; or a shape that is nobody moves as somebody would. One clip of each recording has such an object at its
own pace, and is normal: what only answers to pasting is found out by it.

    OUT/train/…                as in the base
    OUT/test/NAME-fast.mp4     and so on; labels.json says where, frame by frame
"""

import shutil
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from vadray.archive.listing import VIDEO_SUFFIXES
from vadray.calibration.events import runs
from vadray.errors import RequestError
from vadray.synth.drawing import Box
from vadray.synth.movers import MARGIN, Cutout, Track, background_of, feet, tracks
from vadray.synth.videos import encode, truth_of

NORMAL = "normal"
KINDS = ("fast", "gliding", "large", "broad", "foreign", "backwards", "halted", NORMAL)
FRAMES = 300  # of a clip
LEAST_FRAMES = 40
WIDTH = 480  # of a clip at most, in pixels
SEEN = 0.5  # opacity from which on a pixel is the object's
LEAST_SEEN = 30  # pixels of it that must be in the picture for a frame to be anomalous

Look = tuple[np.ndarray, np.ndarray]  # picture and opacity


def write_planted(base: str | Path, root: Path, seed: int) -> dict[str, Any]:
    """Writes both halves; returns the clips' truth, as `synth.read_truth` gives it.

    Args:
        base: Folder of videos of one fixed camera, all normal.
        root: Folder to write to.
        seed: Of all that is drawn at random.

    Raises:
        RequestError: There are fewer than four videos, or nothing in them can be followed.
    """
    base = Path(base).absolute()
    videos = sorted(path for path in base.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
    if len(videos) < 4:
        raise RequestError(f"base: expected a folder of at least 4 videos, found {len(videos)} in {base}")
    for path in videos[::2]:
        copy = root / "train" / path.relative_to(base)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    clips = {path: read_clip(path) for path in videos[1::2]}
    clips = {path: clip for path, clip in clips.items() if len(clip[0]) >= LEAST_FRAMES}
    backgrounds = {path: background_of(pictures) for path, (pictures, _) in clips.items()}
    movers = {path: tracks(pictures, backgrounds[path]) for path, (pictures, _) in clips.items()}
    truth = {}
    for number, (path, (pictures, fps)) in enumerate(clips.items()):
        # of the same size, as recordings of one camera are
        donors = [
            track
            for other, found in movers.items()
            if other != path and clips[other][0].shape[1:] == pictures.shape[1:]
            for track in found
        ]
        if not donors:
            continue
        standing = feet(pictures, backgrounds[path])
        for place, kind in enumerate(KINDS):
            random = np.random.default_rng([seed, 5, number, place])
            track = donors[random.integers(len(donors))]
            planted, boxes = plant(pictures, standing, track, kind, random)
            name = "-".join(path.relative_to(base).with_suffix("").parts)
            file = root / "test" / f"{name}-{kind}.mp4"
            encode(file, iter(planted), fps, (planted.shape[2], planted.shape[1]))
            flags = np.isin(np.arange(len(planted)), list(boxes))
            events = [
                (kind, start, [boxes[at] for at in range(start, end + 1)]) for start, end in runs(flags)
            ]
            truth[file.relative_to(root).as_posix()] = truth_of(len(planted), events)
    if not truth:
        raise RequestError(
            f"base: expected videos in which something that moves alone can be followed for 20 frames, found none in {base}"
        )
    return truth


def plant(
    pictures: np.ndarray, standing: np.ndarray, track: Track, kind: str, random: np.random.Generator
) -> tuple[np.ndarray, dict[int, Box]]:
    """Lets an object go through a clip.

    Args:
        pictures: uint8 `[n, height, width, 3]`, left as they are.
        standing: Of `movers.feet`, of the same pictures. Who stands lower in the picture hides the object.
        track: Of `movers.tracks`, of a recording of the same camera. The object comes in at the border, in the direction
            and at the height of the track; where the track ends it goes on as fast, and its pictures are gone through
            there and back.
        kind: One of `KINDS`.
        random: Draws when it comes, its pace, its size and its shape.

    Returns:
        The clip, and by frame the box (left, top, width, height) of what is anomalous.
    """
    planted, boxes = pictures.copy(), {}
    count = len(pictures)
    pace = {
        "fast": random.uniform(1.5, 2.8),
        "gliding": random.uniform(1.2, 2.2),
        "large": random.uniform(1.0, 1.8),
        "backwards": -1.0,
    }.get(kind, 1.0)
    scale = {"large": (random.uniform(1.7, 2.5),) * 2, "broad": (random.uniform(1.6, 2.2), 0.9)}.get(
        kind, (1.0, 1.0)
    )
    pace *= random.uniform(0.9, 2.2) if kind == "foreign" else 1.0
    shape = _shape(random, track) if kind == "foreign" else None
    mirrored = random.random() < 0.5
    begins = int(random.integers(count // 10, max(count // 3, count // 10 + 1)))
    last = len(track) - 1
    speed_x, speed_y = (
        np.polyfit(range(len(track)), [getattr(one, axis) for one in track], 1)[0] for axis in "xy"
    )
    first = track[0] if pace > 0 else track[-1]
    half = first.picture.shape[1] * scale[0] / 2
    begins_x = -half if speed_x * pace > 0 else pictures.shape[2] + half
    # where it stops is in the picture, and some of the clip is left then
    halts = np.clip(
        (random.uniform(0.3, 0.7) * pictures.shape[2] + half) / abs(speed_x), 0, (count - begins) // 2
    )
    for frame in range(begins, count):
        way = (frame - begins) * pace
        if kind == "halted":
            way = min(way, halts)
        place = last // 2 if kind == "gliding" else int(abs(way)) % (2 * last)
        place = place if place <= last else 2 * last - place
        one = track[place if pace > 0 else last - place]
        x, y = begins_x + speed_x * way, first.y + speed_y * np.clip(way, -last, last)
        picture, opacity, left, top = _placed(*_look(one, x, y, shape, scale))
        if mirrored:
            picture, opacity = picture[:, ::-1], opacity[:, ::-1]
            left = planted.shape[2] - left - picture.shape[1]
        nearer = standing[frame] > top + picture.shape[0] - 1 - MARGIN
        box = _paste(planted[frame], picture, opacity, left, top, nearer)
        if box is not None and kind != NORMAL and not (kind == "halted" and way < halts):
            boxes[frame] = box
    return planted, boxes


def _look(
    one: Cutout, x: float, y: float, shape: Look | None, scale: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Picture, opacity, left and top of the object, or of the shape in its place, whose centre is at x, y.

    It is scaled across and down by `scale`, and stands where it stood.
    """
    if shape is None:
        picture, opacity = one.picture, one.opacity
        left, top = x - (one.x - one.left), y - (one.y - one.top)
    else:
        picture, opacity = shape
        left, top = x - picture.shape[1] / 2, y - picture.shape[0] / 2
    if scale != (1.0, 1.0):
        foot = top + picture.shape[0]
        size = (max(1, round(picture.shape[1] * scale[0])), max(1, round(picture.shape[0] * scale[1])))
        picture, opacity = cv2.resize(picture, size), cv2.resize(opacity, size)
        left, top = x - size[0] / 2, foot - size[1]
    return picture, opacity, left, top


def _placed(
    picture: np.ndarray, opacity: np.ndarray, left: float, top: float
) -> tuple[np.ndarray, np.ndarray, int, int]:
    """The same on whole pixels, a column and a row larger: what moves a third of a pixel a frame does so evenly."""
    whole = int(np.floor(left)), int(np.floor(top))
    shift = np.array([[1, 0, left - whole[0]], [0, 1, top - whole[1]]])
    size = (opacity.shape[1] + 1, opacity.shape[0] + 1)
    picture = cv2.warpAffine(picture, shift, size, borderMode=cv2.BORDER_REPLICATE)
    return picture, cv2.warpAffine(opacity, shift, size), *whole


def _shape(random: np.random.Generator, track: Track) -> Look:
    """A textured rectangle or ellipse about as large as the object."""
    high = max(6, round(track[0].picture.shape[0] * random.uniform(0.6, 1.3)))
    wide = max(6, round(high * random.uniform(0.6, 1.8)))
    texture = cv2.GaussianBlur(
        random.normal(size=(high, wide)).astype(np.float32), (0, 0), random.choice([0.6, 1.5, 3.0])
    )
    texture = random.uniform(30, 220) + random.uniform(10, 45) * texture / max(texture.std(), 1e-6)
    opacity = np.ones((high, wide), np.float32)
    if random.random() < 0.5:
        rows, columns = np.mgrid[:high, :wide]
        inside = ((rows + 0.5) / high - 0.5) ** 2 + ((columns + 0.5) / wide - 0.5) ** 2 < 0.25
        opacity = inside.astype(np.float32)
    grey = np.clip(texture, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2), cv2.GaussianBlur(opacity, (3, 3), 0)


def _paste(
    picture: np.ndarray, cutout: np.ndarray, opacity: np.ndarray, left: int, top: int, nearer: np.ndarray
) -> Box | None:
    """Lays a cutout over a picture, in place, but for where somebody is nearer, bool `[height, width]`.

    Returns:
        The box of what is seen of it, or None where that is next to nothing.
    """
    height, width = picture.shape[:2]
    rows = slice(max(0, top), min(height, top + cutout.shape[0]))
    columns = slice(max(0, left), min(width, left + cutout.shape[1]))
    if rows.stop <= rows.start or columns.stop <= columns.start:
        return None
    own = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
    visible = opacity[own] * (1 - cv2.GaussianBlur(nearer[rows, columns].astype(np.float32), (3, 3), 0))
    share = visible[..., None]
    picture[rows, columns] = np.rint(share * cutout[own] + (1 - share) * picture[rows, columns])
    seen = visible > SEEN
    if seen.sum() < LEAST_SEEN:
        return None
    across, down = np.flatnonzero(seen.any(axis=0)), np.flatnonzero(seen.any(axis=1))
    return (
        columns.start + int(across[0]),
        rows.start + int(down[0]),
        int(across[-1] - across[0]) + 1,
        int(down[-1] - down[0]) + 1,
    )


def read_clip(path: Path) -> tuple[np.ndarray, int]:
    """The first frames of a video, uint8 `[n, height, width, 3]` BGR of at most `WIDTH` columns, and its frames a second."""
    pictures = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        shrink = min(1.0, WIDTH / stream.width)
        width, height = (max(2, round(side * shrink / 2) * 2) for side in (stream.width, stream.height))
        fps = max(1, round(float(stream.average_rate or 25)))
        for frame in container.decode(stream):
            pictures.append(frame.reformat(width, height, format="bgr24", interpolation="AREA").to_ndarray())
            if len(pictures) == FRAMES:
                break
    return np.array(pictures, np.uint8), fps
