"""The commands of the manifests, run as they would be: through both shells, with vadray's own parser and jobs."""

import os
import shlex
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from tests.k8s.build import FOLDER, ROOT, build
from tests.k8s.commands import IMAGE_FOLDER, as_submitted, run
from vadray import cli, commands
from vadray.config import SweepOptions
from vadray.parsing import parse

SWEEPING = ("once", "nightly", "nightly-raycronjob")


def entrypoint(overlay: str, hardware: str = "gpu") -> str:
    """As the operator gets it: of the night of 22 November where the overlay leaves that to be filled in."""
    job = build(overlay, hardware).ray_job
    assert job is not None
    return job["entrypoint"].replace("{night}", "2026-11-22").replace("{next_day}", "2026-11-23")


@pytest.fixture
def image(tmp_path: Path):
    """A stand-in for the image: a `python` that notes what it was asked, and ends as it is told."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\nexit $STATUS\n')
    python.chmod(0o755)
    return str(python)


@pytest.mark.parametrize("overlay", SWEEPING)
def test_the_words_that_reach_the_job_are_a_valid_sweep(overlay: str, image: str):
    done = run(entrypoint(overlay), image, os.environ["PATH"], STATUS="0")
    program, *words = done.stdout.splitlines()
    assert program == f"{IMAGE_FOLDER}/jobs/sweep.py"
    known, rest = cli.build_parser().parse_known_args(["sweep", *words])
    assert known.config == "/etc/vadray/sweep.yaml"
    given = cli._overrides(commands.COMMANDS["sweep"], known, rest)
    options = parse(SweepOptions, str(FOLDER / "base" / "sweep.yaml"), given)

    today = datetime.now(UTC)
    yesterday = f"{today - timedelta(days=1):%Y-%m-%d}"
    expected = {
        "once": ("once", None, None),
        "nightly": ("2026-11-22", "2026-11-22", "2026-11-23"),
        "nightly-raycronjob": (yesterday, yesterday, f"{today:%Y-%m-%d}"),
    }[overlay]
    assert (options.sweep_id, options.since, options.until) == expected


@pytest.mark.parametrize("overlay", SWEEPING)
@pytest.mark.parametrize(
    ("status", "ends"), [("0", 0), ("1", 1), ("2", 2), ("3", 0), ("4", 4), ("5", 5), ("137", 137)]
)
def test_committed_and_needs_a_look_is_done_for_a_rayjob_and_nothing_else_is(
    overlay: str, status: str, ends: int, image: str
):
    assert run(entrypoint(overlay), image, os.environ["PATH"], STATUS=status).returncode == ends


def test_the_entry_point_comes_through_the_submitters_shell_as_one_script():
    words = shlex.split(as_submitted(entrypoint("once")))
    assert words[:2] == ["sh", "-c"] and words[3:] == ["sweep", "sweep_id=once"]
    assert "$status" in words[2] and '"$@"' in words[2], "not expanded on the way"


def test_the_file_that_the_entry_point_reads_is_mounted_from_the_sweeps_configuration():
    head = build("nightly", "gpu").pods["head"]["spec"]
    (mount,) = head["containers"][0]["volumeMounts"]
    (volume,) = (each for each in head["volumes"] if each["name"] == mount["name"])
    data = build("nightly", "gpu").one("ConfigMap", volume["configMap"]["name"])["data"]
    assert f"{mount['mountPath']}/{next(iter(data))}" == "/etc/vadray/sweep.yaml"


@pytest.mark.parametrize("overlay", ["once", "standing", "nightly"])
def test_every_program_of_the_image_that_a_pod_runs_is_in_this_repository(overlay: str):
    built = build(overlay, "gpu")
    words = [
        word
        for pod in built.pods.values()
        for container in pod["spec"]["containers"]
        for words in (
            container.get("command", []),
            container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", []),
        )
        for word in words
    ]
    inside = [word for word in words if word.startswith(IMAGE_FOLDER)]
    assert inside and all((ROOT / Path(word).relative_to(IMAGE_FOLDER)).is_file() for word in inside)


def test_the_very_command_line_asks_the_real_job_for_help(tmp_path: Path):
    """The entry point as it stands, with this repository in the image's place and the real Python."""
    command = entrypoint("once").replace(IMAGE_FOLDER, str(ROOT)) + " --help"
    done = run(command, sys.executable, os.environ["PATH"], PYTHONPATH=os.environ.get("PYTHONPATH", ""))
    assert done.returncode == 0, done.stderr
    assert "--sweep-id" in done.stdout


def test_the_very_command_line_refuses_a_wrong_request_with_2(tmp_path: Path):
    config = tmp_path / "sweep.yaml"
    config.write_text(
        yaml.safe_dump({"archive": str(tmp_path), "out": str(tmp_path / "report"), "bundle": "absent"})
    )
    command = (
        entrypoint("once").replace(IMAGE_FOLDER, str(ROOT)).replace("/etc/vadray/sweep.yaml", str(config))
    )
    done = run(command, sys.executable, os.environ["PATH"], PYTHONPATH=os.environ.get("PYTHONPATH", ""))
    assert done.returncode == 2, done.stderr
    assert "absent" in done.stderr and not (tmp_path / "report").exists()
