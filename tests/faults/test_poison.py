"""Files that kill, hang or swell whatever decodes them: each ends as a row with its reason, and nothing else is lost."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import cv2
import numpy as np
import psutil
import pytest
from rich.console import Console

from tests.faults.fuzz_files import picture
from tests.faults.material import untrained_bundles
from vadray.config import SweepOptions
from vadray.report import tables
from vadray.sweep import driver, request
from vadray.sweep.progress import Progress
from vadray.sweep.verify import verify

FRAMES = 400  # read while it is scored, so that the file stays open for long enough to be caught


def stream(path: Path) -> None:
    """A video without an index: one unit, in hand from its beginning to its end."""
    with av.open(str(path), "w", format="mpegts") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number in range(FRAMES):
            pixels = np.full((240, 320, 3), number % 200, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode())


@contextmanager
def whoever_reads(path: Path, strike: Callable[[psutil.Process], None]) -> Iterator[list[int]]:
    """Strikes every decoder that has `path` open, as a file would that it cannot bear; gives those it struck."""
    struck: list[int] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.005):
            for process in psutil.process_iter(["cmdline"]):
                if "vadray.media.child" in (process.info["cmdline"] or []) and process.pid not in struck:
                    try:
                        opened = {os.readlink(entry) for entry in os.scandir(f"/proc/{process.pid}/fd")}
                        if str(path) in opened:
                            struck.append(process.pid)
                            strike(process)
                    except (OSError, psutil.NoSuchProcess):
                        continue  # it has ended by itself, or closed the file while it was looked at

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield struck
    finally:
        over.set()
        watching.join()


def sweep(archive: Path, report: Path, bundles: list[str], name: str, **more) -> dict[str, dict]:
    options = SweepOptions(
        archive=str(archive), bundle=bundles, out=str(report), sweep_id=name, unit_frames=4, actors=2,
        decode_timeout_s=5, decode_memory_mib=256, clips=False, **more,
    )  # fmt: skip
    console = Console(stderr=True)
    driver.sweep(request.prepare(options), driver.Voice(console.print, Progress(console)))
    assert verify(str(report), name)["faults"] == []
    rows = tables.read_table(str(report), "objects", name).to_pylist()
    return {Path(row["object_uri"]).name: row for row in rows}


def test_each_poison_is_a_row_and_nothing_else_is_lost(cluster, tmp_path):
    bundles = untrained_bundles(tmp_path / "bundles")
    archive = tmp_path / "archive"
    archive.mkdir()
    for name in ("crash.ts", "hang.ts", "fine.ts"):
        stream(archive / name)
    for number in range(6):
        (archive / f"fine-{number}.jpg").write_bytes(picture("jpg"))
    # 0.4 MB that are 400 MB when decoded, in one unit with the other pictures
    (archive / "bomb.png").write_bytes(cv2.imencode(".png", np.zeros((20_000, 20_000), np.uint8))[1])
    with (
        whoever_reads(archive / "crash.ts", lambda one: one.send_signal(signal.SIGSEGV)) as crashed,
        whoever_reads(archive / "hang.ts", lambda one: one.suspend()),
    ):
        rows = sweep(archive, tmp_path / "report", bundles, "first")
    assert {name: rows[name]["error_type"] for name in ("crash.ts", "hang.ts", "bomb.png")} == {
        "crash.ts": "DecoderCrashed",
        "hang.ts": "DecoderTimeout",
        "bomb.png": "TooLarge",
    }
    assert len(crashed) >= 2, "it was tried more than once"
    assert all(rows[name]["status"] in ("partial", "quarantined") for name in ("crash.ts", "hang.ts"))
    fine = {name: row for name, row in rows.items() if name.startswith("fine")}
    assert len(fine) == 7 and {row["status"] for row in fine.values()} == {"scored"}
    assert rows["fine.ts"]["frames_scored"] == FRAMES

    again = sweep(archive, tmp_path / "report", bundles, "second", retry_quarantined=True)
    for name, row in rows.items():
        expected = "quarantined" if name == "bomb.png" else "scored"
        assert again[name]["status"] == (expected if row["status"] == "quarantined" else "unchanged")


@pytest.mark.soak
def test_a_file_that_takes_the_whole_worker_along_is_given_up(cluster, tmp_path):
    bundles = untrained_bundles(tmp_path / "bundles")
    archive = tmp_path / "archive"
    archive.mkdir()
    for name in ("deadly.ts", "fine.ts"):
        stream(archive / name)
    with whoever_reads(archive / "deadly.ts", lambda one: one.parent().kill()) as struck:
        rows = sweep(archive, tmp_path / "report", bundles, "night")
    assert len(struck) == 4
    assert rows["deadly.ts"]["error_type"] == "WorkerDied" and "4 times" in rows["deadly.ts"]["error"]
    assert rows["fine.ts"]["status"] == "scored" and rows["fine.ts"]["frames_scored"] == FRAMES
