"""What the comments and the README tell people to type is understood by what they type it to."""

import click
import pytest
from ray.scripts.scripts import cli as ray_command

from cluster import local, with_nodes
from tests.cluster.launcher_files import LAUNCHER_FILES, ROOT, commands_in_comments
from vadray.cli import _overrides, build_parser
from vadray.commands import COMMANDS
from vadray.config import Options
from vadray.errors import RequestError
from vadray.parsing import parse

CONFIGURATIONS = sorted((ROOT / "jobs" / "configs").glob("*.yaml"))
DOCUMENTED = [*LAUNCHER_FILES, *CONFIGURATIONS, ROOT / "cluster" / "README.md"]
COMMANDS_IN_FILES = [
    pytest.param(words, id=f"{path.name}: {' '.join(words)[:60]}")
    for path in DOCUMENTED
    for words in commands_in_comments(path)
]


def understood(words: list[str]) -> Options | None:
    """Parses a command as the program would that it names; the command that it runs, too."""
    program, *arguments = words
    if program == "pip":
        return None
    if program == "ray":
        return understood_by_ray(arguments)
    if program == "vadray":
        return options(*arguments)
    assert program == "python"
    script, *arguments = arguments
    assert (ROOT / script).is_file(), script
    if script == "cluster/local.py":
        inner = local.parser().parse_args(arguments).command
        return understood(inner.split()) if inner else None
    if script == "cluster/with_nodes.py":
        return understood(with_nodes.parser().parse_args(arguments).command)
    assert script.startswith("jobs/")
    return options(script.removeprefix("jobs/").removesuffix(".py"), *arguments)


def options(*arguments: str) -> Options:
    known, rest = build_parser().parse_known_args(arguments)
    command = COMMANDS[known.command]
    return parse(command.options, known.config, _overrides(command, known, rest))


def understood_by_ray(arguments: list[str]) -> Options | None:
    arguments = arguments[: arguments.index(">")] if ">" in arguments else arguments
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    assert all((ROOT / word).is_file() for word in own if word.startswith("cluster/")), own
    command, words = ray_command, list(arguments)
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    context = command.make_context(command.name, words)
    entry = context.params.get("entrypoint")
    return understood(list(entry)) if entry else None


@pytest.mark.parametrize("words", COMMANDS_IN_FILES)
def test_it_is_understood(words, monkeypatch):
    monkeypatch.chdir(ROOT)
    understood(words)


@pytest.mark.parametrize("path", LAUNCHER_FILES, ids=lambda path: path.stem)
def test_a_launcher_file_says_how_to_start_submit_watch_and_stop(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    said = [" ".join(words) for words in commands_in_comments(path)]
    name = f"cluster/{path.name}"
    for begins in (
        *(f"ray up -y {name}", f"ray dashboard {name}", f"ray exec {name}", f"ray down -y {name}"),
        *("ray get-auth-token --generate", "ray job logs", "ray job stop"),
    ):
        assert any(one.startswith(begins) for one in said), begins
    (submit,) = [words for words in commands_in_comments(path) if words[:3] == ["ray", "job", "submit"]]
    sweep = understood(submit)
    assert (
        sweep.sweep_id == "2026-11-22" == submit[submit.index("--submission-id") + 1].removeprefix("sweep-")
    )
    assert (sweep.since, sweep.until) == ("2026-11-22", "2026-11-23")
    assert sweep.on_loss == ("shrink" if path.stem == "on-premise" else "wait"), "spot machines are replaced"
    assert len(sweep.bundle) == 2, "from jobs/configs/sweep.yaml"


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.stem)
def test_a_configuration_says_how_it_is_used(path):
    assert any(f"jobs/configs/{path.name}" in words for words in commands_in_comments(path))


@pytest.mark.parametrize(
    "line",
    [
        "python jobs/sweep.py /data bundle=b out=r sweep_idd=night",
        "python jobs/sweep.py /data bundle=b out=r --onn-loss wait",
        "python jobs/sweep.py /data bundle=b out=r on_loss=waits",
        "python jobs/sweeps.py /data bundle=b out=r",
        "python jobs/sweep.py --config jobs/configs/sweeps.yaml out=r",
        "python cluster/with_nodes.py --cpu 2 -- python jobs/sweep.py /data bundle=b out=r",
        "python cluster/with_nodes.py --cpus 2 -- python jobs/sweep.py /data bundle=b output=r",
        "ray up -y --no-restarts cluster/aws.yaml",
        "ray up -y cluster/amazon.yaml",
        "ray job submits --working-dir . -- python jobs/sweep.py /data bundle=b out=r",
        "ray job submit --working-dir . -- python jobs/sweep.py /data bundle=b out=r until_=2026-11-22",
        "vadray evaluate motion /data --compares stae",
    ],
)
def test_one_that_is_wrong_is_not(line, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises((RequestError, AssertionError, KeyError, SystemExit, click.UsageError)):
        understood(line.split())
