"""What paths say about camera and time."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vadray.archive.pattern import compile_pattern, parse_time
from vadray.errors import RequestError


def day(*numbers):
    return datetime(*numbers, tzinfo=UTC)


@pytest.mark.parametrize(
    "pattern, path, camera, captured_at",
    [
        ("{camera}/{captured_at:%Y-%m-%d}/{...}", "gate 3/2026-11-22/a/b.mp4", "gate 3", day(2026, 11, 22)),
        ("{camera}/{captured_at:%Y/%m/%d}/{...}", "gate/2026/11/22/x.mp4", "gate", day(2026, 11, 22)),
        (
            "{camera}_{captured_at:%Y%m%dT%H%M%S}.mp4",
            "a_b_20261122T180501.mp4",
            "a_b",
            day(2026, 11, 22, 18, 5, 1),
        ),
        ("{captured_at:%Y-%m-%d}/{captured_at:%H}.mp4", "2026-11-22/07.mp4", None, day(2026, 11, 22, 7)),
        ("{captured_at:%Y%m%d%z}/{...}", "20261122+0200/x.jpg", None, day(2026, 11, 21, 22)),
        (
            "{site}/{camera}/{captured_at}.jpg",
            "north/c1/2026-11-22T10:30:00.jpg",
            "c1",
            day(2026, 11, 22, 10, 30),
        ),
        ("{camera}/{...}", "50%#.x/", "50%#.x", None),
        ("{camera}.mp4", "folder/cam.mp4", None, None),  # a field does not cross a slash
        ("{camera}+.mp4", "a+.mp4", "a", None),  # other text is literal
        ("{captured_at:%Y%m%d}.mp4", "20261399.mp4", None, None),  # shaped like a time, but none
    ],
)
def test_a_pattern_reads_a_path(pattern, path, camera, captured_at):
    assert compile_pattern(pattern).match(path) == (camera, captured_at)


@pytest.mark.parametrize(
    "path, camera, captured_at",
    [
        ("camera=gate 3/day=01/x.mp4", "gate 3", None),
        ("cam=a/date=2026-11-22/x.mp4", "a", day(2026, 11, 22)),
        ("date=2026-11-22/hour=13/x.mp4", None, day(2026, 11, 22, 13)),
        ("year=2026/month=11/day=22/hour=05/minute=30/x.mp4", None, day(2026, 11, 22, 5, 30)),
        ("dt=2026-11-22T10%3A30%3A00/x.mp4", None, day(2026, 11, 22, 10, 30)),
        ("captured_at=20261122/x.mp4", None, day(2026, 11, 22)),
        ("camera=/day=31/x.mp4", None, None),
        ("year=2026/month=13/day=1/x.mp4", None, None),
        ("plain/camera=file.mp4", None, None),  # a file name is no hive folder
    ],
)
def test_hive_folders_are_understood_without_a_pattern(path, camera, captured_at):
    assert compile_pattern(None).match(path) == (camera, captured_at)


def test_hive_folders_fill_what_the_pattern_leaves_open():
    pattern = compile_pattern("{...}/{captured_at:%H%M%S}.mp4")
    assert pattern.match("camera=c7/x/101112.mp4") == ("c7", datetime(1900, 1, 1, 10, 11, 12, tzinfo=UTC))
    assert compile_pattern("{camera}.mp4").match("camera=c7/x/y.mp4") == ("c7", None)


@pytest.mark.parametrize(
    "pattern, complaint",
    [
        ("{camera", "unbalanced"),
        ("camera}", "unbalanced"),
        ("{camera}/{}", "expected a name"),
        ("{camera}/{a-b}", "expected a name"),
        ("{camera:%Y}", "only captured_at"),
        ("{camera}/{camera}", "twice"),
        ("{captured_at:}", "empty format"),
        ("{captured_at:%Q}", "%Q"),
        ("{captured_at:%Y%}", "directive"),
        ("{captured_at}/{captured_at:%H}", "only once"),
        ("{...}", "neither"),
        ("", "neither"),
    ],
)
def test_a_bad_pattern_says_what_is_wrong(pattern, complaint):
    with pytest.raises(RequestError, match=complaint) as refusal:
        compile_pattern(pattern)
    assert pattern in str(refusal.value)


def test_times_without_an_offset_are_utc():
    assert parse_time("2026-11-22", "since") == day(2026, 11, 22)
    assert parse_time("2026-11-22T02:00+02:00", "since") == day(2026, 11, 22)
    with pytest.raises(RequestError, match="since"):
        parse_time("yesterday", "since")


segment = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)


@given(
    segment,
    st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)),
    st.lists(segment, min_size=1, max_size=3),
)
def test_what_was_put_into_a_path_comes_out(camera, moment, rest):
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    pattern = compile_pattern("{camera}/{captured_at:%Y-%m-%dT%H:%M:%S}/{...}")
    path = f"{camera}/{moment:%Y-%m-%dT%H:%M:%S}/{'/'.join(rest)}"
    assert pattern.match(path) == (camera, moment)


@given(st.text(max_size=60))
def test_any_text_compiles_or_is_refused_and_any_path_matches_or_not(text):
    try:
        pattern = compile_pattern(text)
    except RequestError:
        return
    pattern.match(text)


@given(st.text(st.sampled_from("camerdyhout=/-0129TZ:%"), max_size=40))
def test_no_path_breaks_the_hive_reading(path):
    _, captured_at = compile_pattern(None).match(path)
    assert captured_at is None or captured_at.tzinfo is UTC
