"""What listing recognises, on files and on a real S3 server alike."""

import io
import os
import tarfile
from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vadray import storage
from vadray.archive.listing import kind_of, list_archive
from vadray.errors import RequestError

FILES = [
    "camera=a/day=01/00.mp4",
    "camera=a/day=01/notes.txt",
    "camera=b/date=2026-11-22/X Y.JPG",
    "50%25 #2/ü 夜.mkv",
    "plus+&?=;/q.webm",
    "loose/one.png",
    "loose/two.jpeg",
    "loose/deep/three.tiff",
    ".hidden/no.mp4",
    "_sweeps/no.jpg",
    "loose/.no.jpg",
    "loose/_no.mp4",
    "noextension",
    "loose/mp4",
]


def tar_bytes(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in members:
            header = tarfile.TarInfo(name)
            header.size = len(data)
            tar.addfile(header, io.BytesIO(data))
    return buffer.getvalue()


def fill(place):
    for path in FILES:
        storage.write_bytes(storage.join(place, path), path.encode())
    for number in range(95, 107):
        storage.write_bytes(storage.join(place, f"walk #1/f{number}.jpg"), b"%d" % number)
    for number in range(9):
        storage.write_bytes(storage.join(place, f"walk #1/inner/{number:04d}.png"), b"x")
    storage.write_bytes(storage.join(place, "walk #1/clip.mp4"), b"v")
    storage.write_bytes(
        storage.join(place, "shards/s 1.tar"),
        tar_bytes([("000.jpg", b"first"), ("000.json", b"{}"), ("dir/0#1.mp4", b"movie" * 200)]),
    )


def listed(place, **options):
    return {storage.relative(found.uri, place): found for found in list_archive(place, **options)}


def test_one_archive_on_files_and_on_s3(place):
    fill(place)
    skipped = Counter()
    found = listed(place, skipped=skipped)
    assert {path: item.kind for path, item in found.items()} == {
        "camera=a/day=01/00.mp4": "video",
        "camera=b/date=2026-11-22/X Y.JPG": "image",
        "50%25 #2/ü 夜.mkv": "video",
        "plus+&?=;/q.webm": "video",
        "loose/one.png": "image",
        "loose/two.jpeg": "image",
        "loose/deep/three.tiff": "image",
        "walk #1": "clip",
        "walk #1/inner": "clip",
        "walk #1/clip.mp4": "video",
        "shards/s 1.tar#000.jpg": "image",
        "shards/s 1.tar#dir/0#1.mp4": "video",
    }
    assert skipped == {"not an image, a video or a shard": 4}
    assert found["camera=a/day=01/00.mp4"].camera == "a"
    assert found["camera=b/date=2026-11-22/X Y.JPG"].captured_at == datetime(2026, 11, 22, tzinfo=UTC)
    clip = found["walk #1"]
    assert (clip.clip.first, clip.clip.count, clip.size) == (95, 12, 2 * 5 + 3 * 7)
    assert storage.read_bytes(clip.clip.member_uri(clip.uri, 5)) == b"100"
    for item in found.values():
        assert item.etag and item.modified.utcoffset().total_seconds() == 0
        if item.clip is None and item.tar is None:
            assert (
                storage.read_bytes(item.uri) == storage.relative(item.uri, place).encode()[: item.size]
                or item.size == 1
            )


def test_a_shard_member_is_one_ranged_read(place):
    fill(place)
    member = listed(place)["shards/s 1.tar#dir/0#1.mp4"]
    with storage.open_read(member.tar.shard_uri) as shard:
        shard.seek(member.tar.offset)
        assert shard.read(member.tar.size) == b"movie" * 200
    assert member.size == member.tar.size == 1000


def test_without_clips_their_frames_are_images(place):
    fill(place)
    found = listed(place, clips=False)
    assert found["walk #1/f100.jpg"].kind == "image"
    assert "walk #1" not in found and len(found) == 10 + 12 + 9


def test_a_single_object_and_a_folder_that_is_a_clip(place):
    fill(place)
    [single] = list_archive(storage.join(place, "loose/one.png"))
    assert single.kind == "image" and single.uri.endswith("loose/one.png")
    [clip] = list_archive(storage.join(place, "walk #1/inner"), pattern="{camera}/{...}")
    assert clip.kind == "clip" and clip.camera is None


def test_patterns_name_cameras_of_clips_too(place):
    fill(place)
    found = listed(place, pattern="{camera}/{...}")
    assert found["walk #1"].camera == found["walk #1/inner"].camera == "walk #1"
    assert found["shards/s 1.tar#000.jpg"].camera == "shards"
    assert listed(place, pattern="walk #1/{camera}")["walk #1/inner"].camera == "inner"


def test_time_limits_take_the_time_captured_or_else_modified(place):
    fill(place)
    skipped = Counter()
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    early = listed(place, until=datetime(2000, 1, 1, tzinfo=UTC), skipped=skipped)
    assert early == {} and skipped["outside the time asked for"] == 12
    captured = "camera=b/date=2026-11-22/X Y.JPG"
    others = len(listed(place)) - 1
    now = datetime.now(UTC)
    late = listed(place, since=noon)
    assert captured not in late
    assert len(late) == (others if now > noon else 0)


def test_an_absent_archive_is_a_wrong_request(place):
    with pytest.raises(RequestError):
        list(list_archive(storage.join(place, "absent")))


def test_damaged_and_hostile_shards(tmp_path):
    good = tar_bytes([("a.jpg", b"x" * 600), ("b.jpg", b"y" * 5000), ("c.jpg", b"z")])
    (tmp_path / "cut.tar").write_bytes(good[:4000])
    (tmp_path / "noise.tar").write_bytes(os.urandom(4096))
    (tmp_path / "empty.tar").write_bytes(b"")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in [
            "../up.jpg",
            "/etc/root.jpg",
            "a/../../up2.jpg",
            "._mac.jpg",
            "ok/./x.jpg",
            "ok/x.jpg",
            "ok.jpg",
        ]:
            header = tarfile.TarInfo(name)
            header.size = 3
            tar.addfile(header, io.BytesIO(b"abc"))
        link = tarfile.TarInfo("link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    (tmp_path / "hostile.tar").write_bytes(buffer.getvalue())
    skipped = Counter()
    found = list(list_archive(str(tmp_path), skipped=skipped))
    uris = [storage.relative(item.uri, str(tmp_path)) for item in found]
    assert len(set(uris)) == len(uris)
    assert [uri for uri in uris if uri.startswith("hostile")] == [
        "hostile.tar#ok/x.jpg",
        "hostile.tar#ok.jpg",
    ]
    assert skipped["a shard's member whose name leads out of it"] == 3
    assert skipped["a shard's member that is no plain file"] == 1
    assert skipped["a name that stands twice in a shard"] == 1
    assert [uri for uri in uris if uri.startswith("cut")] == ["cut.tar#a.jpg", "cut.tar"]
    damaged = {item.uri.rpartition("/")[2]: item for item in found if item.error_type}
    assert sorted(damaged) == ["cut.tar", "empty.tar", "noise.tar"]
    assert {item.error_type for item in damaged.values()} == {"DamagedShard"}


def test_links_that_lead_out_are_counted(tmp_path):
    (tmp_path / "outside.mp4").write_bytes(b"x")
    root = tmp_path / "root"
    root.mkdir()
    (root / "in.mp4").write_bytes(b"x")
    (root / "out.mp4").symlink_to(tmp_path / "outside.mp4")
    (root / "loop").symlink_to(root)
    skipped = Counter()
    assert list(listed(str(root), skipped=skipped)) == ["in.mp4"]
    assert sum(skipped.values()) == 2


name = st.one_of(
    st.integers(0, 40).map(lambda n: f"{n}.jpg"),
    st.integers(0, 40).map(lambda n: f"{n:03d}.jpg"),
    st.sampled_from(["a.mp4", "b.jpg", "c.png", "a-b.jpg", "z.txt"]),
)
tree = st.dictionaries(
    st.sampled_from(["", "a", "a/b", "a-b", "a.jpg", "c"]), st.sets(name, max_size=20), max_size=5
)


@settings(max_examples=40)
@given(tree, st.booleans())
def test_every_picture_and_video_is_in_exactly_one_object(tmp_path_factory, folders, clips):
    root = tmp_path_factory.mktemp("tree")
    expected = []
    for folder, names in folders.items():
        for file_name in names:
            path = root / folder / file_name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
            if kind_of(file_name):
                expected.append(str(path))
    covered = []
    for found in list_archive(str(root), clips=clips):
        if found.clip:
            covered += [found.clip.member_uri(found.uri, index) for index in range(found.clip.count)]
        else:
            covered.append(found.uri)
    assert sorted(covered) == sorted(expected)


def test_listing_streams_what_is_there(tmp_path):
    for folder in range(10):
        (tmp_path / f"camera={folder}").mkdir()
        for number in range(800):
            os.close(os.open(tmp_path / f"camera={folder}" / f"{number * 7}.jpg", os.O_CREAT))
    assert sum(1 for _ in list_archive(str(tmp_path))) == 8000
    first = next(list_archive(str(tmp_path)))
    assert first.camera == "0"
