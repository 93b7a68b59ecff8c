"""Objects that a report has forgotten: known by digests of their names alone, and never swept again."""

import hashlib
import json
from datetime import UTC, datetime

from vadray import storage

FOLDER = "_forgotten"


def digest_of(object_uri: str) -> str:
    """What is kept of an object's name."""
    return hashlib.sha256(object_uri.encode()).hexdigest()


def remember_to_forget(report_uri: str, object_uri: str) -> None:
    """Keeps the digest, so that sweeps leave the object out."""
    content = json.dumps({"at": datetime.now(UTC).isoformat(timespec="seconds")}).encode()
    storage.write_bytes(storage.join(report_uri, FOLDER, f"{digest_of(object_uri)}.json"), content)


def forgotten(report_uri: str) -> set[str]:
    """Digests of all that is forgotten."""
    names = storage.list_names(storage.join(report_uri, FOLDER))
    return {name.removesuffix(".json") for name in names}
