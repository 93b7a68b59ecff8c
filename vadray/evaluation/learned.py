"""What of a labelled set can be scored, and what of it a bundle has learned from and must not be judged by."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from vadray import storage
from vadray.archive.routing import Route
from vadray.bundle import Bundle
from vadray.config import ArchiveOptions
from vadray.evaluation.datasets import LabelledSet
from vadray.sweep import planning
from vadray.sweep.units import FrameShape

LEARNED = "learned.json"


@dataclass(frozen=True)
class LearnedObjects:
    """Objects that a bundle was made from, as `learned.json` in the bundle holds them.

    An object is known again by its URI, and where its set was moved by its path in the set and its size.

    Args:
        parts: Of "train", "validation" (early stopping) and "calibration", the plan's members; a member's `path` is
            that in the labelled set, None of what is no part of it.
    """

    parts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @classmethod
    def of(cls, bundle: Bundle) -> "LearnedObjects":
        """Those of a bundle; none where it keeps no account, as bundles of detectors that need no labels."""
        if LEARNED not in bundle.info["files"]:
            return cls()
        return cls(json.loads(storage.read_bytes(storage.join(bundle.uri, LEARNED))))

    @classmethod
    def from_units(cls, units: dict[str, list[dict[str, Any]]], root: str) -> "LearnedObjects":
        """From plan rows of each part; `root` is the labelled archive."""
        parts = {}
        for name, rows in units.items():
            members = {one["object_uri"]: one for unit in rows for one in unit["members"]}
            parts[name] = [
                {
                    "object_uri": uri,
                    "path": storage.relative(uri, root) if uri.startswith(f"{root}/") else None,
                    "bytes": one["bytes"],
                }
                for uri, one in members.items()
            ]
        return cls(parts)

    def recalibrated(self, units: list[dict[str, Any]], archive: str) -> "LearnedObjects":
        """The same with plan rows of `archive` in place of those that were calibrated on."""
        return LearnedObjects({**self.parts, **self.from_units({"calibration": units}, archive).parts})

    def to_json(self) -> str:
        return json.dumps(self.parts, indent=1)

    def union(self, others: Iterable["LearnedObjects"]) -> "LearnedObjects":
        """All that one of them holds."""
        everything = [one for learned in (self, *others) for part in learned.parts.values() for one in part]
        return LearnedObjects({"any": everything} if everything else {})

    def digest(self) -> str | None:
        """Names the objects; None where there are none."""
        if not any(self.parts.values()):
            return None
        uris = sorted(one["object_uri"] for part in self.parts.values() for one in part)
        return hashlib.sha256(json.dumps(uris).encode()).hexdigest()

    def leave_out(self, units: Sequence[dict[str, Any]], root: str) -> tuple[list[dict[str, Any]], list[str]]:
        """Plan rows without what is held here, and the paths of what was left out."""
        everything = [one for part in self.parts.values() for one in part]
        uris = {one["object_uri"] for one in everything}
        moved = {(one["path"], one["bytes"]) for one in everything if one["path"] is not None}
        kept, left = [], {}
        for unit in units:
            members = []
            for one in unit["members"]:
                path = storage.relative(one["object_uri"], root)
                if one["object_uri"] in uris or (path, one["bytes"]) in moved:
                    left[path] = True
                else:
                    members.append(one)
            if members:
                kept.append({**unit, "members": members})
        return kept, sorted(left)


NOTHING = LearnedObjects()


def plan_labelled(
    labelled: LabelledSet,
    limits: planning.Limits,
    archive: ArchiveOptions,
    kind: str,
    shape: FrameShape,
    digest: str,
    stride: int,
) -> list[dict[str, Any]]:
    """Plan rows of the labelled objects of a kind; what has no label is left out of them. Ray must be connected.

    Args:
        labelled: The set.
        limits: Limits of decoding.
        archive: Pattern, since and until; archive and clips are the set's.
        kind: "image" or "video".
        shape: Frames wanted.
        digest: Of the scoring.
        stride: Of the detector.
    """
    options = ArchiveOptions(
        archive=labelled.archive,
        clips=labelled.clips,
        pattern=archive.pattern,
        since=archive.since,
        until=archive.until,
    )
    route = Route(0, "image" if kind == "image" else "video")
    root = storage.absolute(labelled.archive)
    units = []
    for unit in planning.plan_archive(options, limits, [route], [shape], [digest], [stride]):
        members = [
            one for one in unit["members"] if storage.relative(one["object_uri"], root) in labelled.labels
        ]
        if unit["status"] == "planned" and members:
            units.append({**unit, "members": members})
    return units
