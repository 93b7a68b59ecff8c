"""The frozen plan of a sweep in storage: files of one attempt, and `plan.json` that makes them the plan.

Two attempts that plan at once write different files; the first to create `plan.json` has made the plan, and the
other reads it.
"""

import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from vadray import storage
from vadray.archive.plan_files import read_part, read_part_rows, write_plan
from vadray.errors import RequestError


@dataclass(frozen=True)
class FrozenPlan:
    """A plan that will not change.

    Args:
        folder: `REPORT/_sweeps/<sweep_id>`.
        info: Content of `plan.json`: settings, files by part, counts.
    """

    folder: str
    info: dict[str, Any]

    @property
    def parts(self) -> list[int]:
        return [file["part"] for file in self.info["files"]]

    def uri(self, part: int) -> str:
        path = next(file["path"] for file in self.info["files"] if file["part"] == part)
        return storage.join(self.folder, path)

    def rows(self, part: int) -> Iterator[dict[str, Any]]:
        return read_part_rows(self.uri(part))

    def todo(self, done: Iterable[str]) -> pa.Table:
        """Planned units that are not among `done`, parts taken in turn so that all parts fill evenly."""
        finished = pa.array(sorted(done), pa.string())
        batches = []
        for part in self.parts:
            for batch in read_part(self.uri(part)):
                wanted = pa.compute.and_(
                    pa.compute.equal(batch["status"], "planned"),
                    pa.compute.invert(pa.compute.is_in(batch["unit_id"], finished)),
                )
                batches.append(batch.filter(wanted))
        return pa.Table.from_batches(batches)


def load(folder: str) -> FrozenPlan | None:
    """The plan in a sweep's folder, or None where none was frozen yet."""
    try:
        return FrozenPlan(folder, json.loads(storage.read_bytes(storage.join(folder, "plan.json"))))
    except FileNotFoundError:
        return None


def freeze(folder: str, attempt: str, rows: Iterable[dict[str, Any]], settings: dict[str, Any]) -> FrozenPlan:
    """Writes the plan's files and then, create-only, `plan.json`; returns the plan that stands."""
    counts: Counter[str] = Counter()

    def counted() -> Iterator[dict[str, Any]]:
        for row in rows:
            if row["unit_index"] == 0:
                counts["objects"] += len(row["members"])
                counts[row["status"]] += len(row["members"])
            counts["units"] += row["status"] == "planned"
            counts["bytes"] += row["bytes"] if row["status"] == "planned" else 0
            counts["frames_estimate"] += row["frames_estimate"] or 0
            yield row

    with tempfile.TemporaryDirectory(prefix="vadray-plan-") as local:
        files = []
        for part, path, count in write_plan(counted(), None, local):
            target = f"plan/{attempt}/part-{part:05d}.parquet"
            storage.upload(path, storage.join(folder, target))
            files.append({"part": part, "path": target, "rows": count, "bytes": os.path.getsize(path)})
    info = {"schema_version": 1, "settings": settings, "files": files, "counts": dict(counts)}
    content = json.dumps(info, indent=1, sort_keys=True).encode()
    if storage.create_bytes(storage.join(folder, "plan.json"), content):
        return FrozenPlan(folder, info)
    standing = load(folder)
    assert standing is not None, "plan.json exists, or creating it would have succeeded"
    return standing


def require_same(plan: FrozenPlan, settings: dict[str, Any], sweep_id: str) -> None:
    """Refuses to go on with a plan that was made for something else.

    Raises:
        RequestError: A setting differs; which, and how.
    """
    differing = [
        f"{key}: planned {plan.info['settings'].get(key)!r}, received {value!r}"
        for key, value in settings.items()
        if plan.info["settings"].get(key) != value
    ]
    if differing:
        raise RequestError(
            f"sweep_id: {sweep_id} was planned with other settings; choose another sweep_id or the same settings.\n  "
            + "\n  ".join(differing)
        )
