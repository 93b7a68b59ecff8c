"""A report as a labelled set: the events of its sweeps that people judged, see `vadray label`."""

from collections.abc import Collection

from vadray import storage
from vadray.errors import RequestError
from vadray.evaluation.datasets.labelled import LabelledSet, ObjectLabels
from vadray.evaluation.datasets.layout import Layout
from vadray.report.labels import LABELS, Label, read_labels
from vadray.report.tables import SWEEPS, read_commit, read_table

DESCRIPTION = f"a report with {SWEEPS}/ and {LABELS}/, whose events were judged by `vadray label`"
_EVENT = ["event_id", "object_uri", "start_s", "end_s"]
_OBJECT = ["object_uri", "kind", "frames_scored"]


def read(root: str, names: Collection[str]) -> LabelledSet | None:
    """Reads what was judged. Frames of events that are right are anomalous, all others of the same object normal.

    An object is in the set where every event that its sweep found in it was judged: what nobody looked at is neither.
    So this tells how right the events are, and which a new bundle would find again; not what no sweep has found.

    Raises:
        RequestError: Nothing is judged, or the sweeps are of several archives.
    """
    if SWEEPS not in names or LABELS not in names:
        return None
    by_sweep: dict[str, list[Label]] = {}
    for label in read_labels(root):
        by_sweep.setdefault(label.sweep, []).append(label)
    archives = {str((read_commit(root, sweep) or {}).get("archive")) for sweep in by_sweep}
    if len(archives) != 1:
        received = f"those of {', '.join(sorted(archives))}" if archives else "none"
        raise RequestError(f"{root}: expected judged events of one archive, received {received}")
    (archive,) = archives
    labels: dict[str, ObjectLabels] = {}
    open_ = 0
    for sweep, judged in by_sweep.items():
        found, unjudged = _of_sweep(root, sweep, judged, archive)
        labels |= found
        open_ += unjudged
    notes = (f"{open_} objects with events that nobody judged are left out",) if open_ else ()
    clips = any(own.kind == "video" for own in labels.values())
    return LabelledSet(archive, labels, clips, storage.join(root, LABELS), notes=notes)


LAYOUT = Layout(DESCRIPTION, read)


def _of_sweep(
    root: str, sweep: str, judged: list[Label], archive: str
) -> tuple[dict[str, ObjectLabels], int]:
    """Labels of a sweep's judged objects by path, and how many objects have events that are not judged."""
    uris = {label.object_uri for label in judged}
    unjudged = {
        event["object_uri"]
        for event in read_table(root, "events", sweep, _EVENT).to_pylist()
        if event["object_uri"] in uris
        and not any(label.meets(event["object_uri"], event["start_s"], event["end_s"]) for label in judged)
    }
    labels = {}
    for row in read_table(root, "objects", sweep, _OBJECT).to_pylist():
        uri = row["object_uri"]
        if uri in uris - unjudged:
            ranges = tuple(
                (label.start_frame, label.end_frame)
                for label in judged
                if label.object_uri == uri and label.verdict == "right"
            )
            kind = "image" if row["kind"] == "image" else "video"
            labels[storage.relative(uri, archive)] = ObjectLabels(kind, row["frames_scored"], ranges)
    return labels, len(unjudged)
