"""A log that programs read."""

import json
import os
import subprocess
import sys

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
    assert bad["level"] == "warning" and bad["error"]
    assert [line["level"] for line in told if "are quarantined" in line["message"]] == ["warning"]
    assert {line["sweep_id"] for line in told} == {"n"}
    assert any("50%" in line["message"] or "100%" in line["message"] for line in told), "how far it is"


def test_what_others_write_to_stderr_is_json_too():
    """In a process of its own: libraries write past Python, to the file descriptor."""
    script = (
        "import os, subprocess, sys\n"
        "from vadray.commands import log\n"
        "console = log.console()\n"
        "with log.wrapped(console):\n"
        "    os.write(2, b'\\x1b[36mfrom C++\\x1b[0m\\n')\n"
        "    subprocess.run(['sh', '-c', 'echo from a child >&2'], check=True)\n"
        "    console.print('ours')\n"
        "console.print('after')\n"
    )
    environment = {**os.environ, "VADRAY_LOG": "json"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    told = {line["message"]: line.get("source") for line in lines(done.stderr)}
    assert told == {"from C++": "other", "from a child": "other", "ours": None, "after": None}
