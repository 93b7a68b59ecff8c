"""The object store or folder: what can be read, and whether it keeps the conditions of writes."""

import time
import uuid

from vadray import storage
from vadray.archive.listing import list_archive
from vadray.doctor.finding import Finding
from vadray.errors import RequestError, VadrayError

READ_BYTES = 2**20


def examine_archive(archive: str, pattern: str | None) -> list[Finding]:
    """Lists its first object and reads the beginning of it."""
    try:
        first = next(list_archive(storage.absolute(archive), pattern=pattern), None)
    except (VadrayError, OSError) as error:
        return [Finding("archive", "fault", str(error), "a path that this machine may list")]
    if first is None:
        return [Finding("archive", "warning", f"{archive} has no image and no video", "another path")]
    uri = first.tar.shard_uri if first.tar else first.uri
    if first.kind == "clip":
        return [Finding("archive", "ok", f"lists {uri}")]
    begun = time.monotonic()
    try:
        with storage.open_read(uri) as file:
            size = len(file.read(READ_BYTES))
    except (VadrayError, OSError) as error:
        advice = "credentials that may read objects, not only list them; in every node's environment"
        return [Finding("archive", "fault", f"{uri}: {error}", advice)]
    took = time.monotonic() - begun
    said = f"lists {uri} and reads {size:,} bytes of it in {took * 1000:.0f} ms"
    findings = [Finding("archive", "ok", said)]
    if first.camera is None and first.captured_at is None:
        advice = (
            "pattern= says where they stand; without them since, until and per_camera know files' times alone"
        )
        findings.append(Finding("camera and time", "warning", "not in the paths", advice))
    return findings


def examine_report(out: str, lease_s: float) -> list[Finding]:
    """Writes, conditionally, beside where a report would be, and deletes it again."""
    from vadray.sweep.lease import require_conditions  # no Ray in there

    folder = storage.absolute(out)
    try:
        require_conditions(folder)
    except RequestError as error:
        advice = "another store for `out`; or, where one driver alone can ever run, single_driver=true"
        return [Finding("conditional writes", "fault", str(error), advice)]
    except (VadrayError, OSError) as error:
        return [Finding("report", "fault", f"{out}: {error}", "a place where this machine may write")]
    uri = storage.join(folder, f"clock-{uuid.uuid4().hex}")
    storage.write_bytes(uri, b"")
    age = storage.age_s(uri)
    storage.delete(uri)
    findings = [Finding("conditional writes", "ok", f"kept in {out}")]
    if not -1 <= age <= lease_s / 3:
        advice = "look at the store: a lease lives by its clock"
        findings.append(
            Finding("clock of the store", "warning", f"what was just written is {age:.0f} s old", advice)
        )
    return findings
