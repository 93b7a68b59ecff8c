import base64
import hashlib
import html.parser
import re
from datetime import timedelta

import numpy as np
import pytest

from tests.report.rows import (
    NIGHT,
    event_row,
    frame_row,
    object_row,
    thumbnail,
    write_commit,
    write_part,
)
from vadray.errors import RequestError
from vadray.report.html import render, write_report

HOSTILE = '/data/archive/<script>alert("1")</script>&amp;.mp4'


def write_sweep(report, frames=(), events=(), objects=(), sweep_id="night-1", **commit):
    write_part(report, "frames", sweep_id, 0, list(frames))
    write_part(report, "events", sweep_id, 0, list(events))
    write_part(report, "objects", sweep_id, 0, list(objects))
    write_commit(report, sweep_id, **commit)


def page_is_well_formed(page: str) -> None:
    """Every element that is opened is closed, in order."""
    void = {"meta", "img", "br", "input"}

    class Checker(html.parser.HTMLParser):
        open_tags: list[str]

        def __init__(self):
            super().__init__()
            self.open_tags = []

        def handle_starttag(self, tag, attrs):
            if tag not in void:
                self.open_tags.append(tag)

        def handle_startendtag(self, tag, attrs):
            pass

        def handle_endtag(self, tag):
            assert self.open_tags.pop() == tag

    checker = Checker()
    checker.feed(page)
    assert checker.open_tags == []


def test_a_quiet_night_says_so(report):
    write_sweep(report)
    page = render(str(report), "night-1")
    page_is_well_formed(page)
    assert "No event" in page and "every object was read in full" in page and "night-1" in page


def test_the_page_fetches_nothing(report):
    write_sweep(report, events=[event_row("/data/archive/a.mp4", 1, thumbnail=thumbnail())])
    page = render(str(report), "night-1")
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", page)
    assert "@import" not in page and "url(" not in page


def test_the_one_script_is_named_by_its_digest(report):
    write_sweep(report, events=[event_row("/data/archive/a.mp4", 1)])
    page = render(str(report), "night-1")
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in page and "innerHTML" not in script


def test_names_from_the_archive_are_escaped(report):
    write_sweep(
        report,
        frames=[frame_row(HOSTILE, i) for i in range(3)],
        events=[
            event_row(HOSTILE, 1, camera="<em>", rule="<i>", thumbnail=thumbnail()),
            event_row(HOSTILE, 2, camera="<em>", rule="<i>"),
        ],
        objects=[
            object_row(HOSTILE, status="partial", error_type="<u>", error="'><img src=x>", frames_scored=3)
        ],
        archive="/data/archive",
        bundles=[{"path": "<s>", "detector": "stae", "kind": "video", "bundle_digest": "d"}],
    )
    page = render(str(report), "night-1")
    page_is_well_formed(page)
    assert page.count("<script") == 1
    for raw in ("<script>alert", "<em>", "<i>", "<u>", "<img src=x", "<s>"):
        assert raw not in page
    assert "&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt;&amp;amp;.mp4" in page


def test_events_come_by_severity_and_the_surplus_is_counted(report):
    rng = np.random.default_rng(0)
    picture = thumbnail()
    events = [
        event_row(f"/a/{i % 60}.mp4", i, p_value=float(p), thumbnail=picture)
        for i, p in enumerate(rng.permutation(5100) / 5100)
    ]
    objects = [object_row(f"/a/{i}.mp4", frames_scored=10) for i in range(70)]
    frames = [frame_row(f"/a/{i}.mp4", j, score=j / 10) for i in range(70) for j in range(10)]
    write_sweep(report, frames, events, objects)
    page = render(str(report), "night-1")
    page_is_well_formed(page)
    assert page.count("data:image/jpeg;base64,") == 200
    assert page.count("<tr data-event=") == 5000
    assert "100 of 5\u202f100 events are not shown" in page
    shown = [float(p) for p in re.findall(r'class="alert">p ([0-9.e+-]+)<', page)]
    assert shown == sorted(shown) and shown[0] == 0
    assert page.count("<polyline") == 40 and "40 of 70 videos" in page


def test_videos_with_events_are_drawn_first_with_the_events_shaded(report):
    write_sweep(
        report,
        frames=[
            frame_row(uri, i) for uri in ("/data/archive/a.mp4", "/data/archive/b.mp4") for i in range(200)
        ],
        events=[event_row("/data/archive/b.mp4", 100, start_s=10.0, end_s=12.0)],
        objects=[
            object_row("/data/archive/a.mp4", max_score=9.0),
            object_row("/data/archive/b.mp4", max_score=1.0),
            object_row("/data/archive/c.jpg", kind="image", frames_scored=1),
        ],
    )
    page = render(str(report), "night-1")
    names = re.findall(r'<figcaption class="path">([^<]*)<', page)
    assert names == ["b.mp4", "a.mp4"]
    assert page.count("<rect") == 1 and '<rect x="400.0" y="-4" width="80.0"' in page


def test_what_could_not_be_read_is_listed_with_its_reason_worst_first(report):
    write_sweep(
        report,
        objects=[
            object_row("/a/s.txt", kind="image", status="skipped", frames_scored=0),
            object_row("/a/p.mp4", status="partial", error_type="InvalidData", error="cut off"),
            object_row("/a/q.mp4", status="quarantined", error_type="DecoderCrashed", error="signal 11"),
            object_row("/a/good.mp4"),
        ],
    )
    page = render(str(report), "night-1")
    rows = re.findall(r'<tr><th scope="row" class="path">([^<]*)<', page)
    assert rows == ["/a/q.mp4", "/a/p.mp4", "/a/s.txt"]
    assert "signal 11" in page and "1 quarantined (DecoderCrashed)" in page and "no bundle for it" in page


def test_the_copy_is_that_of_the_latest_sweep(report):
    write_sweep(report, sweep_id="night-2", committed_at=NIGHT + timedelta(days=1))
    write_sweep(report, sweep_id="night-1", committed_at=NIGHT)
    page, copy = write_report(str(report))
    assert page.endswith("/report-night-2.html") and copy.endswith("/report.html")
    write_report(str(report), "night-1")
    assert "night-1" in (report / "report-night-1.html").read_text()
    assert (report / "report.html").read_text() == (report / "report-night-2.html").read_text()


def test_figures_of_the_commit_are_shown_when_they_are_there(report):
    write_sweep(
        report,
        objects=[object_row("/a/a.mp4")],
        wall_s=50.0,
        attempts=2,
        tables={"frames": 3, "events": 3, "objects": 4},
        bundles=[{"path": "/b", "detector": "stae", "kind": "video", "bundle_digest": "abc"}],
    )
    page = render(str(report), "night-1")
    assert "50.0 s" in page and "attempts: 2" in page and "objects (version 4)" in page and "stae" in page


def test_a_threshold_that_the_footage_cannot_show_is_said(report):
    bundles = [
        {"detector": "stae", "doubt": "the threshold 0.1 is extrapolated: 0.2 h <cannot> show it"},
        {"detector": "vae", "doubt": ""},
    ]
    write_sweep(report, objects=[object_row("/a/a.mp4")], bundles=bundles)
    page = render(str(report), "night-1")
    assert page.count('class="doubt"') == 1 and "0.2 h &lt;cannot&gt; show it." in page


@pytest.mark.parametrize("sweep_id", [None, "night-1"])
def test_a_sweep_that_is_not_committed_has_no_page(report, sweep_id):
    with pytest.raises(RequestError, match="committed"):
        write_report(str(report), sweep_id)
