"""Worse pictures: what cameras, lenses, networks and recorders do, each at five graded strengths.

Everything is done to decoded frames, in pixels and grey levels of the detector's input. A picture that is made
smaller while decoding loses noise and blur on the way, so a strength here is more than the same in the original.

Reference: Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
    Perturbations", ICLR 2019: one kind of damage at a time, five strengths each, the mean over strengths. Their
    strengths are made for photographs of 224 pixels, and they have no video; levels, dropped frames and the moved
    camera are ours.
"""

import difflib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vadray.errors import RequestError
from vadray.media.corrupt import blurred, jpeg_coded

STRENGTHS = 5

# uint8 `[n, height, width, 1 or 3]`, the level, the source of chance → the same, damaged
Damage = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
# pictures `[n, height, width, channels]` → frames with their flow, `[n, height, width, input_channels]`
Remeasure = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Corruption:
    """One kind of damage.

    Args:
        damage: Does it.
        levels: What strengths 1 to 5 stand for, mild to severe.
        unit: Of the levels.
        video_only: It makes no sense for single pictures.
    """

    damage: Damage
    levels: tuple[float, float, float, float, float]
    unit: str
    video_only: bool = False


def corruptions_of(kind: str) -> tuple[str, ...]:
    """Names of the corruptions that make sense for a kind of detector, "image" or "video"."""
    return tuple(name for name, one in CORRUPTIONS.items() if kind == "video" or not one.video_only)


def corrupt(
    frames: np.ndarray,
    corruption: str,
    strength: int,
    *,
    channels: int,
    video: str,
    seed: int = 0,
    remeasure: Remeasure | None = None,
) -> np.ndarray:
    """Damages the frames of one video, or any number of images.

    What is left to chance depends on `seed`, the corruption, the video and the strength, and on nothing else: two
    videos differ, two runs do not.

    Args:
        frames: uint8 `[n, height, width, input_channels]`: from the video's first frame on. Not changed.
        corruption: One of `CORRUPTIONS`.
        strength: 1 (mild) to 5 (severe); 0 gives `frames` as they are.
        channels: Channels of the picture, 1 or 3; more are flow.
        video: A name for the frames.
        seed: Of what is left to chance. Defaults to 0.
        remeasure: Measures flow of damaged pictures. Needed where frames carry flow.

    Returns:
        uint8 of the same shape.

    Raises:
        RequestError: An argument is out of its range, or flow cannot be measured.
    """
    chosen = find_corruption(corruption)
    if not 0 <= strength <= STRENGTHS:
        raise RequestError(
            f"Argument `strength` must be from 0 to {STRENGTHS}. Received: strength={strength}"
        )
    if strength == 0:
        return frames
    random = random_of(corruption, video, strength, seed)
    pictures = chosen.damage(frames[..., :channels], chosen.levels[strength - 1], random)
    return complete(pictures, frames, remeasure)


def complete(pictures: np.ndarray, frames: np.ndarray, remeasure: Remeasure | None) -> np.ndarray:
    """Changed pictures as frames: with their own flow where `frames`, as they were before, carry flow.

    Raises:
        RequestError: Frames carry flow and there is nothing to measure it with.
    """
    if pictures.shape == frames.shape:
        return pictures
    if remeasure is None:
        raise RequestError(
            f"Argument `remeasure` must be given where frames carry flow: {frames.shape[-1]} channels, "
            f"{pictures.shape[-1]} of them the picture's. Received: None"
        )
    return remeasure(pictures)


def find_corruption(name: str) -> Corruption:
    """The corruption called `name`.

    Raises:
        RequestError: There is none; the nearest name is suggested.
    """
    if name in CORRUPTIONS:
        return CORRUPTIONS[name]
    near = difflib.get_close_matches(name, CORRUPTIONS, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise RequestError(
        f"Argument `corruption` must be one of {', '.join(CORRUPTIONS)}. Received: {name!r}.{hint}"
    )


def random_of(*names: object) -> np.random.Generator:
    """A source of chance that these names alone decide, on every machine."""
    text = "\0".join(str(name) for name in names)
    return np.random.default_rng(
        np.frombuffer(hashlib.blake2b(text.encode(), digest_size=16).digest(), np.uint32)
    )


def shifted(pictures: np.ndarray, rows: np.ndarray | int, columns: np.ndarray | int) -> np.ndarray:
    """What is seen moves down by `rows` and right by `columns`; the border's pixels are repeated where it left.

    Args:
        pictures: uint8 `[n, height, width, channels]`.
        rows: Whole pixels, one number or `[n]`.
        columns: The same.
    """
    height, width = pictures.shape[1:3]
    result = np.empty_like(pictures)
    for index, (down, right) in enumerate(
        zip(np.broadcast_to(rows, len(pictures)), np.broadcast_to(columns, len(pictures)), strict=True)
    ):
        from_row = np.clip(np.arange(height) - down, 0, height - 1)
        from_column = np.clip(np.arange(width) - right, 0, width - 1)
        result[index] = pictures[index][from_row[:, None], from_column]
    return result


def _noisy(pictures: np.ndarray, sigma: float, random: np.random.Generator) -> np.ndarray:
    result = np.empty_like(pictures)
    for index, picture in enumerate(
        pictures
    ):  # one at a time: floats of a whole video are four times its size
        result[index] = _bytes(picture + sigma * random.standard_normal(picture.shape, np.float32))
    return result


def _blurred(pictures: np.ndarray, sigma_px: float, random: np.random.Generator) -> np.ndarray:
    return blurred(pictures, sigma_px)


def _jpeg(pictures: np.ndarray, quality: float, random: np.random.Generator) -> np.ndarray:
    return jpeg_coded(pictures, int(quality))


def _brighter(pictures: np.ndarray, offset: float, random: np.random.Generator) -> np.ndarray:
    return _by_table(pictures, np.arange(256) + offset)


def _darker(pictures: np.ndarray, gain: float, random: np.random.Generator) -> np.ndarray:
    return _by_table(pictures, np.arange(256) * gain)


def _dropped(pictures: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    """What a recorder shows that lost frames: the last one that it has, for as long as it has no other."""
    count = len(pictures)
    kept = np.arange(count)
    # the first frame has none before it
    kept[1 + random.permutation(max(count - 1, 0))[: round(share * count)]] = 0
    return pictures[np.maximum.accumulate(kept)]


def _moved(pictures: np.ndarray, pixels: float, random: np.random.Generator) -> np.ndarray:
    """A camera that was knocked before the video began: left, right, up or down, by chance."""
    rows, columns = ((0, -1), (0, 1), (-1, 0), (1, 0))[random.integers(4)]
    return shifted(pictures, rows * int(pixels), columns * int(pixels))


def _shaken(pictures: np.ndarray, pixels: float, random: np.random.Generator) -> np.ndarray:
    """A camera in the wind: another shift for every frame, down and right each from -pixels to pixels."""
    shifts = random.integers(-int(pixels), int(pixels) + 1, (len(pictures), 2))
    return shifted(pictures, shifts[:, 0], shifts[:, 1])


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _by_table(pictures: np.ndarray, levels: np.ndarray) -> np.ndarray:
    return _bytes(levels)[pictures]


CORRUPTIONS = {
    "noise": Corruption(_noisy, (2, 5, 10, 20, 40), "grey levels, σ"),
    "blur": Corruption(_blurred, (0.5, 1, 1.5, 2, 3), "px, σ"),
    "jpeg": Corruption(_jpeg, (60, 40, 25, 15, 7), "quality"),
    "brightness": Corruption(_brighter, (10, 20, 30, 45, 60), "grey levels added"),
    "exposure": Corruption(_darker, (0.9, 0.8, 0.65, 0.5, 0.35), "times"),
    "dropped_frames": Corruption(_dropped, (0.05, 0.1, 0.2, 0.3, 0.5), "of the frames", video_only=True),
    "shift": Corruption(_moved, (1, 2, 4, 8, 12), "px, one way"),
    "shake": Corruption(_shaken, (1, 2, 3, 4, 6), "px at most, each frame", video_only=True),
}
