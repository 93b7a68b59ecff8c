"""Night after night on one archive: what is new, what came late, a range of dates again, and a report that stays small."""

import json
import shutil
from collections import Counter
from pathlib import Path

import duckdb
import pytest

from tests.integration.test_sweep import run
from vadray import cli
from vadray.report import tables
from vadray.sweep.verify import verify

LINE = 70  # units enough for two parts


def place(archive, root: Path, camera: str, day: int, name: str = "0000") -> None:
    """A recording of a camera and a day, as the sources name them."""
    target = root / f"camera={camera}" / f"date=2026-11-{day:02}" / f"{name}.mp4"
    target.parent.mkdir(parents=True, exist_ok=True)
    recordings = sorted((archive.root / "test").rglob("*.mp4"))
    shutil.copy(recordings[len(list(root.rglob("*.mp4"))) % len(recordings)], target)


@pytest.fixture(scope="module")
def nights(archive, bundles, tmp_path_factory):
    """A report whose first sweep took `gate` until the 20th, `yard` until the 10th, and a line of 70 pictures."""
    root = tmp_path_factory.mktemp("nights")
    picture = next(
        path for path in sorted((archive.root / "test").rglob("*.*")) if path.suffix in (".png", ".jpg")
    )
    line = root / "archive" / "camera=line" / "date=2026-11-20"
    line.mkdir(parents=True)
    for number in range(LINE):
        shutil.copy(picture, line / f"part-{number * 2:03}.png")
    place(archive, root / "archive", "gate", 19)
    place(archive, root / "archive", "gate", 20)
    place(archive, root / "archive", "yard", 10)
    report = root / "report"
    words = [f"archive={root / 'archive'}", f"out={report}", "unit_images=1"]
    words += [word for bundle in bundles.values() for word in ("--bundle", str(bundle))]
    assert cli.main(["sweep", *words, "sweep_id=first", "actors=2"]) == 0
    return root / "archive", report, words


@pytest.fixture
def planned(nights, capsys):
    """Plans with more words; gives objects by what would be done with them, and how many are left out by time."""

    def plan(*more: str, cameras: str = "[gate, yard, door]") -> dict:
        status, result = run(capsys, "plan", *nights[2], f"cameras={cameras}", *more)
        assert status == 0
        left_out = Counter(result["left_out"])
        del left_out["of another camera"]
        return {**{name: result[name] for name in ("planned", "unchanged")}, "left_out": left_out.total()}

    return plan


def test_the_commit_tells_until_when_each_camera_was_dealt_with(nights):
    cameras = tables.read_commit(str(nights[1]), "first")["cameras"]
    assert {camera: figures["captured_until"] for camera, figures in cameras.items()} == {
        "gate": "2026-11-20T00:00:00+00:00",
        "line": "2026-11-20T00:00:00+00:00",
        "yard": "2026-11-10T00:00:00+00:00",
    }
    assert cameras["gate"]["objects"] == 2 and cameras["gate"]["frames"] > 0


def test_since_last_is_new_footage_of_each_camera_and_what_came_late(archive, nights, planned):
    place(archive, nights[0], "gate", 21)  # last night's
    place(archive, nights[0], "yard", 11)  # a camera that was away for ten days
    place(archive, nights[0], "gate", 17, "late")  # recorded before what the first sweep saw
    place(archive, nights[0], "gate", 1, "older")  # too late for any night
    place(archive, nights[0], "door", 1)  # a camera that no sweep has seen
    assert planned("since=last") == {"planned": 4, "unchanged": 3, "left_out": 1}
    assert planned("since=last", "late_days=0") == {"planned": 3, "unchanged": 2, "left_out": 3}
    assert planned("since=last", "late_days=30") == {"planned": 5, "unchanged": 3, "left_out": 0}
    # without `since` nothing is left out, and every object of the archive is a row of every night
    assert planned() == {"planned": 5, "unchanged": 3, "left_out": 0}


def test_a_range_of_dates_is_filled_in_and_can_be_scored_again(nights, planned):
    back = ("since=2026-11-10", "until=2026-11-21")
    assert planned(*back) == {"planned": 2, "unchanged": 3, "left_out": 3}
    assert planned(*back, "--all") == {"planned": 5, "unchanged": 0, "left_out": 3}
    assert planned(*back, "late_days=9")["planned"] == 4


def test_clusters_share_an_archive_by_cameras(planned):
    assert planned(cameras="gate") == {"planned": 3, "unchanged": 2, "left_out": 0}
    assert planned(cameras="[yard, d*]") == {"planned": 2, "unchanged": 1, "left_out": 0}


def test_a_time_that_is_none_is_refused_before_anything_is_written(nights, capsys):
    status, _ = run(capsys, "sweep", *nights[2], "since=yesterday", "sweep_id=wrong")
    assert status == 2 and not (nights[1] / "_sweeps" / "wrong").exists()
    capsys.readouterr()
    status, _ = run(capsys, "sweep", *nights[2], "since=2026-11-25", "until=2026-11-20", "sweep_id=wrong")
    assert status == 2 and not (nights[1] / "_sweeps" / "wrong").exists()


def test_compacted_a_report_has_the_same_rows_in_fewer_files(nights, planned, capsys):
    _, report, _ = nights
    before = {name: tables.read_table(str(report), name, "first") for name in ("frames", "events", "objects")}
    files = len(list(report.glob("frames/sweep=first/*.parquet")))
    assert files > 1
    unchanged = planned()["unchanged"]
    status, result = run(capsys, "compact", str(report))
    assert status == 0
    assert (result["files_before"], result["files_after"]) == (3 * files, 3)
    for name, rows in before.items():
        assert tables.read_table(str(report), name, "first").equals(rows)
        (only,) = report.glob(f"{name}/sweep=first/*.parquet")
        assert duckdb.sql(f"select count(*) from '{only}'").fetchall() == [(rows.num_rows,)]
    assert verify(str(report), "first")["faults"] == []
    assert planned()["unchanged"] == unchanged
    status, result = run(capsys, "compact", str(report))
    assert status == 0 and result["merged"] == 0 and result["files_after"] == 3

    content = only.read_bytes()
    only.write_bytes(content[:-1] + b"x")
    assert any("changed since it was written" in fault for fault in verify(str(report), "first")["faults"])
    only.write_bytes(content)
    for name in before:  # as a compaction that was interrupted leaves one
        (report / name / "sweep=first" / "part-00001.parquet").write_bytes(content)
    faults = verify(str(report), "first")["faults"]
    assert len(faults) == 3 and all("`vadray compact` takes it away" in fault for fault in faults)
    run(capsys, "compact", str(report))
    assert verify(str(report), "first")["faults"] == []


def test_what_is_no_longer_to_be_kept_is_dropped_and_verify_says_so(nights, planned, capsys):
    _, report, _ = nights
    folder = report / "_sweeps" / "first"
    status, result = run(capsys, "compact", str(report), "frames_days=400", "scores_days=400")
    assert status == 0 and result["frames_dropped"] == result["scores_dropped"] == 0
    assert any((folder / "scores").iterdir())
    unchanged = planned()["unchanged"]
    status, result = run(capsys, "compact", str(report), "frames_days=0", "scores_days=0")
    assert status == 0 and result["frames_dropped"] == result["scores_dropped"] == 1
    assert not list(report.glob("frames/sweep=first/*")) and not (folder / "scores").exists()
    assert tables.read_table(str(report), "events", "first").num_rows > 0
    status, result = run(capsys, "verify", str(report))
    assert status == 0 and result["dropped_by_age"] == ["frames", "scores"]
    assert planned()["unchanged"] == unchanged, "what was scored stays known"
    assert run(capsys, "report", str(report))[0] == 0
    changes = [json.loads(path.read_text()) for path in sorted((folder / "changes").iterdir())]
    assert [change["table"] for change in changes if change["added"] is None] == ["frames", "scores"]


def test_a_report_without_sweeps_has_nothing_to_compact(tmp_path, cluster, capsys):
    status, _ = run(capsys, "compact", str(tmp_path))
    assert status == 2
