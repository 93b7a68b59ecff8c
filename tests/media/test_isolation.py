"""Whatever happens to the decoder process, the parent goes on, and the next request works."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest

from tests.media.conftest import column, decode_all, request_for, scored
from tests.patience import PATIENCE_S
from vadray.errors import UnreadableMedia
from vadray.media import isolation
from vadray.media.isolation import IsolatedDecoder
from vadray.media.probe import probe
from vadray.media.request import DecodeRequest, Source


@pytest.fixture(scope="module")
def decoder():
    with IsolatedDecoder(memory_bytes=1 << 29, timeout_s=20) as decoder:
        yield decoder


def test_same_chunks_as_in_process(decoder: IsolatedDecoder, make_video):
    request = request_for(make_video("a.mp4"))
    here, there = decode_all(request), list(decoder.decode(request))
    assert len(here) == len(there)
    for mine, theirs in zip(here, there, strict=True):
        np.testing.assert_array_equal(mine.frames, theirs.frames)
        assert (mine.chunk, mine.last, mine.lead, mine.members) == (
            theirs.chunk,
            theirs.last,
            theirs.lead,
            theirs.members,
        )
    for name in ("member", "time_s", "brightness", "sharpness", "motion"):
        np.testing.assert_array_equal(column(here, name), column(there, name))


def test_frames_may_be_used_without_a_copy(decoder: IsolatedDecoder, make_video):
    request = request_for(make_video("a.mp4"), chunk_frames=4)
    expected = scored(decode_all(request))
    place = 0
    for chunk in decoder.decode(request, copy=False):
        count = len(chunk.time_s)
        np.testing.assert_array_equal(chunk.frames[chunk.lead :], expected[place : place + count])
        place += count
    assert place == 90


def test_probe_and_images_and_growing_frames(decoder: IsolatedDecoder, make_video, tmp_path: Path):
    path = make_video("a.mp4")
    source = request_for(path).sources[0]
    there = decoder.probe(source)
    np.testing.assert_array_equal(there.timestamps, probe(source).timestamps)
    cv2.imwrite(str(tmp_path / "a.png"), np.full((9, 9), 7, np.uint8))
    images = tuple(Source(str(tmp_path / name), "image") for name in ("a.png", "gone.png"))
    (chunk,) = decoder.decode(DecodeRequest(images, 500, 400))
    assert chunk.frames.shape == (1, 500, 400, 1) and (chunk.frames == 7).all()
    assert [info.status for info in chunk.members] == ["scored", "quarantined"]


def test_a_killed_child_is_replaced(decoder: IsolatedDecoder, make_video):
    request = request_for(make_video("a.mp4", frames=200), chunk_frames=2)
    with pytest.raises(UnreadableMedia, match="SIGKILL") as caught:
        for chunk in decoder.decode(request):
            if chunk.chunk == 1:
                os.kill(decoder.pid, signal.SIGKILL)
    assert caught.value.error_type == "DecoderCrashed"
    assert len(scored(list(decoder.decode(request)))) == 200


def test_a_child_killed_between_requests_blames_no_file(decoder: IsolatedDecoder, make_video):
    request = request_for(make_video("a.mp4"))
    list(decoder.decode(request))
    os.kill(decoder.pid, signal.SIGKILL)
    psutil.Process(decoder.pid).wait(PATIENCE_S)
    assert len(scored(list(decoder.decode(request)))) == 90


def test_a_hang_ends_with_the_time_limit(make_video, tmp_path: Path):
    fifo = tmp_path / "never.mp4"
    os.mkfifo(fifo)
    with IsolatedDecoder(timeout_s=0.5) as decoder:
        request = request_for(make_video("a.mp4"))
        list(decoder.decode(request))  # the child is up
        for ask in (
            lambda: list(decoder.decode(request_for(fifo))),
            lambda: decoder.probe(request_for(fifo).sources[0]),
        ):
            with pytest.raises(UnreadableMedia, match=r"never\.mp4") as caught:
                ask()
            assert caught.value.error_type == "DecoderTimeout"
        assert len(scored(list(decoder.decode(request)))) == 90


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux only")
def test_too_much_memory_is_said_so(make_video, tmp_path: Path):
    path = tmp_path / "large.png"
    cv2.imwrite(str(path), np.zeros((9000, 9000), np.uint8))
    large = DecodeRequest((Source(str(path), "image"),), 32, 32, 3)
    with IsolatedDecoder(memory_bytes=100 << 20, timeout_s=20) as decoder:
        with pytest.raises(UnreadableMedia, match=r"large\.png") as caught:
            list(decoder.decode(large))
        assert caught.value.error_type == "DecoderMemory"
        assert len(scored(list(decoder.decode(request_for(make_video("a.mp4")))))) == 90


def test_stopping_early_keeps_the_child(decoder: IsolatedDecoder, make_video):
    request = request_for(make_video("a.mp4", frames=200), chunk_frames=2)
    list(decoder.decode(request_for(request.sources[0].uri)))
    pid = decoder.pid
    for chunk in decoder.decode(request):
        if chunk.chunk == 3:
            break
    assert len(scored(list(decoder.decode(request)))) == 200
    assert decoder.pid == pid


def test_an_error_of_the_consumer_keeps_the_child(decoder: IsolatedDecoder, make_video):
    request = request_for(make_video("a.mp4"), chunk_frames=2)
    with contextlib.suppress(ZeroDivisionError):
        for _ in decoder.decode(request):
            1 / 0  # noqa: B018
    assert len(scored(list(decoder.decode(request)))) == 90


def test_two_requests_at_once_are_refused(decoder: IsolatedDecoder, make_video):
    request = request_for(make_video("a.mp4"), chunk_frames=2)
    first = decoder.decode(request)
    next(first)
    with pytest.raises(RuntimeError, match="one request at a time"):
        next(decoder.decode(request))
    first.close()
    assert len(list(decoder.decode(request))) == 45


def test_interrupt_is_left_to_the_parent(decoder: IsolatedDecoder, make_video):
    request = request_for(make_video("a.mp4"), chunk_frames=2)
    for chunk in decoder.decode(request):
        if chunk.chunk == 1:
            os.kill(decoder.pid, signal.SIGINT)
            os.kill(decoder.pid, signal.SIGTERM)
    assert chunk.last


def test_it_runs_from_a_script_without_main_guard_and_dies_with_it(make_video, tmp_path: Path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(f"""
            print("running", flush=True)
            from vadray.media.isolation import IsolatedDecoder
            from vadray.media.request import DecodeRequest, Source
            decoder = IsolatedDecoder()
            request = DecodeRequest((Source({str(make_video("a.mp4"))!r}, "video"),), 40, 48)
            print(sum(len(chunk.time_s) for chunk in decoder.decode(request)), decoder.pid, flush=True)
            input()
        """)
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as parent:
        assert parent.stdout.readline() == "running\n"
        count, pid = map(int, parent.stdout.readline().split())
        assert count == 90
        child = psutil.Process(pid)
        parent.kill()
    with contextlib.suppress(psutil.NoSuchProcess):
        child.wait(PATIENCE_S)
    assert not psutil.pid_exists(pid) or child.status() == psutil.STATUS_ZOMBIE


@contextlib.contextmanager
def killing_children(monkeypatch, count: float):
    """Kills the first `count` decoders that are started, before they can say that they are ready."""
    killed: list[int] = []

    class KilledAtOnce(subprocess.Popen):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            if len(killed) < count:
                self.kill()
                killed.append(self.pid)

    with monkeypatch.context() as patch:
        patch.setattr(isolation.subprocess, "Popen", KilledAtOnce)
        yield killed


def test_a_child_that_is_killed_while_it_starts_is_started_again(make_video, monkeypatch):
    request = request_for(make_video("a.mp4"))

    with killing_children(monkeypatch, 5) as killed, IsolatedDecoder() as decoder:
        frames = scored(list(decoder.decode(request)))
        assert len(killed) == 5 and len(frames) == 90 and decoder.pid not in killed


def test_where_every_child_is_killed_that_is_said(make_video, monkeypatch):
    monkeypatch.setattr(isolation, "STARTING_S", 2.0)
    with (
        killing_children(monkeypatch, float("inf")) as killed,
        IsolatedDecoder() as decoder,
        pytest.raises(RuntimeError, match=r"cannot be started: .* SIGKILL"),
    ):
        list(decoder.decode(request_for(make_video("a.mp4"))))
    assert len(killed) > 1


def test_where_no_child_starts_that_is_said(make_video, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with IsolatedDecoder() as decoder, pytest.raises(RuntimeError, match="cannot be started"):
        list(decoder.decode(request_for(make_video("a.mp4"))))
