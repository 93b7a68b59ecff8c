"""Small labelled sets, made on the spot of real files, and the real ones where they are at hand."""

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest


@pytest.fixture
def real_set() -> Callable[[str], str]:
    """Path of a real labelled set by its name, in `VADRAY_TEST_DATA`, or `shared/data` beside the checkout."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("VADRAY_TEST_DATA", beside))

    def find(name: str) -> str:
        if not (folder / name).is_dir():
            pytest.skip(f"needs the labelled set {name} in {folder} (set VADRAY_TEST_DATA)")
        return str(folder / name)

    return find


def write_picture(path: Path, pixels: np.ndarray) -> None:
    """Writes uint8 `[rows, columns]`, in the format that the suffix says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


def touch(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")


def mask_of(*pixels: tuple[int, int], shape: tuple[int, int] = (4, 6)) -> np.ndarray:
    """A mask, bool, with these pixels."""
    mask = np.zeros(shape, dtype=bool)
    for row, column in pixels:
        mask[row, column] = True
    return mask
