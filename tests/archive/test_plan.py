"""The plan as a pure function: who stands where, how videos are cut, and ids that do not move."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vadray.archive.objects import ArchiveObject, ClipPattern, TarMember
from vadray.archive.plan import (
    BundlePlan,
    Probed,
    clip_boundaries,
    part_of,
    parts_for,
    plan_units,
    unit_id,
)
from vadray.archive.routing import Route, route_of

ROOT = "s3://bucket/cctv"
WHEN = datetime(2026, 11, 22, tzinfo=UTC)
ROUTES = [Route(0, "image"), Route(1, "video", camera="gate*"), Route(2, "video", pattern="shops/*")]
BUNDLES = [BundlePlan("i" * 64, 1, 0), BundlePlan("v" * 64, 100, 9), BundlePlan("w" * 64, 30, 4)]


def thing(path, kind="image", size=100, **fields):
    return ArchiveObject(f"{ROOT}/{path}", kind, size, f"tag of {path}", WHEN, **fields)


def plan(probed, unit_images=4):
    return list(plan_units(probed, root=ROOT, routes=ROUTES, bundles=BUNDLES, unit_images=unit_images))


def uris(row):
    return [member["object_uri"].removeprefix(f"{ROOT}/") for member in row["members"]]


def test_the_first_route_that_fits_wins():
    assert route_of(thing("a.jpg"), ROUTES, ROOT) == 0
    assert route_of(thing("shops/a.mp4", "video", camera="gate 1"), ROUTES, ROOT) == 1
    assert route_of(thing("shops/deep/a.mp4", "video", camera="door"), ROUTES, ROOT) == 2
    assert route_of(thing("shops/walk", "clip"), ROUTES, ROOT) == 2
    assert route_of(thing("a.mp4", "video"), ROUTES, ROOT) is None
    with pytest.raises(ValueError, match="kind"):
        Route(0, "clip")


def test_images_gather_across_folders_and_between_videos():
    images = [Probed(thing(f"{i}/x.jpg")) for i in range(6)]
    video = Probed(thing("v.mp4", "video", camera="gate"), frames_estimate=80)
    rows = plan([*images[:2], video, *images[2:]])
    assert [uris(row) for row in rows] == [
        ["v.mp4"],
        ["0/x.jpg", "1/x.jpg", "2/x.jpg", "3/x.jpg"],
        ["4/x.jpg", "5/x.jpg"],
    ]
    assert [row["object_index"] for row in rows] == [0, 1, 5]
    assert [row["frames_estimate"] for row in rows] == [80, 4, 2]
    assert [row["bundle"] for row in rows] == [1, 0, 0]
    assert all(row["status"] == "planned" and row["unit_count"] == 1 for row in rows)


def test_a_video_with_an_index_becomes_several_units():
    cuts = [(None, None, 1000), (900, 1000, 2000), (1900, 2000, None)]
    video = Probed(thing("v.mp4", "video", size=1001, camera="gate"), boundaries=cuts, frames_estimate=250)
    rows = plan([video, Probed(thing("a.jpg"))])
    assert [(row["lead_pts"], row["start_pts"], row["end_pts"]) for row in rows[:3]] == cuts
    assert [(row["unit_index"], row["unit_count"], row["object_index"]) for row in rows[:3]] == [
        (0, 3, 0),
        (1, 3, 0),
        (2, 3, 0),
    ]
    assert [row["frames_estimate"] for row in rows[:3]] == [100, 100, 50]
    assert sum(row["bytes"] for row in rows[:3]) == 1001
    assert rows[3]["object_index"] == 1
    assert len({row["unit_id"] for row in rows}) == 4


def test_a_video_without_an_index_is_one_streaming_unit():
    [row] = plan([Probed(thing("v.mp4", "video", camera="gate"))])
    assert (row["status"], row["unit_count"], row["start_pts"], row["end_pts"]) == ("planned", 1, None, None)


def test_what_cannot_be_opened_is_quarantined_without_work():
    bad = Probed(thing("v.mp4", "video", camera="gate"), error_type="InvalidData", error="no moov")
    shard = Probed(thing("s.tar", error_type="DamagedShard", error="cut"))
    rows = plan([bad, shard])
    assert [(row["status"], row["error_type"], row["error"], row["bundle"]) for row in rows] == [
        ("quarantined", "InvalidData", "no moov", 1),
        ("quarantined", "DamagedShard", "cut", None),
    ]


def test_skipped_and_unchanged_objects_stand_in_groups_of_their_own():
    probed = [Probed(thing(f"{i}.mp4", "video")) for i in range(5)]
    probed += [Probed(thing(f"{i}.jpg"), unchanged=True) for i in range(3)]
    rows = plan(probed)
    assert [(row["status"], len(row["members"]), row["bundle"]) for row in rows] == [
        ("skipped", 4, None),
        ("skipped", 1, None),
        ("unchanged", 3, 0),
    ]
    assert rows[0]["scoring_digest"] is None and rows[2]["scoring_digest"] == "i" * 64


def test_clips_are_cut_by_frames():
    walk = thing("shops/walk", "clip", size=700, clip=ClipPattern("f", 4, ".jpg", 7, 70))
    rows = plan([Probed(walk)])
    assert [(row["lead_pts"], row["start_pts"], row["end_pts"], row["frames_estimate"]) for row in rows] == [
        (None, None, 30, 30),
        (26, 30, 60, 30),
        (56, 60, None, 10),
    ]
    member = rows[1]["members"][0]
    assert [member[f"clip_{name}"] for name in ("prefix", "digits", "suffix", "first", "count")] == [
        "f",
        4,
        ".jpg",
        7,
        70,
    ]


def test_a_shard_member_keeps_where_its_bytes_lie():
    inside = thing("s.tar#a.jpg", tar=TarMember(f"{ROOT}/s.tar", 1536, 100))
    [row] = plan([Probed(inside)])
    assert (row["members"][0]["shard_uri"], row["members"][0]["shard_offset"]) == (f"{ROOT}/s.tar", 1536)


@given(st.integers(1, 500), st.integers(1, 60), st.integers(0, 20))
def test_clip_units_cover_every_frame_once_with_their_lead(frames, unit_frames, lead_frames):
    ranges = clip_boundaries(frames, unit_frames, lead_frames)
    covered = []
    for lead, start, end in ranges:
        assert (lead or 0) == max(0, (start or 0) - lead_frames)
        covered += range(start or 0, frames if end is None else end)
    assert covered == list(range(frames))
    assert ranges[0][1] is None and ranges[-1][2] is None


def test_ids_depend_on_version_range_and_digest_alone():
    """The first figure is frozen: if it moves, every archive would be scored again."""
    base = unit_id([("/a/ä #1.mp4", "10-20")], (None, None, 5), "d")
    assert base == "7b75b452ba8da960494900cc7de71a15"
    others = [
        unit_id([("/a/ä #1.mp4", "10-21")], (None, None, 5), "d"),
        unit_id([("/a/ä #2.mp4", "10-20")], (None, None, 5), "d"),
        unit_id([("/a/ä #1.mp4", "10-20")], (None, None, 6), "d"),
        unit_id([("/a/ä #1.mp4", "10-20")], (None, 5, None), "d"),
        unit_id([("/a/ä #1.mp4", "10-20")], (None, None, 5), "e"),
        unit_id([("/a/ä #1.mp4", "10-20")] * 2, (None, None, 5), "d"),
    ]
    assert len({base, *others}) == 7


@st.composite
def archives(draw):
    probed = []
    for index in range(draw(st.integers(0, 60))):
        kind = draw(st.sampled_from(["image", "image", "video", "clip"]))
        clip = ClipPattern("", 0, ".jpg", 0, draw(st.integers(8, 300))) if kind == "clip" else None
        found = thing(
            f"{draw(st.sampled_from(['shops', 'x']))}/{index}",
            kind,
            size=draw(st.integers(0, 10_000)),
            camera=draw(st.sampled_from([None, "gate 1", "door"])),
            clip=clip,
        )
        cuts = (
            [(None, None, 10), (5, 10, 20), (15, 20, None)][: draw(st.integers(0, 3))]
            if kind == "video"
            else None
        )
        error = draw(st.sampled_from([None, None, None, "InvalidData"]))
        probed.append(Probed(found, cuts, None, error, error, unchanged=draw(st.booleans())))
    return probed


@given(archives(), st.integers(1, 9))
def test_every_object_stands_in_exactly_one_place(probed, unit_images):
    rows = plan(probed, unit_images)
    first_units = [row for row in rows if row["unit_index"] == 0]
    listed = [uri for row in first_units for uri in uris(row)]
    assert sorted(listed) == sorted(item.object.uri.removeprefix(f"{ROOT}/") for item in probed)
    position = 0
    for row in first_units:
        assert row["object_index"] == position
        position += len(row["members"])
    assert sum(row["bytes"] for row in rows) == sum(item.object.size for item in probed)
    assert len({row["unit_id"] for row in rows}) == len(rows)
    assert all(len(row["members"]) <= unit_images for row in rows)
    for row in rows:
        assert (row["bundle"] is None) == (row["scoring_digest"] is None)
        if row["status"] == "planned":
            assert row["bundle"] is not None
    assert rows == plan(probed, unit_images)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 256))
def test_parts_are_stable_and_in_range(uri, parts):
    assert 0 <= part_of(uri, parts) < parts
    assert part_of(uri, parts) == part_of(uri, parts)
    assert part_of("/data/a.mp4", 256) == 245  # frozen, like the ids


def test_how_many_parts():
    assert [parts_for(count) for count in (0, 1, 64, 65, 6400, 10**9)] == [1, 1, 1, 2, 100, 256]


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="unit_images"):
        plan([], unit_images=0)
    with pytest.raises(ValueError, match="unit_frames"):
        BundlePlan("d", 0, 1)
