"""What `setup_node.sh` does to a machine, with stand-ins for Python, the driver and the package manager."""

import subprocess
from pathlib import Path

import pytest

from tests.cluster.launcher_files import ROOT

# makes an environment whose own `python` writes down what it is told
PYTHON = """#!/bin/sh
case "$2" in
    "import ensurepip") exit "${WITHOUT_VENV:-0}" ;;
    venv) mkdir -p "$3/bin"; printf '#!/bin/sh\\necho "$@" >> "$HOME/said"\\n' > "$3/bin/python"; chmod +x "$3/bin/python" ;;
esac
"""
SUDO = '#!/bin/sh\necho "sudo $@" >> "$HOME/said"\n'


@pytest.fixture
def machine(tmp_path) -> Path:
    """A home with the project's copy, a token that everyone may read, and programs in `programs`."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in (("python3", PYTHON), ("sudo", SUDO)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    (tmp_path / "vadray").symlink_to(ROOT)
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").touch(0o644)
    return tmp_path


def set_up(machine: Path, *packages: str, **variables: str) -> list[str]:
    """What the environment's Python and sudo were told."""
    (machine / "said").unlink(missing_ok=True)
    subprocess.run(
        ["bash", str(machine / "vadray" / "cluster" / "setup_node.sh"), *packages],
        env={"HOME": str(machine), "PATH": f"{machine / 'programs'}:/usr/bin:/bin", **variables},
        check=True,
    )
    return (machine / "said").read_text().splitlines()


def test_vadray_is_installed_with_the_versions_that_were_tested(machine):
    assert set_up(machine)[0] == "-m pip install --quiet -c constraints.txt ."


def test_where_there_is_a_gpu_with_what_it_needs(machine):
    (machine / "programs" / "nvidia-smi").write_text("#!/bin/sh\n")
    (machine / "programs" / "nvidia-smi").chmod(0o755)
    assert set_up(machine)[0] == "-m pip install --quiet -c constraints.txt .[gpu]"


def test_a_head_gets_its_clouds_sdk(machine):
    assert set_up(machine, "boto3")[0].endswith(" . boto3")


def test_the_token_is_for_its_owner_alone(machine):
    set_up(machine)
    assert (machine / ".ray" / "auth_token").stat().st_mode & 0o777 == 0o600


def test_shells_get_the_environment_once_however_often_it_runs(machine):
    for _ in range(2):
        set_up(machine)
    (line,) = (machine / ".bashrc").read_text().splitlines()
    assert line.startswith(". /") and line.endswith("/cluster/environment.sh")


def test_a_python_without_venv_is_completed(machine):
    said = set_up(machine, WITHOUT_VENV="1")
    assert said[1].startswith("sudo apt-get") and said[1].endswith("install -y python3-venv")


def test_where_pip_fails_so_does_the_machine(machine):
    set_up(machine)
    (machine / "vadray-environment" / "bin" / "python").write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(subprocess.CalledProcessError):
        set_up(machine)
