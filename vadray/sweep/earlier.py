"""What committed sweeps of a report have dealt with: versions of objects, and until when each camera's footage."""

from collections.abc import Iterable
from datetime import datetime

from vadray.archive.objects import ArchiveObject
from vadray.report import tables
from vadray.report.tables import Commit

_COLUMNS = ("object_uri", "etag", "scoring_digest", "status")
_DEALT_WITH = ("scored", "partial", "quarantined")
_READS = 3  # of a sweep's objects, which a compaction may replace meanwhile


class Earlier:
    """Answers for every object of a listing.

    Args:
        report: Root of the report.
        digests: Scoring digests, by the plan's `bundle` index.
        retry_quarantined: What could not be read is not dealt with.
    """

    def __init__(self, report: str, digests: list[str], retry_quarantined: bool):
        self._digests, self._retry_quarantined = digests, retry_quarantined
        self._known: dict[tuple[str, str, str], str] = {}
        for sweep_id, _ in tables.committed_sweeps(report):  # newest first: what it says of a version stands
            self._read(report, sweep_id)

    def __call__(self, bundle: int, found: ArchiveObject) -> bool:
        """Whether this version of an object was scored by the same scoring digest."""
        status = self._known.get((found.uri, found.etag, self._digests[bundle]))
        return status is not None and not (status == "quarantined" and self._retry_quarantined)

    def _read(self, report: str, sweep_id: str) -> None:
        for read in range(_READS):
            try:
                for batch in tables.iter_table(report, "objects", sweep_id, _COLUMNS):
                    for row in batch.to_pylist():
                        if row["status"] in _DEALT_WITH:
                            key = (row["object_uri"], row["etag"], row["scoring_digest"])
                            self._known.setdefault(key, row["status"])
                return
            except FileNotFoundError:
                if read == _READS - 1:
                    raise


def captured_until(commits: Iterable[Commit]) -> dict[str, datetime]:
    """By camera when the newest object was captured that a committed sweep has dealt with.

    Args:
        commits: Contents of `commit.json` of all sweeps.
    """
    newest: dict[str, datetime] = {}
    for commit in commits:
        for camera, figures in commit.get("cameras", {}).items():
            if figures["captured_until"]:
                until = datetime.fromisoformat(figures["captured_until"])
                newest[camera] = max(until, newest.get(camera, until))
    return newest
