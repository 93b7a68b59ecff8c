"""Where a sweep stands, told from what lies in its folder at each phase."""

import json
import os
import time

import pytest

from tests.report.rows import write_commit
from vadray.errors import RequestError
from vadray.sweep import plan_store, scores
from vadray.sweep.lease import LEASE, Holder
from vadray.sweep.manifest import MANIFEST
from vadray.sweep.status import record_scoring, status, told


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "report" / "_sweeps" / "night"


def write(path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def begin(folder, attempt: str = "20261122T010000-a") -> None:
    write(
        folder / "attempts" / f"{attempt}.json",
        {"attempt": attempt, "started_at": "2026-11-22T01:00:00+00:00"},
    )


def plan(folder, units: int) -> None:
    counts = {"objects": units, "units": units}
    write(folder / "plan.json", {"schema_version": 1, "settings": {}, "files": [], "counts": counts})
    assert plan_store.load(str(folder)) is not None


def score(folder, number: int) -> None:
    path = folder / "scores" / scores.file_name(f"{number:032x}", 0, True)
    path.parent.mkdir(exist_ok=True)
    path.touch()


def of(folder) -> dict:
    return status(str(folder.parents[1]), None)


def test_a_sweep_that_was_begun_is_planning(folder):
    begin(folder)
    found = of(folder)
    assert (found["phase"], found["units"], found["attempts"], found["running"]) == (
        "planning",
        None,
        1,
        False,
    )
    assert ["held by", "nobody: the same command goes on from here"] in told(found)


def test_rate_and_time_left_are_those_of_the_last_attempt(folder):
    begin(folder)
    plan(folder, 10)
    for number in range(2):
        score(folder, number)
    begin(folder, "20261122T020000-b")
    record_scoring(str(folder), "20261122T020000-b", 2)
    an_hour_ago = time.time() - 3600
    os.utime(folder / "progress" / "20261122T020000-b.json", (an_hour_ago, an_hour_ago))
    assert of(folder)["units_per_hour"] is None, "nothing was scored since"
    for number in range(2, 6):
        score(folder, number)
    found = of(folder)
    assert (found["phase"], found["units_done"], found["share_done"], found["attempts"]) == (
        "scoring",
        6,
        0.6,
        2,
    )
    assert found["units_per_hour"] == pytest.approx(4, rel=0.05)
    assert found["left_s"] == pytest.approx(3600, rel=0.05)
    assert any("4 units an hour" in text for _, text in told(found))


@pytest.mark.parametrize(("pid", "running"), [(os.getpid(), True), (2**22 + 1, False)], ids=["alive", "gone"])
def test_it_tells_who_holds_it_and_whether_that_is_still_there(folder, pid, running):
    begin(folder)
    holder = {**vars(Holder.me("a")), "pid": pid}
    write(folder / LEASE, {"holder": holder, "lease_s": 30, "renewals": 1})
    found = of(folder)
    assert found["running"] is running and f"process {pid} on" in found["holder"]
    assert ("gone, the same command goes on from here" in dict(told(found))["held by"]) is not running


def test_finalising_tells_of_parts(folder):
    begin(folder)
    plan(folder, 3)
    (folder / MANIFEST).touch()
    found = of(folder)
    assert (found["phase"], found["units_done"], found["parts_done"]) == ("finalising", 3, 0)


def test_the_sweep_that_was_gone_on_with_last_is_told_of(folder):
    begin(folder, "20261122T030000-c")
    begin(folder.parent / "other", "20261122T020000-b")
    assert of(folder)["sweep_id"] == "night"
    write_commit(folder.parents[1], "night", counts={"objects": 4, "units": 3})
    assert of(folder)["phase"] == "committed"
    assert status(str(folder.parents[1]), "other")["phase"] == "planning"


def test_a_sweep_that_nobody_began_is_refused(folder, tmp_path):
    with pytest.raises(RequestError, match="expected a sweep that was begun, found none"):
        of(folder)
    begin(folder)
    with pytest.raises(RequestError, match="expected a sweep dawn that was begun"):
        status(str(folder.parents[1]), "dawn")
