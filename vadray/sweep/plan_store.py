"""The frozen plan of a sweep in storage: files of one attempt, and `plan.json` that makes them the plan.

Two attempts that plan at once write different files; the first to create `plan.json` has made the plan, and the
other reads it.
"""

import hashlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, Field

from vadray import storage
from vadray.archive.plan import PLAN_SCHEMA
from vadray.archive.plan_files import read_part, read_units, write_plan
from vadray.errors import DamagedSweep, RequestError
from vadray.storage.parquet import ANEW

_KEYS = ["unit_id", "part", "status"]
_KEYS_SCHEMA = pa.schema([PLAN_SCHEMA.field(name) for name in _KEYS])


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

    def planned(self) -> pa.Table:
        """`unit_id` and `part` of all units that are to be scored, in plan order."""
        parts = [pa.Table.from_batches(read_part(self.uri(part), _KEYS), _KEYS_SCHEMA) for part in self.parts]
        rows = pa.concat_tables(parts)
        return rows.filter(pc.equal(rows["status"], "planned")).select(["unit_id", "part"])

    def todo(self, done: pa.Table) -> pa.Table:
        """Planned units whose `unit_id` is not in `done`, in plan order.

        Of row groups without such a unit nothing but the ids is read.
        """
        planned = self.planned()
        wanted = planned.filter(pc.invert(pc.is_in(planned["unit_id"], done["unit_id"])))
        tables = [PLAN_SCHEMA.empty_table()]
        for part in pc.unique(wanted["part"]).to_pylist():
            ids = wanted.filter(pc.equal(wanted["part"], part))["unit_id"].combine_chunks()
            tables += read_units(self.uri(part), ids)  # of a night's restart few rows are left
        return pa.concat_tables(tables)


class _File(BaseModel):
    part: int = Field(ge=0)
    path: str = Field(pattern=r"^plan/[^/]+/part-\d{5}\.parquet$")
    rows: int = Field(ge=0)
    bytes: int
    sha256: str


class _Info(BaseModel):
    """What must be in `plan.json`."""

    schema_version: Literal[1]
    settings: dict[str, Any]
    files: list[_File]
    counts: dict[str, int]


def load(folder: str) -> FrozenPlan | None:
    """The plan in a sweep's folder, or None where none was frozen yet.

    Raises:
        DamagedSweep: It is not what `freeze` wrote.
    """
    uri = storage.join(folder, "plan.json")
    try:
        info = json.loads(storage.read_bytes(uri))
        _Info.model_validate(info)
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:  # of JSON and of pydantic
        raise DamagedSweep(uri, "a plan", str(error), ANEW) from error
    return FrozenPlan(folder, info)


def freeze(
    folder: str,
    attempt: str,
    rows: Iterable[dict[str, Any]],
    settings: dict[str, Any],
    left_out: Mapping[str, int] | None = None,
) -> FrozenPlan:
    """Writes the plan's files and then, create-only, `plan.json`; returns the plan that stands.

    Args:
        folder: `REPORT/_sweeps/<sweep_id>`.
        attempt: Whose plan it is.
        rows: Of the plan, without `part`.
        settings: What it is made from.
        left_out: Counts, by reason, of what the listing left out; complete once the rows are.
    """
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
            with open(path, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = os.path.getsize(path)
            files.append({"part": part, "path": target, "rows": count, "bytes": size, "sha256": digest})
    info = {
        "schema_version": 1,
        "settings": settings,
        "files": files,
        "counts": dict(counts),
        "left_out": dict(left_out or {}),
    }
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
