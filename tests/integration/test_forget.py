"""A report forgets an object: nothing of it is left but its name in the plan, all else stays, and it is swept no more."""

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.running import run
from vadray.health.nights import read_cameras
from vadray.report.tables import TABLES, committed_sweeps, read_table
from vadray.sweep import scores


@pytest.fixture
def report(swept, tmp_path) -> Path:
    shutil.copytree(swept[0], tmp_path / "report")
    return tmp_path / "report"


def rows(report: Path) -> dict[str, list[dict]]:
    """Of all sweeps: other tests may have added some."""
    sweeps = sorted(sweep_id for sweep_id, _ in committed_sweeps(str(report)))
    return {
        table: [row for sweep in sweeps for row in read_table(str(report), table, sweep).to_pylist()]
        for table in TABLES
    }


def hours_of_cameras(report: Path) -> set[tuple[str, str, int | None]]:
    return {
        (path.parent.name, row["camera"], row["hour"])
        for path in report.glob("_sweeps/*/cameras.parquet")
        for row in read_cameras(path.read_bytes())
    }


def of(uri: str, found: dict[str, list[dict]]) -> dict[str, int]:
    return {table: sum(row["object_uri"] == uri for row in part) for table, part in found.items()}


@pytest.mark.parametrize("kind", ["video", "image"])
def test_nothing_of_it_is_left_and_all_else_stays(report, archive, bundles, capsys, kind):
    before = rows(report)
    eventful = [row["object_uri"] for row in before["events"]]
    uri = next(
        row["object_uri"]
        for row in before["objects"]
        if row["kind"] == kind and row["object_uri"] in eventful
    )
    event = next(row for row in before["events"] if row["object_uri"] == uri)
    assert run(capsys, "label", report, event["event_id"], "wrong")[0] == 0
    picture = event["thumbnail"]
    assert picture in b"".join(path.read_bytes() for path in report.rglob("*.parquet")), "it is somewhere"

    kept_hours = hours_of_cameras(report)
    status, done, said = run(capsys, "forget", report, uri)
    gone_hours = kept_hours - hours_of_cameras(report)
    assert gone_hours and {camera for _, camera, _ in gone_hours} == {event["camera"]}, "figures of its hours"
    expected = of(uri, before)
    assert status == 0 and done["rows"] == sum(expected.values()) and done["labels"] == 1
    assert "sweeps leave it out from now on" in said
    after = rows(report)
    assert of(uri, after) == dict.fromkeys(TABLES, 0)
    for table in TABLES:
        assert after[table] == [row for row in before[table] if row["object_uri"] != uri]
    name = uri.rpartition("/")[2]
    for path in report.rglob("*"):
        if path.is_file() and "plan" not in path.parts:
            content = path.read_bytes()
            assert picture not in content and uri.encode() not in content, path
            assert path.suffix != ".html" or name.encode() not in content, path
    status, verified, _ = run(capsys, "verify", report)
    assert (status, verified["faults"]) == (0, [])

    again = [str(part) for path in bundles.values() for part in ("--bundle", path)]
    status, planned, _ = run(capsys, "plan", archive.test, *again, f"out={report}", "all=true")
    assert status == 0 and planned["left_out"]["forgotten"] == 1
    assert planned["objects"] == len({row["object_uri"] for row in before["objects"]}) - 1
    status, repeated, _ = run(capsys, "forget", report, uri)
    assert status == 0 and (repeated["rows"], repeated["score_files"]) == (0, kind == "image"), (
        "nothing more to do"
    )


def test_scores_of_a_group_of_images_are_left_to_the_others(report, capsys):
    before = rows(report)
    uri = next(row["object_uri"] for row in before["objects"] if row["kind"] == "image")
    folder = report / "_sweeps" / "night" / "scores"
    counts = {path.name: pq.read_table(path)["frames"][0].values for path in folder.iterdir()}
    assert run(capsys, "forget", report, uri)[0] == 0
    changed = {
        name for name in counts if len(scores.load(str(folder / name))["frames"][0]) != len(counts[name])
    }
    (only,) = changed
    assert len(scores.load(str(folder / only))["frames"][0]) == len(counts[only]) - 1


def test_what_no_sweep_knows_is_an_error(report, capsys):
    status, _, said = run(capsys, "forget", report, "/nowhere/x.mp4")
    assert (
        status == 2 and "object_uri: expected an object that a sweep of" in said and "/nowhere/x.mp4" in said
    )
    assert not (report / "_forgotten").exists()


def test_pictures_and_events_are_kept_for_so_many_days(report, capsys):
    before = rows(report)["events"]
    assert any(row["thumbnail"] for row in before)
    status, done, _ = run(capsys, "compact", report, "pictures_days=100", "events_days=100")
    assert status == 0 and (done["pictures_dropped"], done["events_dropped"]) == (0, 0)
    assert run(capsys, "compact", report, "pictures_days=0")[1]["pictures_dropped"] >= 1
    after = rows(report)["events"]
    assert not any(row[name] for row in after for name in ("thumbnail", "heat", "strip"))
    assert [row["event_id"] for row in after] == [row["event_id"] for row in before]
    assert "data:image" not in (report / "report.html").read_text()
    assert run(capsys, "verify", report)[0] == 0
    assert run(capsys, "compact", report, "events_days=0")[1]["events_dropped"] >= 1
    assert rows(report)["events"] == [] and run(capsys, "verify", report)[0] == 0
