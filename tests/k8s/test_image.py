"""The image: its Dockerfile is sound, copies what is there, and its steps work in a fresh environment."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.k8s.build import FOLDER, ROOT, tool
from tests.patience import PATIENCE_S
from vadray import __version__

DOCKERFILE = FOLDER / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """Name and text of each, lines joined; comments left out."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in joined]


def copied() -> list[str]:
    """What COPY takes from the repository."""
    return [
        word
        for name, text in instructions()
        if name == "COPY"
        for word in text.split()[:-1]
        if not word.startswith("--")
    ]


def test_hadolint_finds_nothing():
    done = subprocess.run([tool("hadolint"), DOCKERFILE], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout


def test_hadolint_would_find_something(tmp_path: Path):
    worse = tmp_path / "Dockerfile"
    worse.write_text(DOCKERFILE.read_text().replace("--no-cache-dir ", "") + "\nRUN cd /tmp && ls | wc -l\n")
    done = subprocess.run([tool("hadolint"), worse], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode != 0 and "DL3042" in done.stdout


def test_it_is_not_root_at_any_step():
    users = [text for name, text in instructions() if name == "USER"]
    assert users == ["1000:100"]
    names = [name for name, _ in instructions()]
    assert names.index("USER") < min(names.index("RUN"), names.index("COPY"))
    assert all("--chown=1000:100" in text for name, text in instructions() if name == "COPY")


def test_every_installation_is_pinned():
    installs = [text for name, text in instructions() if name == "RUN" and "pip install" in text]
    assert len(installs) == 2
    assert all("-c constraints.txt" in text or "--no-deps" in text for text in installs)


def test_the_ignore_file_lets_in_what_is_copied_and_nothing_else():
    words = (ROOT / ".dockerignore").read_text().split("\n")
    rules = [line for line in words if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == set(copied())
    assert all((ROOT / name).exists() for name in copied())


def test_the_images_named_in_its_head_are_of_this_version():
    assert set(re.findall(r"vadray:(\S+)-[cg]pu", DOCKERFILE.read_text())) == {__version__}


@pytest.mark.soak
@pytest.mark.timeout(3000)
def test_its_steps_make_an_environment_that_runs_the_jobs(tmp_path: Path):
    """The CPU variant's COPY and RUN lines, in a folder and an environment of their own."""
    folder, environment = tmp_path / "vadray", tmp_path / "environment"
    folder.mkdir()
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    variables = {"PATH": f"{environment}/bin:/usr/bin:/bin", "EXTRAS": "k8s", "HOME": str(tmp_path)}
    for name, text in instructions():
        if name == "COPY":
            *sources, target = [word for word in shlex.split(text) if not word.startswith("--")]
            for source in sources:
                place = folder / (source if target == "./" else target)
                copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
                copy(ROOT / source, place)
        if name == "RUN":
            subprocess.run(["/bin/sh", "-c", text], cwd=folder, env=variables, check=True, timeout=2700)

    def run(*words: str) -> str:
        done = subprocess.run(
            words, cwd="/", env=variables, capture_output=True, text=True, timeout=PATIENCE_S
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "constraints.txt",
        "jobs",
        "pyproject.toml",
    ]
    assert run("vadray", "--version").strip() == f"vadray {__version__}"
    for job in ("sweep.py", "train.py", "nightly.py", "stop.py"):
        assert "usage" in run("python", str(folder / "jobs" / job), "--help")
    packages = next((environment / "lib").glob("python3*/site-packages"))
    assert list(packages.glob("tensorflow/python/__pycache__/*.pyc")), "compiled"
    assert not (packages / "pytest").exists(), "no test tools"
