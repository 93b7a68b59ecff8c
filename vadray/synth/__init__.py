"""A small synthetic archive with ground truth, for the demo and the tests.

Two fixed cameras, `gate` and `dock`, see people walk slowly along lanes; a third, `line`, photographs a
woven surface. The `train/` half is normal. In the `test/` half anomalies are planted, and `labels.json` says
where:

    OUT/train/camera=gate/gate-000.mp4      OUT/test/camera=gate/gate-100.mp4
    OUT/train/camera=dock/dock-001.mp4      OUT/test/camera=gate/damaged.mp4
    OUT/train/camera=line/part-kfmbahod.jpg OUT/test/camera=line/part-cgnojeha.jpg

The same arguments give the same bytes on one machine (the H.264 encoder runs on one thread).
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vadray.errors import RequestError
from vadray.synth.planted import write_planted
from vadray.synth.surfaces import write_images
from vadray.synth.videos import write_videos

LABELS = "labels.json"


@dataclass(frozen=True)
class SynthArchive:
    """Where the archive lies: its root, the normal half, the half with anomalies, and their truth."""

    root: Path
    train: Path
    test: Path
    labels: Path


def synthesise(
    out: str | Path,
    *,
    seed: int = 0,
    normal_videos: int = 6,
    test_videos: int = 4,
    seconds: float = 20,
    fps: int = 10,
    size: tuple[int, int] = (192, 128),
    normal_images: int = 80,
    test_images: int = 30,
    kind: Literal["both", "video", "image"] = "both",
) -> SynthArchive:
    """Write the archive and its `labels.json` under `out`.

    Args:
        out: Folder to write to; made when absent.
        seed: Changes scenes, walkers, anomalies and defects.
        normal_videos: Videos under `train/`, alternating between the cameras gate and dock.
        test_videos: Videos under `test/`. From two on, the last is `damaged.mp4`: its file ends before its
            index does. Every fourth of the others is normal.
        seconds: Length of each video, at least 4.
        fps: Frames per second.
        size: Width and height of the videos in pixels, even, at least 64.
        normal_images: Images under `train/`, 128x128.
        test_images: Images under `test/`; two of five have a scratch, a hole or a stain.
        kind: `video` or `image` writes that half alone.

    Raises:
        RequestError: a figure out of range.
    """
    if kind not in ("both", "video", "image"):
        raise RequestError(f"`kind`: expected 'both', 'video' or 'image'. Received: {kind!r}")
    if seconds < 4 or fps < 1:
        raise RequestError(f"`seconds`, `fps`: expected at least 4 and 1. Received: {seconds}, {fps}")
    if min(size) < 64 or size[0] % 2 or size[1] % 2:
        raise RequestError(f"`size`: expected an even width and height of at least 64. Received: {size}")
    root = Path(out).absolute()
    clips: dict[str, Any] = {}
    images: dict[str, Any] = {}
    if kind != "image":
        clips = write_videos(root, seed, normal_videos, test_videos, round(seconds * fps), fps, size)
    if kind != "video":
        images = write_images(root, seed, normal_images, test_images)
    _write_truth(root, "Synthetic.", clips, images)
    return SynthArchive(root, root / "train", root / "test", root / LABELS)


def plant_in(base: str | Path, out: str | Path, *, seed: int = 0) -> SynthArchive:
    """Writes an archive of real recordings with planted anomalies; see `synth.planted`.

    Args:
        base: Folder of videos of one fixed camera, all normal.
        out: Folder to write to; made when absent.
        seed: Changes which objects are planted where.

    Raises:
        RequestError: There are too few videos, or nothing in them can be followed.
    """
    root = Path(out).absolute()
    clips = write_planted(base, root, seed)
    _write_truth(root, "Planted anomalies.", clips, {})
    return SynthArchive(root, root / "train", root / "test", root / LABELS)


def read_truth(out: str | Path) -> dict[str, Any]:
    """The archive's `labels.json`: `clips` and `images`, keyed by path relative to `out`.

    A clip is `{"frames", "anomalous": [[first, last], …], "events": [{"start_frame", "end_frame", "kind",
    "box", "boxes"}, …]}`, an image `{"anomalous", "kind", "box"}` (kind and box null when normal).

    Raises:
        RequestError: `out` holds no `labels.json`.
    """
    path = Path(out) / LABELS
    if not path.is_file():
        raise RequestError(f"`out`: expected a folder with a {LABELS}. Received: {str(out)!r}")
    return json.loads(path.read_text())


def _write_truth(root: Path, what: str, clips: dict[str, Any], images: dict[str, Any]) -> None:
    truth = {
        "note": f"{what} Frames are counted from 0 and ranges include both ends; a box is x, y, width, "
        "height in pixels, `box` around the whole event and `boxes` frame by frame.",
        "clips": clips,
        "images": images,
    }
    root.mkdir(parents=True, exist_ok=True)
    (root / LABELS).write_text(json.dumps(truth, indent=1, sort_keys=True) + "\n")
