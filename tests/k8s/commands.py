"""What becomes of an entry point on its way: the submitter's shell, `ray job submit`, the head's shell."""

import shlex
import subprocess
from pathlib import Path

from tests.patience import PATIENCE_S

IMAGE_FOLDER = "/home/ray/vadray"


def as_submitted(entrypoint: str) -> str:
    """What `ray job submit` sends: KubeRay writes the entry point as it is into a script for the submitter's bash."""
    script = f"printf '%s\\0' {entrypoint} ;"
    done = subprocess.run(["bash", "-ce", "--", script], capture_output=True, check=True)
    return shlex.join(done.stdout.decode().split("\0")[:-1])


def run(entrypoint: str, python: str, path: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs it as the head does, with `python` first on the path; the image's folder must be replaced already."""
    return subprocess.run(
        as_submitted(entrypoint),
        shell=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env={"PATH": f"{Path(python).parent}:{path}", **variables},
    )
