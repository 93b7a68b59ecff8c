"""Cameras that went dark, froze, blurred or were moved are named as such, and make no events."""

import contextlib
import dataclasses
import io
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.running import run
from vadray import cli
from vadray.bundle import open_bundle, recalibrate
from vadray.report.tables import read_commit, read_table
from vadray.sweep.verify import verify
from vadray.synth.scene import scene
from vadray.synth.videos import encode

MINUTES, FPS, SIZE = 12, 2, (96, 64)
FAULTS = {  # of the second night: from minute to minute
    "well": None,
    "dark": (4, 9),
    "frozen": (4, 9),
    "blurred": (4, 11),
    "moved": (6, 12),
    "turned": (0, 12),  # between the nights
}
PATTERN = "pattern=camera={camera}/date={captured_at:%Y-%m-%d/%H%M}.mp4"


def pictures(camera: str, night: int) -> Iterator[np.ndarray]:
    """Twelve minutes of a camera, uint8 `[height, width, 3]` each."""
    number = list(FAULTS).index(camera)
    wide = (SIZE[0] + 12, SIZE[1])
    shown, _ = scene(number, "gate", night, MINUTES * 60 * FPS, FPS, wide, [])
    span = FAULTS[camera] if night == 2 else None
    noise = np.random.default_rng(night)
    held = None
    for frame, picture in enumerate(shown):
        faulty = span is not None and span[0] <= frame / FPS / 60 < span[1]
        left = 12 if faulty and camera in ("moved", "turned") else 0
        picture = np.ascontiguousarray(picture[:, left : left + SIZE[0]])
        if faulty and camera == "dark":
            picture = noise.integers(0, 6, picture.shape, np.uint8)
        if faulty and camera == "frozen":
            held = picture = picture if held is None else held
        if faulty and camera == "blurred":
            picture = cv2.GaussianBlur(picture, (0, 0), 4)
        yield picture


@pytest.fixture(scope="module")
def footage(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("cameras")
    for night in (1, 2):
        for camera in FAULTS:
            path = root / f"camera={camera}" / f"date=2026-11-2{night}" / "0200.mp4"
            encode(path, pictures(camera, night), FPS, SIZE)
    return root


def named(report: Path, sweep_id: str) -> dict[str, list[tuple[str, float, float]]]:
    """By camera what it was, from minute to minute."""
    health = json.loads((report / "_sweeps" / sweep_id / "health.json").read_bytes())
    found: dict[str, list[tuple[str, float, float]]] = {}
    for one in health["stretches"]:
        minutes = [one[side] / 60 for side in ("start_s", "end_s")]
        found.setdefault(one["camera"], []).append((one["condition"], *minutes))
    return found


@pytest.fixture(scope="module")
def nights(footage, bundles, tmp_path_factory):
    """A report of both nights by a bundle to which all but darkness is an anomaly, and what the second sweep said."""
    root = tmp_path_factory.mktemp("nights")
    report, bundle = root / "report", root / "bundle"
    threshold = dataclasses.replace(
        open_bundle(str(bundles["video"])).calibration.default, threshold=0.1, release=0.1
    )
    calibration = dataclasses.replace(open_bundle(str(bundles["video"])).calibration, default=threshold)
    recalibrate(open_bundle(str(bundles["video"])), calibration, str(bundle), {}, False)
    night = ["sweep", str(footage), "--bundle", str(bundle), f"out={report}", PATTERN, "actors=1"]
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        assert cli.main([*night, "sweep_id=one", "until=2026-11-22"]) == 0
        assert cli.main([*night, "sweep_id=two", "since=2026-11-22"]) == 0
    return report, night, said.getvalue()


def test_each_is_named_and_nothing_else_is(nights):
    report, _, said = nights
    assert named(report, "one") == {}, "nothing is wrong in the first night"
    found = named(report, "two")
    expected = {camera: span for camera, span in FAULTS.items() if span}
    assert {camera: [name for name, *_ in spans] for camera, spans in found.items()} == {
        camera: ["moved" if camera == "turned" else camera] for camera in expected
    }
    for camera, span in expected.items():
        assert found[camera][0][1:] == pytest.approx(span, abs=0.5), camera
    assert "camera dark: dark for 5 min; what it shows then makes no events" in said


def test_what_they_show_then_makes_no_events_and_is_counted(nights):
    report, _, _ = nights
    frames = read_table(str(report), "frames", "two").to_pylist()
    for camera, span in FAULTS.items():
        own = [row for row in frames if row["camera"] == camera]
        assert len(own) == MINUTES * 60 * FPS, "every frame has its score all the same"
        if span:
            within = [row for row in own if span[0] * 60 + 30 <= row["time_s"] < span[1] * 60 - 30]
            assert within and not any(row["anomalous"] for row in within), camera
            well = [row for row in own if not span[0] * 60 - 30 <= row["time_s"] < span[1] * 60 + 30]
            assert all(row["anomalous"] for row in well), camera
    commit = read_commit(str(report), "two")
    assert commit["dropped"] == {"camera moved": 1}, "all of one camera; of the others something is left"
    assert commit["health"]["turned"] == {"moved": pytest.approx(MINUTES * 60, abs=30)}
    assert verify(str(report), "two")["faults"] == []


def test_the_page_and_sql_tell_of_them(nights, capsys):
    report, _, _ = nights
    page = (report / "report-two.html").read_text()
    assert "Cameras that need a look" in page and "hardly any light" in page
    assert "camera moved 1." in page and 'id="drift"' in page
    assert "Cameras that need a look" not in (report / "report-one.html").read_text()
    _, told, _ = run(
        capsys, "query", report, "SELECT camera, condition, started_at FROM health ORDER BY camera"
    )
    assert {(row["camera"], row["condition"]) for row in told["data"]} >= {
        ("dark", "dark"),
        ("turned", "moved"),
    }
    began = next(row["started_at"] for row in told["data"] if row["camera"] == "dark")
    assert began.startswith("2026-11-22T02:04")
    _, told, _ = run(
        capsys,
        "query",
        report,
        "SELECT camera, hour, frames, fps, brightness FROM cameras WHERE sweep = 'one'",
    )
    assert {row["hour"] for row in told["data"]} == {2} and len(told["data"]) == len(FAULTS)
    assert all(row["fps"] == pytest.approx(FPS, rel=0.01) for row in told["data"])


def test_without_earlier_nights_a_camera_is_compared_with_itself(nights, tmp_path, capsys):
    _, night, _ = nights
    alone = [word for word in night if not word.startswith("out=")] + [f"out={tmp_path / 'report'}"]
    assert run(capsys, *alone, "sweep_id=two", "since=2026-11-22")[0] == 0
    found = {camera: spans[0][0] for camera, spans in named(tmp_path / "report", "two").items()}
    assert found == {camera: camera for camera, span in FAULTS.items() if span and camera != "turned"}


def test_it_can_be_left_out(nights, tmp_path, capsys):
    _, night, _ = nights
    alone = [word for word in night if not word.startswith("out=")] + [f"out={tmp_path / 'report'}"]
    words = ("sweep_id=two", "since=2026-11-22", "cameras=turned", "health=false")
    assert run(capsys, *alone, *words)[0] == 0
    assert not (tmp_path / "report" / "_sweeps" / "two" / "health.json").exists()
    frames = read_table(str(tmp_path / "report"), "frames", "two").to_pylist()
    assert frames and all(row["anomalous"] for row in frames), "one long anomaly, then"
