"""Storage: the same behaviour on files and on a real S3 server."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faulty_proxy import faulty_proxy
from tests.s3_server import running_s3_server
from vadray import storage
from vadray.errors import ObjectChanged, RequestError

ODD_NAMES = ["a b.mp4", "50%25.mp4", "take#2.mp4", "straße 夜.mp4", "plus+and&.mp4", "q?x=1.mp4"]


@pytest.fixture(params=["local", "s3"])
def root(request, tmp_path):
    """An empty place of each kind."""
    if request.param == "local":
        return str(tmp_path / "place")
    server = request.getfixturevalue("s3_server")
    return f"{server.uri}/{tmp_path.name}"


def names(uri, **options):
    return [storage.relative(entry.uri, uri) for entry in storage.list_objects(uri, **options)]


def test_written_bytes_come_back_and_are_replaced(root):
    uri = storage.join(root, "deep/er", "x.bin")
    storage.write_bytes(uri, b"old")
    storage.write_bytes(uri, b"new")
    assert storage.read_bytes(uri) == b"new"
    assert storage.exists(uri) and storage.exists(root)
    assert list(storage.list_names(storage.join(root, "deep/er"))) == ["x.bin"]
    storage.delete(uri)
    storage.delete(uri)
    assert not storage.exists(uri)
    with pytest.raises(FileNotFoundError):
        storage.read_bytes(uri)
    with pytest.raises(FileNotFoundError):
        storage.open_read(uri).read()


def test_a_folder_is_deleted_with_all_that_is_in_it_and_nothing_beside_it(root):
    folder = storage.join(root, "run")
    for name in ("a", "deep/er/b", ".hidden/c", "_sweeps/d", *ODD_NAMES):
        storage.write_bytes(storage.join(folder, name), b"x")
    storage.write_bytes(storage.join(root, "run-2/a"), b"x")
    assert storage.exists(folder)
    storage.delete_folder(folder)
    storage.delete_folder(folder)
    assert not storage.exists(folder)
    assert names(root) == ["run-2/a"]


def test_a_file_is_no_folder_to_write_in(tmp_path):
    (tmp_path / "file").write_text("x")
    assert storage.folder(str(tmp_path / "new/deep"), "out") == str(tmp_path / "new/deep")
    assert storage.folder("s3://bucket/x", "out") == "s3://bucket/x"
    with pytest.raises(RequestError, match=r"out: expected a folder, received the file .*/file$"):
        storage.folder(str(tmp_path / "file"), "out")
    with pytest.raises(RequestError, match=r"/file/report, where .*/file is a file$"):
        storage.folder(str(tmp_path / "file/report"), "out")


def test_odd_names_survive(root):
    for name in ODD_NAMES:
        storage.write_bytes(storage.join(root, name), name.encode())
    assert sorted(names(root)) == sorted(ODD_NAMES)
    for entry in storage.list_objects(root):
        assert storage.read_bytes(entry.uri) == storage.name(entry.uri).encode()
        with storage.open_read(entry.uri) as file:
            assert file.read() == storage.name(entry.uri).encode()
        assert entry.size == len(storage.name(entry.uri).encode())
        assert entry.modified.tzinfo is UTC or entry.modified.utcoffset().total_seconds() == 0
        assert entry.etag and '"' not in entry.etag


def test_listing_has_no_siblings_and_can_leave_out_hidden_names(root):
    for path in ["day=0/1.mp4", "day=01/2.mp4", "day=0/_x/3.mp4", "day=0/.h.mp4", "day=0/a_b/c.mp4"]:
        storage.write_bytes(storage.join(root, path), b"x")
    place = storage.join(root, "day=0")
    assert sorted(names(place)) == [".h.mp4", "1.mp4", "_x/3.mp4", "a_b/c.mp4"]
    assert names(place, hidden=False) == ["1.mp4", "a_b/c.mp4"]
    assert sorted(storage.list_names(root)) == ["day=0", "day=01"]


def test_a_single_object_yields_itself(root):
    uri = storage.join(root, "one.mp4")
    storage.write_bytes(uri, b"123")
    assert [(entry.uri, entry.size) for entry in storage.list_objects(uri)] == [(uri, 3)]


def test_an_absent_root_is_a_wrong_request(root):
    with pytest.raises(RequestError, match="nothing-here"):
        list(storage.list_objects(storage.join(root, "nothing-here")))
    assert list(storage.list_names(storage.join(root, "nothing-here"))) == []


def test_an_absent_bucket_is_a_wrong_request(s3_server):
    with pytest.raises(RequestError, match="no-such-bucket"):
        list(storage.list_objects("s3://no-such-bucket/x"))


def test_one_creator_among_many(root):
    uri = storage.join(root, "commit.json")
    storage.write_bytes(storage.join(root, "warm"), b"")
    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(lambda i: storage.create_bytes(uri, b"%d" % i), range(8)))
    assert sum(created) == 1
    assert storage.read_bytes(uri) == b"%d" % created.index(True)
    assert sorted(storage.list_names(root)) == ["commit.json", "warm"]


def test_reading_seeks(root):
    data = os.urandom(3 << 20)
    uri = storage.join(root, "big.bin")
    storage.write_bytes(uri, data)
    with storage.open_read(uri) as file:
        file.seek(2_500_000)
        assert file.read(1000) == data[2_500_000:2_501_000]
        file.seek(-10, os.SEEK_END)
        assert file.read() == data[-10:]
        file.seek(5)
        assert file.read(5) == data[5:10]


def test_upload_copies_a_file(root, tmp_path):
    source = tmp_path / "source.bin"
    source.write_bytes(os.urandom(6 << 20))
    uri = storage.join(root, "copied.bin")
    storage.upload(str(source), uri)
    assert storage.read_bytes(uri) == source.read_bytes()


def test_filesystem_opens_what_was_written(root):
    uri = storage.join(root, "x #1.bin")
    storage.write_bytes(uri, b"abc")
    filesystem, path = storage.filesystem(uri)
    assert filesystem.cat_file(path) == b"abc"


def test_pages_are_followed(s3_server):
    place = f"{s3_server.uri}/pages"
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda i: storage.write_bytes(f"{place}/{i:05d}", b""), range(1050)))
    assert names(place) == [f"{i:05d}" for i in range(1050)]


def test_refused_credentials_are_a_wrong_request_without_the_secret(s3_server, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
    with pytest.raises(RequestError) as refusal:
        list(storage.list_objects(s3_server.uri))
    assert "secret" not in str(refusal.value)


def test_delta_options_name_the_endpoint(s3_server):
    options = storage.delta_options(f"{s3_server.uri}/report")
    assert options["AWS_ENDPOINT_URL"] == s3_server.endpoint and options["AWS_ALLOW_HTTP"] == "true"
    assert storage.delta_options("/data") == {}


def test_links_out_and_loops_are_not_followed(tmp_path):
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    (outside / "secret.mp4").write_bytes(b"x")
    (root / "day").mkdir(parents=True)
    (root / "day" / "a.mp4").write_bytes(b"a")
    (root / "day" / "loop").symlink_to(root)
    (root / "out").symlink_to(outside)
    (root / "out.mp4").symlink_to(outside / "secret.mp4")
    (root / "dead.mp4").symlink_to(root / "absent.mp4")
    (root / "same.mp4").symlink_to(root / "day" / "a.mp4")
    os.mkfifo(root / "pipe")
    skipped = {}
    found = names(str(root), on_skip=lambda uri, reason: skipped.__setitem__(os.path.basename(uri), reason))
    assert found == ["day/a.mp4", "same.mp4"]
    assert sorted(skipped) == ["dead.mp4", "loop", "out", "out.mp4", "pipe"]


def test_names_that_are_not_utf8_are_skipped(tmp_path):
    with open(os.fsencode(tmp_path) + b"/\xff\xfe.mp4", "wb"):
        pass
    skipped = []
    assert names(str(tmp_path), on_skip=lambda uri, reason: skipped.append(reason)) == []
    assert skipped == ["the name is not UTF-8"]


def test_unreadable_uris_are_refused():
    for wrong in ["", "s3://", "s3:///key", "gs://bucket/key"]:
        with pytest.raises(RequestError):
            storage.absolute(wrong)


def test_file_uris_and_relative_paths_become_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert storage.absolute("file:///data/a%20b%25.mp4") == "/data/a b%.mp4"
    assert storage.absolute("x%20y") == str(tmp_path / "x%20y")
    assert storage.absolute("s3://bucket/day%20/") == "s3://bucket/day%20"


part = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1).filter(
    lambda text: text not in (".", "..")
)


@settings(deadline=None)
@given(
    st.sampled_from(["/data", "s3://bucket", "s3://bucket/prefix"]), st.lists(part, min_size=1, max_size=4)
)
def test_relative_undoes_join(root, parts):
    uri = storage.join(root, *parts)
    assert storage.relative(uri, root) == "/".join(parts)
    assert storage.name(uri) == parts[-1]
    assert storage.absolute(uri) == uri


def test_importing_storage_loads_no_client():
    code = "import sys, vadray.storage; print({'botocore', 's3fs', 'fsspec'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_one_swapper_among_many(root):
    uri = storage.join(root, "lease.json")
    assert not storage.swap_bytes(uri, b"", b"new"), "nothing is there"
    storage.write_bytes(uri, b"old")
    assert not storage.swap_bytes(uri, b"other", b"new") and storage.read_bytes(uri) == b"old"
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: storage.swap_bytes(uri, b"old", b"by %d" % n), range(8)))
    assert sum(won) == 1 and storage.read_bytes(uri) == b"by %d" % won.index(True)


def test_age_is_by_the_stores_clock(root):
    uri = storage.join(root, "x")
    with pytest.raises(FileNotFoundError):
        storage.age_s(uri)
    storage.write_bytes(uri, b"1")
    young = storage.age_s(uri)
    time.sleep(2.1)
    assert -0.1 <= young <= 2 and 1 <= storage.age_s(uri) - young <= 20
    if not storage.is_s3(uri):
        os.utime(uri, (time.time() - 3600,) * 2)
        assert 3590 < storage.age_s(uri) < 3700


def test_a_file_is_created_once(root, tmp_path):
    uri = storage.join(root, "part.parquet")
    (tmp_path / "a").write_bytes(b"a" * 100_000)
    (tmp_path / "b").write_bytes(b"b")
    assert storage.create_from(tmp_path / "a", uri) and not storage.create_from(tmp_path / "b", uri)
    assert storage.read_bytes(uri) == b"a" * 100_000


def test_another_version_is_noticed(root):
    uri = storage.join(root, "cam.mp4")
    storage.write_bytes(uri, b"first")
    (entry,) = storage.list_objects(uri)
    assert storage.read_bytes(uri, entry.etag) == b"first"
    storage.write_bytes(uri, b"second")
    for read in (storage.read_bytes, storage.open_read):
        with pytest.raises(ObjectChanged, match=r"cam\.mp4.*version"):
            read(uri, entry.etag)


def test_one_reading_sees_one_version(root):
    """What S3 replaces under a reader is refused; a local file that is open stays what it was."""
    uri = storage.join(root, "cam.mp4")
    storage.write_bytes(uri, b"1" * 2**22)
    with storage.open_read(uri) as file:
        assert file.read(10) == b"1" * 10
        storage.write_bytes(uri, b"2" * 2**22)
        file.seek(2**21)
        if storage.is_s3(uri):
            with pytest.raises(ObjectChanged, match=r"cam\.mp4"):
                file.read(10)
        else:
            assert file.read(10) == b"1" * 10


def test_a_range_is_read_where_it_is(root):
    content = np.random.default_rng(0).bytes(3 * 2**20 + 7)
    uri = storage.join(root, "large.bin")
    storage.write_bytes(uri, content)
    with storage.open_read(uri) as file:
        assert file.seek(2**21 - 3) == 2**21 - 3 and file.read(10) == content[2**21 - 3 : 2**21 + 7]
        assert file.seek(-5, os.SEEK_END) == len(content) - 5 and file.read() == content[-5:]
        assert file.read(1) == b"" and file.seek(0) == 0 and file.read() == content


def test_what_breaks_on_the_way_is_taken_up_again(monkeypatch):
    content = np.random.default_rng(0).bytes(300_000)
    with (
        running_s3_server("torn", anonymous=True) as server,
        faulty_proxy(server.endpoint, tear_every=2, refuse_every=5) as endpoint,
    ):
        for name, value in {**server.environment, "AWS_ENDPOINT_URL": endpoint}.items():
            monkeypatch.setenv(name, value)
        for number in range(6):
            uri = f"s3://torn/a/{number}.bin"
            storage.write_bytes(uri, content)
            assert storage.read_bytes(uri) == content
            with storage.open_read(uri) as file:
                file.seek(1000)
                assert file.read(1000) == content[1000:2000]
        assert len(list(storage.list_objects("s3://torn/a"))) == 6
        assert not storage.create_bytes("s3://torn/a/0.bin", b"x")
        assert storage.create_bytes("s3://torn/a/new", b"x") and storage.swap_bytes(
            "s3://torn/a/new", b"x", b"y"
        )
