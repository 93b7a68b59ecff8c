"""What is found on this machine, and what a person is told to change where something is amiss."""

import os
import shutil
from collections import namedtuple

import av
import pytest

from vadray.doctor import codecs, node, store
from vadray.doctor.finding import Finding, worst

Usage = namedtuple("Usage", "total used free")
GIB = 2**30


def test_this_machine_decodes_what_cameras_write():
    before = os.sched_getscheduler(0)
    video, images = codecs.examine_codecs()
    assert os.sched_getscheduler(0) == before, "an encoder made us real-time, as it does where root looks"
    assert video == Finding("video", "ok", "decodes h264, hevc, vp9, av1, mpeg4, mpeg2video, mjpeg")
    assert images == Finding("images", "ok", "decodes .jpg, .png, .bmp, .tif, .webp")


def test_a_codec_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"hevc"})
    monkeypatch.setattr(codecs, "VIDEOS", {name: codecs.VIDEOS[name] for name in ("h264", "hevc")})
    video, _ = codecs.examine_codecs()
    assert video.level == "warning" and "decodes h264; not hevc (no decoder)" in video.found
    assert "quarantined" in video.advice


@pytest.mark.parametrize(
    ("driver", "by_ray", "tensorflow", "level", "advice"),
    [
        (0, 0, 0, "ok", ""),
        (2, 2, 2, "ok", ""),
        (2, 2, 0, "fault", "vadray[gpu]"),
        (2, 0, 2, "warning", "--num-gpus=2"),
    ],
)
def test_gpus_are_asked_of_driver_ray_and_tensorflow(
    monkeypatch, tmp_path, driver, by_ray, tensorflow, level, advice
):
    smi, python = tmp_path / "nvidia-smi", tmp_path / "python"
    smi.write_text("#!/bin/sh\n" + "echo GPU\n" * driver)
    python.write_text(f"#!/bin/sh\necho {tensorflow}\n")
    smi.chmod(0o755)
    python.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(node.sys, "executable", str(python))
    found = node.devices(by_ray)
    assert found.level == level and advice in found.advice


@pytest.mark.parametrize(("gib", "level"), [(8, "ok"), (4, "warning"), (1, "fault")])
def test_actors_must_fit_the_memory(gib, level):
    found = node.memory(4, gib * GIB)
    assert found.level == level
    assert level == "ok" or "actors=" in found.advice


def test_a_small_shared_memory_and_a_full_disk_are_warned_of(monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(64 * 2**20, 0, 64 * 2**20))
    assert node.shared_memory(2 * GIB).level == node.disk().level == "warning"
    assert "--shm-size" in node.shared_memory(2 * GIB).advice
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(100 * GIB, 0, 50 * GIB))
    assert node.shared_memory(2 * GIB).level == node.disk().level == "ok"


def test_a_library_that_is_absent_is_named(monkeypatch):
    assert node.libraries().level == "ok"
    monkeypatch.setattr(node, "LIBRARIES", (*node.LIBRARIES, "no-such-library"))
    assert node.libraries().level == "fault" and node.libraries().advice == "pip install no-such-library"


def test_an_archive_is_listed_and_read(archive, tmp_path):
    (found,) = store.examine_archive(str(archive.test), None)
    assert found.level == "ok" and "reads" in found.found
    bare = tmp_path / "bare"
    bare.mkdir()
    assert store.examine_archive(str(bare), None)[0].level == "warning"
    shutil.copy(next(archive.test.rglob("*.mp4")), bare / "one.mp4")
    assert [(f.what, f.level) for f in store.examine_archive(str(bare), None)] == [
        ("archive", "ok"),
        ("camera and time", "warning"),
    ]
    (absent,) = store.examine_archive(str(tmp_path / "absent"), None)
    assert absent.level == "fault" and "absent" in absent.found


def test_a_report_is_tried_for_conditional_writes_and_left_as_it_was(tmp_path, s3_server):
    for out in (str(tmp_path / "report"), f"{s3_server.uri}/doctor/report"):
        assert [(f.what, f.level) for f in store.examine_report(out, 30)] == [("conditional writes", "ok")]
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    (tmp_path / "file").touch()
    (found,) = store.examine_report(str(tmp_path / "file"), 30)
    assert found.level == "fault"


def test_the_gravest_finding_counts():
    assert worst([]) == "ok"
    assert worst([Finding("a", "ok", ""), Finding("b", "warning", "")]) == "warning"
    assert worst([Finding("a", "fault", ""), Finding("b", "warning", "")]) == "fault"
