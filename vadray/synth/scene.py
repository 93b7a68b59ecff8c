"""A fixed camera over a pavement: people who walk, light that drifts, and at times what does not belong."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from vadray.synth.drawing import Box, Colour, ellipse

CAMERAS = ("gate", "dock")


@dataclass(frozen=True)
class Anomaly:
    """Something that does not belong, from frame `start` to `end` inclusive, at the height `lane_y`."""

    kind: str
    start: int
    end: int
    lane_y: float


def scene(
    seed: int,
    camera: str,
    stream: int,
    frames: int,
    fps: int,
    size: tuple[int, int],
    anomalies: list[Anomaly],
) -> tuple[Iterator[np.ndarray], Callable[[Anomaly, int], Box]]:
    """The pictures (uint8 `[height, width, 3]`, BGR) and the box of an anomaly at a frame."""
    rng = np.random.default_rng([seed, 2, CAMERAS.index(camera), stream])
    background = _background(seed, camera, size)
    walkers = [Walker(rng, size) for _ in range(int(rng.integers(3, 6)))]
    gain, period_s, phase = rng.uniform(0.97, 1.03), rng.uniform(15, 40), rng.uniform(0, 2 * math.pi)

    def boxes(anomaly: Anomaly, frame: int) -> Box:
        x, y, width, height = _anomaly_place(anomaly, frame, fps, size)
        left, top = max(0, math.floor(x - width / 2)), max(0, math.floor(y - height / 2))
        right, bottom = min(size[0], math.ceil(x + width / 2)), min(size[1], math.ceil(y + height / 2))
        return left, top, right - left, bottom - top

    def pictures() -> Iterator[np.ndarray]:
        for frame in range(frames):
            time_s = frame / fps
            light = gain * (1 + 0.03 * math.sin(2 * math.pi * time_s / period_s + phase))
            picture = np.clip(background * light, 0, 255).astype(np.uint8)
            for walker in walkers:
                walker.draw(picture, time_s)
            for anomaly in anomalies:
                if anomaly.start <= frame <= anomaly.end:
                    _draw_anomaly(picture, anomaly, frame, fps, size)
            noise = rng.normal(0, 2.0, picture.shape[:2]).astype(np.float32)
            yield np.clip(picture + noise[..., None], 0, 255).astype(np.uint8)

    return pictures(), boxes


def _background(seed: int, camera: str, size: tuple[int, int]) -> np.ndarray:
    """A wall above a pavement: float32 `[height, width, 3]`, the same for all videos of a camera."""
    rng = np.random.default_rng([seed, 1, CAMERAS.index(camera)])
    width, height = size
    picture = np.full((height, width), 118.0, np.float32)
    picture[: int(0.32 * height)] = 84.0
    for cells, strength in ((6, 14.0), (24, 9.0)):
        coarse = rng.normal(0, strength, (cells, cells)).astype(np.float32)
        picture += cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    for _ in range(5):  # doors and windows in the wall
        x, door = int(rng.integers(0, width - 16)), int(rng.integers(8, 20))
        cv2.rectangle(
            picture, (x, int(0.12 * height)), (x + door, int(0.3 * height)), float(rng.integers(55, 110)), -1
        )
    for lane in np.linspace(0.42, 0.95, 4):
        cv2.line(picture, (0, int(lane * height)), (width, int(lane * height)), 140.0, 1)
    tint = np.array([1.04, 1.0, 0.95] if camera == "gate" else [0.95, 1.0, 1.05], np.float32)
    return picture[..., None] * tint


class Walker:
    """A person who walks along a lane and, out of sight, comes back."""

    def __init__(self, rng: np.random.Generator, size: tuple[int, int]):
        self.width, self.height = size
        self.y = self.height * rng.choice([0.5, 0.62, 0.74, 0.86]) + rng.normal(0, 1.5)
        self.speed = self.width * rng.uniform(0.04, 0.08) * rng.choice([-1, 1])  # pixels a second
        self.offset = rng.uniform(0, 1.3 * self.width)
        self.tall = self.height * rng.uniform(0.12, 0.16)
        tone = int(rng.choice([rng.integers(35, 70), rng.integers(165, 195)]))
        self.colour: Colour = (tone, int(tone * rng.uniform(0.9, 1.0)), int(tone * rng.uniform(0.85, 1.0)))

    def draw(self, picture: np.ndarray, time_s: float) -> None:
        x = (self.offset + self.speed * time_s) % (1.3 * self.width) - 0.15 * self.width
        sway = math.sin(2 * math.pi * 1.1 * time_s + self.offset)
        ellipse(picture, x, self.y, self.tall * 0.2, self.tall * 0.42, self.colour)
        ellipse(picture, x, self.y - self.tall * 0.5, self.tall * 0.13, self.tall * 0.13, self.colour)
        ellipse(
            picture, x + 1.5 * sway, self.y + self.tall * 0.4, self.tall * 0.12, self.tall * 0.2, self.colour
        )


def _anomaly_place(
    anomaly: Anomaly, frame: int, fps: int, size: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Centre x and y, width and height at a frame."""
    width, height = size
    since_s = (frame - anomaly.start) / fps
    if anomaly.kind == "cyclist":  # ten times a walker's pace, to and fro
        sweep = (since_s * 0.6) % 1.8
        along = sweep if sweep <= 0.9 else 1.8 - sweep
        return width * (0.05 + along), anomaly.lane_y, 0.13 * width, 0.17 * height
    if anomaly.kind == "cart":  # comes in from the left and backs out again
        half_s = (anomaly.end - anomaly.start) / fps / 2
        along = 1 - abs(since_s - half_s) / half_s if half_s else 1.0
        return width * (-0.02 + 0.4 * along), anomaly.lane_y, 0.3 * width, 0.26 * height
    return width * 0.62, anomaly.lane_y, 0.09 * width, 0.18 * height


def _draw_anomaly(picture: np.ndarray, anomaly: Anomaly, frame: int, fps: int, size: tuple[int, int]) -> None:
    x, y, width, height = _anomaly_place(anomaly, frame, fps, size)
    if anomaly.kind == "cyclist":
        for side in (-0.3, 0.3):
            ellipse(picture, x + side * width, y + 0.28 * height, 0.2 * width, 0.22 * height, (20, 20, 20))
        ellipse(picture, x, y, 0.32 * width, 0.16 * height, (225, 235, 235))
        ellipse(picture, x + 0.05 * width, y - 0.25 * height, 0.14 * width, 0.25 * height, (235, 240, 225))
    elif anomaly.kind == "cart":
        left, right = round(x - width / 2), round(x + width / 2)
        top, bottom = round(y - height / 2), round(y + 0.38 * height)
        cv2.rectangle(picture, (left, top), (right, bottom), (215, 225, 230), -1)
        cv2.rectangle(picture, (left, top), (right, round(y - 0.1 * height)), (150, 120, 60), -1)
        for side in (-0.32, 0.32):
            ellipse(picture, x + side * width, y + 0.36 * height, 0.12 * width, 0.14 * height, (25, 25, 25))
    else:  # somebody on the wall, with a lamp that flashes twice a second
        lit = int((frame - anomaly.start) / fps * 4) % 2 == 0
        ellipse(picture, x, y, 0.3 * width, 0.5 * height, (210, 215, 220) if lit else (30, 30, 30))
        ellipse(
            picture,
            x,
            y - 0.25 * height,
            0.5 * width,
            0.22 * height,
            (250, 250, 250) if lit else (40, 40, 40),
        )
