"""Folders of numbered frames against folders of pictures."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from vadray.archive.clips import LEAST_FRAMES, NumberedRun
from vadray.archive.objects import ClipPattern
from vadray.storage import Entry

START = datetime(2026, 11, 22, 1, 2, 3, 456789, tzinfo=UTC)


def entries(names):
    return [
        Entry(f"/a/{name}", 10 + i, f"tag{i}", START + timedelta(microseconds=i))
        for i, name in enumerate(sorted(names))
    ]


def run_of(names):
    run = NumberedRun("/a")
    taken = [run.add(entry) for entry in entries(names)]
    return run, all(taken)


def clip_of(names):
    run, fits = run_of(names)
    return run.clip() if fits else None


@given(
    prefix=st.sampled_from(["", "frame_", "cam2-", "ä #%"]),
    suffix=st.sampled_from([".jpg", "_left.png", ".x.tif"]),
    digits=st.sampled_from([0, 2, 4, 6]),
    first=st.integers(0, 1200),
    count=st.integers(LEAST_FRAMES, 150),
)
def test_a_numbered_run_is_a_clip_whose_members_are_the_files(prefix, suffix, digits, first, count):
    names = [f"{prefix}{number:0{digits}d}{suffix}" for number in range(first, first + count)]
    clip = clip_of(names)
    assert clip.clip.count == count and clip.clip.first == first
    assert [clip.clip.member_uri(clip.uri, index) for index in range(count)] == [
        f"/a/{name}" for name in names
    ]
    assert clip.size == sum(entry.size for entry in entries(names))


@given(st.sets(st.integers(0, 30), min_size=1), st.sampled_from([0, 2, 3]))
def test_a_gap_or_too_few_frames_make_no_clip_and_lose_nothing(numbers, digits):
    names = [f"{number:0{digits}d}.jpg" for number in numbers]
    run = NumberedRun("/a")
    listed = []
    for entry in entries(names):
        if run.is_broken or not run.add(entry):
            listed += [*run.entries(), entry]
    clip = run.clip()
    gapless = len(numbers) >= LEAST_FRAMES and max(numbers) - min(numbers) + 1 == len(numbers)
    assert (clip is not None) == gapless
    if clip is None:
        assert listed + list(run.entries()) == entries(names)


def test_what_is_no_clip():
    frames = [f"{number:03d}.jpg" for number in range(10)]
    assert clip_of(frames) is not None
    assert clip_of(frames[:7]) is None
    assert clip_of([*frames, "010.png"]) is None  # another suffix
    assert clip_of([*frames, "cover.jpg"]) is None
    assert clip_of([*frames, "1.jpg"]) is None  # 1 and 001
    assert clip_of([*frames[:5], *frames[6:]]) is None


def test_numbers_too_long_for_an_integer_still_name_their_files():
    names = [f"{number}.jpg" for number in range(10**19, 10**19 + 9)]
    clip = clip_of(names).clip
    assert [clip.member_name(index) for index in range(9)] == names


def test_padding_runs_over():
    names = [f"{number:02d}.jpg" for number in range(95, 110)]
    assert clip_of(names).clip.member_name(14) == "109.jpg"
    assert ClipPattern("f", 2, ".jpg", 98, 4).member_name(3) == "f101.jpg"


def test_a_changed_frame_changes_the_tag():
    def tag(changed):
        run = NumberedRun("/a")
        for entry in entries([f"{number}.jpg" for number in range(12)]):
            is_changed = changed and entry.uri.endswith("/7.jpg")
            run.add(Entry(entry.uri, entry.size, "new" if is_changed else entry.etag, entry.modified))
        return run.clip().etag

    assert tag(False) == tag(False) != tag(True)
