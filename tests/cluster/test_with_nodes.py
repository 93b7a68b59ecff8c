"""Waiting for machines, without any; with Ray it is tried in test_local.py."""

import pytest

from cluster.with_nodes import await_nodes, missing, parser


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ({}, "32 of 32 CPUs and 2 of 2 GPUs"),
        ({"CPU": 16.0, "GPU": 2.0}, "16 of 32 CPUs"),
        ({"CPU": 40.0, "GPU": 1.0}, "1 of 2 GPUs"),
        ({"CPU": 32.0, "GPU": 2.0, "memory": 1e9}, ""),
    ],
)
def test_it_says_what_is_missing(there, said):
    assert missing({"CPU": 32, "GPU": 2}, there) == said


def test_it_waits_until_all_have_come(monkeypatch, capsys):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    growing = iter([{}, {"CPU": 1.0}, {"CPU": 1.0}, {"CPU": 2.0}])
    assert await_nodes({"CPU": 2}, lambda: next(growing), wait_s=60)
    assert capsys.readouterr().err.count("waiting for") == 2, "once for each change"


def test_it_does_not_wait_for_ever(capsys):
    assert not await_nodes({"CPU": 2}, lambda: {"CPU": 1.0}, wait_s=0.05)
    assert "1 of 2 CPUs did not come within 0.05 s" in capsys.readouterr().err


def test_the_commands_own_options_are_its_own():
    options = parser().parse_args(["--cpus", "2", "--", "python", "jobs/sweep.py", "--cpus", "3", "--", "x"])
    assert options.cpus == 2 and options.command[:4] == ["python", "jobs/sweep.py", "--cpus", "3"]
