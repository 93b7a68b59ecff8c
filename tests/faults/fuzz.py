"""Sweeps an archive of mutated files and counts what came of them, by reason.

    python -m tests.faults.fuzz --out fuzz --files 1000 --seed 0

Nothing may end the job, be lost from `objects`, be there twice, or be written outside of the report.
"""

import argparse
import hashlib
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.faults.fuzz_files import Fuzzed, fuzzed_archive, leaves_rows
from tests.faults.material import untrained_bundles
from vadray.config import SweepOptions
from vadray.report import tables
from vadray.sweep import driver, request
from vadray.sweep.cluster import connected
from vadray.sweep.progress import Progress
from vadray.sweep.verify import verify

SWEEP_ID = "fuzz"
FAULTS = (
    "lost",
    "repeated",
    "not_asked_for",
    "good_not_scored",
    "written_outside",
    "changed",
    "verify_faults",
)


def fuzz(place: Path, files: int, seed: int) -> dict[str, Any]:
    """One sweep over an archive that `seed` draws. Ray must be connected."""
    made = fuzzed_archive(place, files, seed)
    before = _everything(place)
    report = place / "report"
    options = SweepOptions(
        archive=str(made.root),
        bundle=untrained_bundles(place / "bundles"),
        out=str(report),
        sweep_id=SWEEP_ID,
        clips=False,
        decode_timeout_s=20,
        decode_memory_mib=512,
        max_quarantined=1e9,
    )
    begun = time.monotonic()
    console = Console(stderr=True)
    driver.sweep(request.prepare(options), driver.Voice(console.print, Progress(console)))
    seconds = time.monotonic() - begun
    rows = tables.read_table(str(report), "objects", SWEEP_ID).to_pylist()
    after = {
        path: digest
        for path, digest in _everything(place).items()
        if path.parts[0] not in ("report", "bundles")
    }
    return {
        "files": len(made.files),
        "shards": len(made.shards),
        "objects": len(rows),
        **_judged(made, rows),
        "written_outside": sorted(str(path) for path in before.keys() ^ after.keys()),
        "changed": sorted(str(path) for path in before.keys() & after.keys() if before[path] != after[path]),
        "verify_faults": verify(str(report), SWEEP_ID)["faults"],
        "by_status": dict(Counter(row["status"] for row in rows)),
        "by_reason": dict(Counter(row["error_type"] for row in rows if row["error_type"]).most_common()),
        "seconds": round(seconds, 1),
    }


def _judged(made: Fuzzed, rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Files that are not in `objects`, are there twice, or are good and not scored."""
    count = Counter(row["object_uri"] for row in rows)
    status = {row["object_uri"]: row["status"] for row in rows}
    shards = {uri.partition("#")[0] for uri in count}
    wanted = {str(made.root / path) for path in made.files}
    lost = [uri for uri in wanted if uri not in count]
    lost += [
        path for path in made.shards if leaves_rows(made.root / path) and str(made.root / path) not in shards
    ]
    return {
        "lost": sorted(lost),
        "repeated": sorted(uri for uri, times in count.items() if times > 1),
        "not_asked_for": sorted(
            uri for uri in count if uri not in wanted and Path(uri.partition("#")[0]).suffix != ".tar"
        ),
        "good_not_scored": sorted(
            path for path in made.good if status.get(str(made.root / path)) != "scored"
        ),
    }


def _everything(place: Path) -> dict[Path, str]:
    """Every file below a folder with its digest; links are not followed."""
    return {
        path.relative_to(place): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder, _, names in os.walk(place)
        for path in (Path(folder, name) for name in names)
        if not path.is_symlink()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True)
    with connected():
        found = fuzz(arguments.out.resolve(), arguments.files, arguments.seed)
    print(json.dumps(found, indent=1))
    return int(any(found[name] for name in FAULTS))


if __name__ == "__main__":
    sys.exit(main())
