"""`vadray label`: what people said of events, and what of it counts."""

import json

import pytest

from tests.report.rows import event_row, frame_row, object_row, write_commit, write_tables
from vadray import cli
from vadray.errors import RequestError
from vadray.report.labels import LABELS, read_labels

URI = "/data/a.mp4"


@pytest.fixture
def judged(report):
    events = [event_row(URI, 1, event_id="ab01"), event_row(URI, 30, event_id="ab02")]
    write_tables(report, "night", [frame_row(URI, 0)], events, [object_row(URI)])
    write_commit(report, "night")
    return report


def label(report, *words: str) -> int:
    return cli.main(["label", str(report), *words])


def test_the_newest_judgement_counts_and_all_stay_on_record(judged, capsys):
    assert label(judged, "ab01", "right", "by=ann") == 0
    assert label(judged, "ab02", "wrong", "note=a spider: again") == 0
    assert label(judged, "ab01", "wrong", "by=bob") == 0
    found = {one.event_id: one for one in read_labels(str(judged))}
    assert {name: one.verdict for name, one in found.items()} == {"ab01": "wrong", "ab02": "wrong"}
    one = found["ab01"]
    assert (one.object_uri, one.start_frame, one.end_frame, one.by, one.sweep) == (URI, 1, 5, "bob", "night")
    assert found["ab02"].note == "a spider: again"
    assert len(list((judged / LABELS).iterdir())) == 3
    assert label(judged, "ab01", "none") == 0
    assert [one.event_id for one in read_labels(str(judged))] == ["ab02"]
    capsys.readouterr()
    cli.main(
        [
            "query",
            str(judged),
            "SELECT e.event_id, l.verdict FROM events e LEFT JOIN labels l USING (event_id)",
        ]
    )
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["data"]
    assert {row["event_id"]: row["verdict"] for row in rows} == {"ab01": None, "ab02": "wrong"}


def test_as_much_of_an_id_as_names_it_alone_is_enough(judged, capsys):
    assert label(judged, "ab02", "right") == 0
    for event in ("ab", "", "cd"):
        assert label(judged, event, "right") == 2
        assert "event: expected the id of an event" in capsys.readouterr().err
    assert label(judged, "ab01", "maybe") == 2
    assert len(read_labels(str(judged))) == 1


def test_a_span_that_another_calibration_moved_is_the_same_event(judged):
    label(judged, "ab01", "right")
    (one,) = read_labels(str(judged))
    assert one.meets(URI, 0.5, 3.0) and one.meets(URI, 0.0, 0.1) and one.meets(URI, 0.2, 0.3)
    assert not one.meets(URI, 0.6, 3.0) and not one.meets("/data/b.mp4", 0.1, 0.5)


@pytest.mark.parametrize("content", ["{", "[]", '{"event_id": "a"}', "null"])
def test_a_file_that_is_no_label_is_named(judged, content):
    (judged / LABELS).mkdir()
    (judged / LABELS / "x.json").write_text(content)
    with pytest.raises(RequestError, match=r"x\.json: expected a label"):
        read_labels(str(judged))


def test_nothing_is_judged_at_first(judged):
    assert read_labels(str(judged)) == []
