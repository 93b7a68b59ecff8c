"""What people said of events: right or wrong. One small file for each judgement, beside the report's tables."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime

from vadray import storage
from vadray.errors import RequestError

LABELS = "_labels"
VERDICTS = ("right", "wrong", "none")
_READERS = 32


@dataclass(frozen=True)
class Label:
    """A judgement of an event.

    Args:
        event_id: The event.
        verdict: "right": something unusual is to be seen; "wrong": a false alarm; "none": an earlier judgement is
            taken back.
        object_uri: Its object.
        camera: Its camera, "" if unknown.
        start_frame: Its first frame.
        end_frame: Its last frame, inclusive.
        start_s: Time of the first frame in the object, in seconds.
        end_s: Time of the last.
        sweep: The sweep in whose report it was judged.
        at: When, ISO 8601, UTC.
        by: Who said so, or None.
        note: Why, or None.
    """

    event_id: str
    verdict: str
    object_uri: str
    camera: str
    start_frame: int
    end_frame: int
    start_s: float
    end_s: float
    sweep: str
    at: str
    by: str | None = None
    note: str | None = None

    def meets(self, object_uri: str, start_s: float, end_s: float) -> bool:
        """Whether a span of an object has a moment in common with it: another calibration moves an event's ends."""
        return self.object_uri == object_uri and self.start_s <= end_s and start_s <= self.end_s


def keep_label(report_uri: str, label: Label) -> None:
    """Keeps a judgement; earlier ones of the same event stay on record, and count no longer."""
    at = datetime.fromisoformat(label.at)
    name = f"{at:%Y%m%dT%H%M%S%f}-{label.event_id}.json"
    storage.write_bytes(storage.join(report_uri, LABELS, name), json.dumps(asdict(label)).encode())


def delete_labels(report_uri: str, object_uri: str) -> int:
    """Deletes all judgements of an object's events, and tells how many there were."""
    folder = storage.join(report_uri, LABELS)
    gone = [
        name
        for name in list(storage.list_names(folder))
        if name.endswith(".json") and _read(storage.join(folder, name)).object_uri == object_uri
    ]
    for name in gone:
        storage.delete(storage.join(folder, name))
    return len(gone)


def read_labels(report_uri: str) -> list[Label]:
    """What counts today: the newest judgement of each event, without those that were taken back.

    Raises:
        RequestError: A file is no label.
    """
    folder = storage.join(report_uri, LABELS)
    names = sorted(name for name in storage.list_names(folder) if name.endswith(".json"))
    with ThreadPoolExecutor(_READERS) as readers:
        every = readers.map(_read, (storage.join(folder, name) for name in names))
        newest = {label.event_id: label for label in sorted(every, key=lambda label: label.at)}
    return [label for label in newest.values() if label.verdict != "none"]


def _read(uri: str) -> Label:
    try:
        label = Label(**json.loads(storage.read_bytes(uri)))
        datetime.fromisoformat(label.at)
    except (TypeError, ValueError) as error:
        raise RequestError(
            f"{uri}: expected a label as `vadray label` writes it, received: {error}"
        ) from error
    if label.verdict not in VERDICTS:
        raise RequestError(f"{uri}: expected a verdict among {VERDICTS}, received {label.verdict!r}")
    return label
