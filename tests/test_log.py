"""A log that programs read."""

import json

from tests.running import run
from vadray import cli


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.strip().splitlines()]


def test_each_line_is_json(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("VADRAY_LOG", "json")
    assert cli.main(["synth", str(tmp_path / "archive"), "kind=image"]) == 0
    printed = capsys.readouterr()
    (line,) = lines(printed.err)
    assert (
        line["level"] == "info" and line["message"].startswith("wrote ") and line["time"].endswith("+00:00")
    )
    assert json.loads(printed.out)["archive"].endswith("archive"), "the result is where it was"
    status, _, said = run(capsys, "verify", tmp_path / "nothing")
    (line,) = lines(said)
    assert status == 2 and line["level"] == "error" and "expected a committed sweep" in line["message"]


def test_another_choice_is_an_error(monkeypatch, capsys):
    monkeypatch.setenv("VADRAY_LOG", "xml")
    status, _, said = run(capsys, "models")
    assert status == 2 and "VADRAY_LOG: expected one of text, json, received 'xml'" in said


def test_a_sweep_says_which_and_names_what_is_unreadable(
    cluster, archive, bundles, monkeypatch, capsys, tmp_path
):
    monkeypatch.setenv("VADRAY_LOG", "json")
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "bad.jpg").write_bytes(b"no picture")
    good = next(archive.test.rglob("*.jpg"))
    (tmp_path / "archive" / "good.jpg").write_bytes(good.read_bytes())
    words = (
        "sweep",
        tmp_path / "archive",
        "--bundle",
        bundles["image"],
        f"out={tmp_path / 'report'}",
        "sweep_id=n",
    )
    status, _, said = run(capsys, *words)
    assert status == 3
    told = lines("\n".join(line for line in said.splitlines() if line.startswith("{")))
    (bad,) = [line for line in told if line["message"] == "unreadable"]
    assert bad["object_uri"].endswith("bad.jpg") and bad["reason"] == "InvalidImage" and bad["unit_id"]
    assert {line["sweep_id"] for line in told} == {"n"}
    assert any("50%" in line["message"] or "100%" in line["message"] for line in told), "how far it is"
