"""Object stores that throttle, break off, forbid, vanish or are full: rows or one clear error, and no credentials in them."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from tests.faults.fuzz_files import CONTAINERS, picture, video
from tests.faults.material import untrained_bundles
from tests.faulty_proxy import faulty_proxy
from tests.patience import PATIENCE_S
from tests.s3_server import running_s3_server
from vadray import storage
from vadray.config import SweepOptions
from vadray.errors import VadrayError
from vadray.report import tables
from vadray.sweep import driver, request
from vadray.sweep.progress import Progress

SECRET = "a-secret-that-nobody-may-read"


@pytest.fixture(scope="module")
def bundles(tmp_path_factory) -> list[str]:
    return untrained_bundles(tmp_path_factory.mktemp("bundles"))


def fill(root: str, pictures: int = 12) -> None:
    for suffix, codec in CONTAINERS.items():
        storage.write_bytes(storage.join(root, f"video.{suffix}"), video(suffix, codec))
    for number in range(pictures):
        storage.write_bytes(storage.join(root, f"{number}.jpg"), picture("jpg"))


def sweep_process(
    archive: str, report: str, bundles: list[str], environment: dict[str, str], *prefix: str
) -> subprocess.CompletedProcess[str]:
    """A sweep with a Ray of its own."""
    command = [sys.executable, "-m", "vadray.cli", "sweep", archive, f"out={report}", "sweep_id=night"]
    command += ["unit_frames=8", "unit_images=2", "max_quarantined=0.5", "clips=false"]
    command += [word for bundle in bundles for word in ("--bundle", bundle)]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    inherited.pop("RAY_ADDRESS", None)
    return subprocess.run(
        [*prefix, *command], env=inherited | environment, capture_output=True, text=True, timeout=PATIENCE_S
    )


@pytest.fixture
def ray_folder() -> Iterator[Path]:
    """Where a Ray leaves its logs; of a short name, since there are sockets in it."""
    folder = Path(tempfile.mkdtemp(prefix="vadray-"))
    yield folder
    shutil.rmtree(folder)


def test_what_passes_is_tried_again_and_what_is_forbidden_is_a_row(bundles, ray_folder, monkeypatch):
    with running_s3_server("faulty", anonymous=True) as server:
        environment = {**server.environment, "AWS_SECRET_ACCESS_KEY": SECRET}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        fill("s3://faulty/archive")
        with faulty_proxy(server.endpoint, tear_every=23, refuse_every=5, forbids="/3.jpg") as endpoint:
            ended = sweep_process(
                "s3://faulty/archive",
                "s3://faulty/report",
                bundles,
                environment | {"AWS_ENDPOINT_URL": endpoint, "RAY_TMPDIR": str(ray_folder)},
            )
        assert ended.returncode == 0, ended.stderr[-4000:]
        rows = tables.read_table("s3://faulty/report", "objects", "night").to_pylist()
        status = {row["object_uri"].rpartition("/")[2]: (row["status"], row["error_type"]) for row in rows}
        assert status.pop("3.jpg") == ("quarantined", "AccessRefused")
        assert len(status) == 16 and set(status.values()) == {("scored", None)}
        written = b"".join(
            storage.read_bytes(entry.uri) for entry in storage.list_objects("s3://faulty/report")
        )
    logs = b"".join(path.read_bytes() for path in ray_folder.rglob("session_*/logs/**/*") if path.is_file())
    assert len(logs) > 10_000
    assert SECRET.encode() not in written + logs + (ended.stdout + ended.stderr).encode()


def test_a_bucket_that_vanishes_ends_the_sweep_with_one_error(cluster, s3_server, bundles, tmp_path):
    from vadray.storage.s3_client import client

    client().create_bucket(Bucket="vanishing")
    fill("s3://vanishing", pictures=200)
    report = tmp_path / "report"
    scores = report / "_sweeps" / "night" / "scores"

    def vanish() -> None:
        while not (scores.is_dir() and any(scores.iterdir())):
            time.sleep(0.01)
        for entry in list(storage.list_objects("s3://vanishing")):
            storage.delete(entry.uri)
        client().delete_bucket(Bucket="vanishing")

    options = SweepOptions(
        archive="s3://vanishing",
        bundle=bundles,
        out=str(report),
        sweep_id="night",
        unit_images=1,
        actors=1,
        clips=False,
    )
    vanishing = threading.Thread(target=vanish)
    vanishing.start()
    console = Console(stderr=True)
    with pytest.raises(VadrayError, match="no bucket vanishing; what was scored stays"):
        driver.sweep(request.prepare(options), driver.Voice(console.print, Progress(console)))
    vanishing.join()
    assert tables.read_commit(str(report), "night") is None


@pytest.mark.soak
@pytest.mark.skipif(
    sys.platform != "linux", reason="a small file system is mounted by unshare, on Linux only"
)
def test_a_full_disk_ends_the_sweep_with_one_error_and_it_goes_on_once_there_is_room(bundles, tmp_path):
    archive, disk, kept = tmp_path / "archive", tmp_path / "disk", tmp_path / "kept"
    fill(str(archive), pictures=400)
    disk.mkdir()
    script = (
        f'mount -t tmpfs -o size=160k tmpfs {disk} && "$@"; code=$?; cp -r {disk}/report {kept}; exit $code'
    )
    prefix = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh")
    ended = sweep_process(str(archive), str(disk / "report"), bundles, {}, *prefix)
    assert ended.returncode == 1, ended.stderr[-4000:]
    assert "No space left on device" in ended.stderr and "Traceback" not in ended.stderr
    assert tables.read_commit(str(kept), "night") is None
    (disk / "report").rmdir() if (disk / "report").exists() else None
    kept.rename(disk / "report")
    again = sweep_process(str(archive), str(disk / "report"), bundles, {})
    assert again.returncode == 0, again.stderr[-4000:]
    assert json.loads(again.stdout.splitlines()[-1])["attempts"] == 2
