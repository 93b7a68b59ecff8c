"""The launcher files, as Ray reads them and as people read their comments."""

import copy
import re
import shlex
from pathlib import Path
from typing import Any

import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).resolve().parents[2]
LAUNCHER_FILES = sorted((ROOT / "cluster").glob("*.yaml"))
CLOUDS = [path for path in LAUNCHER_FILES if path.stem != "on-premise"]
# words of a comment that are no part of a command begin after three spaces
_PROSE = re.compile(r"\s{3,}|\s#\s")


def read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


def as_ray_up_reads(config: dict[str, Any]) -> dict[str, Any]:
    """With a provider's defaults, validated by Ray's own schema: `ray up` until the cloud is asked."""
    prepared = prepare_config(copy.deepcopy(config))
    # of the local provider's defaults this one is missing, and `ray up` adds it
    prepared.setdefault("cluster_synced_files", [])
    validate_config(prepared)
    return prepared


def commands_in_comments(path: Path) -> list[list[str]]:
    """The words of each command line in a file's comments, or in the code blocks of a Markdown file."""
    lines = path.read_text().splitlines()
    indented = re.compile(r"\s{4,}" if path.suffix == ".md" else r"#\s{3,}")
    text = "\n".join(indented.sub("", line) for line in lines if indented.match(line))
    joined = re.sub(r"\\\n\s*", " ", text)
    return [
        shlex.split(_PROSE.split(line, maxsplit=1)[0]) for line in joined.splitlines() if _is_command(line)
    ]


def _is_command(line: str) -> bool:
    return line.partition(" ")[0] in ("ray", "vadray", "python", "pip")
