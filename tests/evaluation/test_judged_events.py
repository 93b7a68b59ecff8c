"""A report with judged events as a labelled set."""

import pytest

from tests.report.rows import event_row, frame_row, object_row, write_commit, write_tables
from vadray import cli
from vadray.errors import RequestError
from vadray.evaluation import read_labels

ARCHIVE = "/data/archive"


def write_sweep(report, sweep: str, objects: list[dict], events: list[dict], archive: str = ARCHIVE) -> None:
    write_tables(report, sweep, [frame_row("x", 0)], events, objects)
    write_commit(report, sweep, archive=archive)


@pytest.fixture
def swept(tmp_path):
    names = ("a.mp4", "b.mp4", "c.mp4", "d.png")
    objects = [object_row(f"{ARCHIVE}/{name}") for name in names]
    objects[3] |= {"kind": "image", "frames_scored": 1}
    objects[1] |= {"kind": "clip"}
    events = [
        event_row(f"{ARCHIVE}/a.mp4", 10, event_id="a1"),
        event_row(f"{ARCHIVE}/a.mp4", 50, event_id="a2"),
        event_row(f"{ARCHIVE}/b.mp4", 10, event_id="b1"),
        event_row(f"{ARCHIVE}/b.mp4", 50, event_id="b2"),
        event_row(f"{ARCHIVE}/d.png", 0, event_id="d1", end_frame=0, start_s=0.0, end_s=0.0),
    ]
    write_sweep(tmp_path, "night", objects, events)
    return tmp_path


def judge(report, **verdicts: str) -> None:
    for event, verdict in verdicts.items():
        assert cli.main(["label", str(report), event, verdict]) == 0


def test_objects_whose_every_event_was_judged_are_labelled(swept):
    judge(swept, a1="right", a2="wrong", b1="right", d1="right")
    labelled = read_labels(str(swept))
    assert labelled.archive == ARCHIVE and labelled.clips
    assert set(labelled.labels) == {"a.mp4", "d.png"}, "c has no event, and of b's two nobody looked at one"
    own = labelled.labels["a.mp4"]
    assert (own.kind, own.frames, own.ranges) == ("video", 200, ((10, 14),))
    assert (labelled.labels["d.png"].kind, labelled.labels["d.png"].ranges) == ("image", ((0, 0),))
    assert labelled.notes == ("1 objects with events that nobody judged are left out",)
    judge(swept, b2="wrong")
    labelled = read_labels(str(swept))
    assert labelled.labels["b.mp4"].kind == "video" and labelled.notes == ()


def test_nothing_judged_is_told(swept):
    judge(swept, a1="right")
    judge(swept, a1="none")
    with pytest.raises(RequestError, match="expected judged events of one archive, received none"):
        read_labels(str(swept))


def test_several_archives_are_told(swept):
    write_sweep(swept, "other", [object_row("/b/a.mp4")], [event_row("/b/a.mp4", 1, event_id="e1")], "/b")
    judge(swept, a1="right", e1="right")
    with pytest.raises(RequestError, match="received those of /b, /data/archive"):
        read_labels(str(swept))


def test_a_report_without_labels_is_no_labelled_set(swept):
    with pytest.raises(RequestError, match="vadray label"):
        read_labels(str(swept))
