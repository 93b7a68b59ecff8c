"""The images of the synthetic archive: a woven surface, sound or with a defect."""

import hashlib
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vadray.synth.drawing import Box, ellipse

IMAGE_SIZE = 128  # pixels


def write_images(root: Path, seed: int, normal: int, test: int) -> dict[str, Any]:
    for index in range(normal):
        rng = np.random.default_rng([seed, 4, index])
        _write_jpeg(root / "train" / "camera=line" / _part_name(seed, "train", index), _surface(rng))
    truth = {}
    for index in range(test):
        rng = np.random.default_rng([seed, 5, index])
        picture = _surface(rng)
        defect = ("scratch", "hole", "stain")[(index // 5 * 2 + index % 5) % 3] if index % 5 < 2 else None
        box = _spoil(picture, defect, rng) if defect else None
        path = root / "test" / "camera=line" / _part_name(seed, "test", index)
        _write_jpeg(path, picture)
        truth[path.relative_to(root).as_posix()] = {
            "anomalous": defect is not None,
            "kind": defect,
            "box": box,
        }
    return truth


def _part_name(seed: int, half: str, index: int) -> str:
    """A name of letters alone: numbered images alone in a folder would be taken for the frames of a clip."""
    digest = hashlib.blake2b(f"{seed}/{half}/{index}".encode(), digest_size=4).hexdigest()
    return f"part-{digest.translate(str.maketrans('0123456789abcdef', 'abcdefghijklmnop'))}.jpg"


def _surface(rng: np.random.Generator) -> np.ndarray:
    """A woven surface under slightly uneven light: float32 grey `[128, 128]`."""
    y, x = np.mgrid[0:IMAGE_SIZE, 0:IMAGE_SIZE].astype(np.float32)
    shift_x, shift_y = rng.uniform(0, 8, 2)
    weave = np.sin(2 * np.pi * (x + shift_x) / 8) * np.sin(2 * np.pi * (y + shift_y) / 8)
    slope = rng.uniform(-0.06, 0.06, 2)
    light = 128 + rng.normal(0, 3) + slope[0] * (x - IMAGE_SIZE / 2) + slope[1] * (y - IMAGE_SIZE / 2)
    return (light + 22 * weave + rng.normal(0, 3.0, x.shape)).astype(np.float32)


def _spoil(picture: np.ndarray, kind: str, rng: np.random.Generator) -> Box:
    """Draw a defect into the picture, in place; returns its box."""
    mask = np.zeros(picture.shape, np.float32)
    x, y = rng.uniform(0.25, 0.75, 2) * IMAGE_SIZE
    if kind == "scratch":
        angle, half = rng.uniform(0, math.pi), rng.uniform(18, 32)
        ends = [
            (round(x + sign * half * math.cos(angle)), round(y + sign * half * math.sin(angle)))
            for sign in (-1, 1)
        ]
        cv2.line(mask, ends[0], ends[1], 1.0, 3, cv2.LINE_AA)
        tone = 235.0
    elif kind == "hole":
        ellipse(mask, x, y, rng.uniform(6, 11), rng.uniform(6, 11), 1.0)
        tone = 12.0
    else:
        ellipse(mask, x, y, rng.uniform(14, 20), rng.uniform(10, 16), 1.0)
        mask = cv2.GaussianBlur(mask, (0, 0), 3) * 0.75
        tone = 45.0
    picture += mask * (tone - picture)
    rows, columns = np.nonzero(mask > 0.15)
    left, top = int(columns.min()), int(rows.min())
    return left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top


def _write_jpeg(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded, data = cv2.imencode(
        ".jpg", np.clip(picture, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 92]
    )
    if not encoded:
        raise OSError(f"OpenCV could not encode a JPEG for {path}")
    path.write_bytes(data.tobytes())
