"""`vadray clip`: the film shows exactly the frames around the event, however the video is made."""

import json
import shutil
import tarfile
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tests.media.conftest import encode_video, picture
from tests.media.containers import CONTAINERS
from tests.report.rows import event_row, frame_row, object_row, write_commit, write_tables
from vadray import cli
from vadray.archive.listing import list_archive
from vadray.archive.plan import BundlePlan, Probed, plan_units
from vadray.archive.routing import Route
from vadray.media.decode import decode
from vadray.media.film import write_film
from vadray.report.tables import sweep_folder
from vadray.sweep import plan_store
from vadray.sweep.units import FrameShape, decode_request

ROWS, COLUMNS, FRAMES, FIRST, LAST = 64, 96, 90, 40, 49
TIMES = 4  # as large is the film of so small a video
SHAPE = FrameShape(ROWS, COLUMNS, channels=3, lead_frames=1, chunk_frames=32)


def sweep(archive: Path, report: Path) -> str:
    """A committed sweep, by hand, of an archive with one object, with an event in its frames 40 to 49; the object's URI."""
    (found,) = list_archive(str(archive))
    routes = [Route(0, "image", None, None), Route(0, "video", None, None)]
    bundles = [BundlePlan("d" * 32, 100_000, 0)]
    units = list(
        plan_units([Probed(found)], root=str(archive), routes=routes, bundles=bundles, unit_images=8)
    )
    plan_store.freeze(sweep_folder(str(report), "night"), "attempt", units, {})
    time_s = np.concatenate([chunk.time_s for chunk in decode(decode_request(units[0], SHAPE))])
    last = min(LAST, len(time_s) - 1)
    first = min(FIRST, last)
    event = event_row(
        found.uri, first, event_id="ab12", end_frame=last, start_s=time_s[first], end_s=time_s[last]
    )
    frames = [
        frame_row(found.uri, index, time_s=one, anomalous=first <= index <= last, peak_x=50, peak_y=20)
        for index, one in enumerate(time_s)
    ]
    shape = {"width": COLUMNS, "height": ROWS, "fps": 25.0, "frames_scored": len(time_s)}
    write_tables(
        report,
        "night",
        frames,
        [event | {"box_x": 10, "box_y": 12, "box_w": 40, "box_h": 30}],
        [object_row(found.uri, kind=found.kind, **shape)],
    )
    write_commit(report, "night")
    return found.uri


def clip(report: Path, *more: str) -> int:
    return cli.main(["clip", str(report), "ab", *more])


def shown(film: Path) -> list[int]:
    """Which of the made pictures each frame of a film shows; the strip of scores is below them."""
    known = np.stack([picture(index, ROWS, COLUMNS) for index in range(FRAMES)]).astype(np.float32)
    found = []
    with av.open(str(film)) as container:
        for frame in container.decode(video=0):
            drawn = frame.to_ndarray(format="rgb24")[: TIMES * ROWS]
            seen = cv2.resize(drawn, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA).astype(np.float32)
            found.append(int(((known - seen) ** 2).mean(axis=(1, 2, 3)).argmin()))
    return found


@pytest.mark.parametrize(
    "name", ["b_frames.mp4", "variable_rate.mp4", "open_gop.ts", "late_start.ts", "b_frames.mkv"]
)
def test_it_shows_the_event_and_the_seconds_around_it(tmp_path, capsys, name):
    archive, report, out = tmp_path / "in", tmp_path / "report", tmp_path / "out" / "film.mp4"
    archive.mkdir()
    encode_video(archive / name, **CONTAINERS[name])
    uri = sweep(archive, report)
    assert clip(report, f"out={out}", "before_s=0.4", "after_s=0.2") == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    frames = shown(out)
    assert frames == list(range(frames[0], frames[-1] + 1)), "each once, none left out"
    assert frames[0] <= FIRST and frames[-1] >= LAST and len(frames) == result["frames"] < FRAMES
    assert result["object_uri"] == uri and result["event_id"] == "ab12"
    if name != "variable_rate.mp4":
        assert (frames[0], frames[-1]) == (FIRST - 10, LAST + 5)
    with av.open(str(out)) as film:
        (stream,) = film.streams.video
        length_s = float(stream.duration * stream.time_base)
        assert stream.codec_context.name == "h264" and stream.format.name == "yuv420p"
        assert length_s == pytest.approx(result["to_s"] - result["from_s"], abs=0.15), "at its own pace"


def test_box_and_peak_are_drawn_while_the_event_lasts(tmp_path):
    (tmp_path / "in").mkdir()
    encode_video(tmp_path / "in" / "a.mp4")
    sweep(tmp_path / "in", tmp_path / "report")
    assert clip(tmp_path / "report", f"out={tmp_path}/film.mp4", "before_s=0.4", "after_s=0.4") == 0
    with av.open(str(tmp_path / "film.mp4")) as film:
        frames = [frame.to_ndarray(format="rgb24").astype(int) for frame in film.decode(video=0)]
    redder = [(frame[..., 0] - frame[..., 1:].max(axis=2)) for frame in frames]
    box_edge, cross = (
        [red[48:50, 80:160].mean() for red in redder],
        [red[79:82, 196:205].max() for red in redder],
    )
    inside = np.zeros(len(frames), bool)
    inside[10:20] = True
    assert np.array_equal(np.array(box_edge) > 60, inside), box_edge
    assert min(np.array(cross)[inside]) > 60


def test_clips_and_members_of_shards_are_found_too(tmp_path):
    folder = tmp_path / "in" / "clip"
    folder.mkdir(parents=True)
    for index in range(FRAMES):
        cv2.imwrite(str(folder / f"{index:04}.png"), picture(index, ROWS, COLUMNS)[..., ::-1])
    sweep(tmp_path / "in", tmp_path / "report")
    assert clip(tmp_path / "report", f"out={tmp_path}/film.mp4", "before_s=0.4", "after_s=0.2") == 0
    assert shown(tmp_path / "film.mp4") == list(range(FIRST - 10, LAST + 6))
    (tmp_path / "shards").mkdir()
    with tarfile.open(tmp_path / "shards" / "a.tar", "w") as shard:
        shard.add(encode_video(tmp_path / "a.mp4"), "x/a.mp4")
    sweep(tmp_path / "shards", tmp_path / "other")
    assert clip(tmp_path / "other", f"out={tmp_path}/film-2.mp4", "before_s=0", "after_s=0") == 0
    assert shown(tmp_path / "film-2.mp4") == list(range(FIRST, LAST + 1))


def test_of_a_long_event_the_surroundings_of_its_peak_are_shown(tmp_path):
    (tmp_path / "in").mkdir()
    encode_video(tmp_path / "in" / "a.mp4")
    sweep(tmp_path / "in", tmp_path / "report")  # its peak is frame 42
    assert clip(tmp_path / "report", f"out={tmp_path}/film.mp4", "before_s=9", "after_s=9", "most_s=0.4") == 0
    frames = shown(tmp_path / "film.mp4")
    assert frames in (list(range(37, 48)), list(range(37, 47)), list(range(38, 48)))


def test_times_that_repeat_are_shown_all_the_same(tmp_path):
    pictures = (
        (time_s, np.full((16, 16, 3), 20 * place, np.uint8)) for place, time_s in enumerate((0, 1, 1, 2))
    )
    assert write_film(str(tmp_path / "a.mp4"), pictures, fps=1) == 4
    with av.open(str(tmp_path / "a.mp4")) as film:
        times = [frame.time for frame in film.decode(video=0)]
    assert times == pytest.approx([0, 1, 1, 2], abs=1e-3)


def test_what_cannot_be_shown_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    archive, report = tmp_path / "in", tmp_path / "report"
    archive.mkdir()
    video = encode_video(archive / "a.mp4")
    sweep(archive, report)

    def said(*more: str) -> str:
        assert clip(report, *more) == 2
        return capsys.readouterr().err

    assert "ends in .mp4" in said("out=film.avi")
    encode_video(video, frames=70)
    assert "ObjectChanged" in said()
    video.unlink()
    assert str(video) in said()
    shutil.rmtree(report / "_sweeps" / "night" / "plan")
    (report / "_sweeps" / "night" / "plan.json").unlink()
    assert "in the plan of sweep night" in said()
    assert not list(tmp_path.glob("*.mp4"))


def test_an_image_has_no_film(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "a.png"), picture(0, ROWS, COLUMNS))
    sweep(tmp_path / "in", tmp_path / "report")
    assert clip(tmp_path / "report") == 2
    assert "received one of an image" in capsys.readouterr().err
