"""The main job, whole: an archive of images and video to Parquet, on a real Ray, folders and S3."""

import io
import json
import shutil
from pathlib import Path

import deltalake
import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from vadray import cli, storage
from vadray.config import SweepOptions
from vadray.errors import RequestError
from vadray.report import tables
from vadray.report.schemas import TABLES
from vadray.sweep import driver, request
from vadray.sweep.progress import Progress
from vadray.sweep.verify import verify


def run(capsys, *arguments: str) -> tuple[int, dict]:
    status = cli.main(list(arguments))
    printed = capsys.readouterr().out.strip().splitlines()
    return status, json.loads(printed[-1]) if printed else {}


def sweep(capsys, archive, bundles, report, *more: str) -> tuple[int, dict]:
    return run(
        capsys,
        "sweep",
        str(archive),
        *(word for bundle in bundles.values() for word in ("--bundle", str(bundle))),
        "--out",
        str(report),
        *more,
    )


def test_every_object_and_frame_is_there_once(swept, archive):
    report, commit = swept
    truth = json.loads(archive.labels.read_text())
    objects = {
        row["object_uri"]: row for row in tables.read_table(str(report), "objects", "night").to_pylist()
    }
    videos = [path for path in truth["clips"] if path.startswith("test/")]
    images = [path for path in truth["images"] if path.startswith("test/")]
    assert {str(archive.root / path) for path in videos + images} == set(objects)
    for path in videos:
        row = objects[str(archive.root / path)]
        assert row["status"] == ("partial" if "damaged" in path else "scored")
        if "damaged" not in path:
            assert row["frames_scored"] == truth["clips"][path]["frames"]
    frames = tables.read_table(str(report), "frames", "night")
    assert (
        frames.num_rows == sum(row["frames_scored"] for row in objects.values()) == commit["counts"]["frames"]
    )
    assert np.isfinite(frames["score"].to_numpy()).all()
    keys = set(zip(frames["object_uri"].to_pylist(), frames["frame_index"].to_pylist(), strict=True))
    assert len(keys) == frames.num_rows


def test_tables_are_the_contract_and_read_by_one_glob(swept):
    report, commit = swept
    for table, schema in TABLES.items():
        assert tables.read_table(str(report), table, "night").schema.equals(schema)
        count = duckdb.sql(f"select count(*) from '{report}/{table}/sweep=*/*.parquet'").fetchall()[0][0]
        assert count == commit["counts"][table]


def test_events_are_exactly_the_runs_of_anomalous_frames(swept):
    report, _ = swept
    runs = duckdb.sql(
        f"""with f as (select *, frame_index - row_number() over (partition by object_uri order by frame_index) as run
                       from '{report}/frames/sweep=*/*.parquet' where anomalous)
            select object_uri, min(frame_index), max(frame_index), max(score) from f group by object_uri, run"""
    ).fetchall()
    events = duckdb.sql(
        f"select object_uri, start_frame, end_frame, peak_score from '{report}/events/sweep=*/*.parquet'"
    ).fetchall()
    assert sorted(runs) == sorted(events)
    assert events, "random weights still see that something is unusual; without events this test says nothing"


def test_second_run_does_nothing(swept, archive, bundles, capsys):
    report, commit = swept
    before = {entry.uri: entry.etag for entry in storage.list_objects(str(report))}
    status, result = sweep(capsys, archive.test, bundles, report, "sweep_id=night")
    assert status == 0 and result["already"] and result["frames"] == commit["counts"]["frames"]
    assert before == {entry.uri: entry.etag for entry in storage.list_objects(str(report))}


def test_a_committed_name_is_not_taken_for_what_it_was_not_asked(swept, archive, bundles, capsys):
    report, _ = swept
    words = [word for bundle in bundles.values() for word in ("--bundle", str(bundle))]
    status = cli.main(
        ["sweep", str(archive.test), *words, f"out={report}", "sweep_id=night", "since=2020-01-01"]
    )
    assert status == 2
    assert "since: planned None, received '2020-01-01'" in capsys.readouterr().err


@pytest.mark.parametrize("more", [[], ["cameras=gaet*"]])
def test_where_there_is_nothing_at_all_the_name_is_not_used_up(bundles, archive, tmp_path, capsys, more):
    source = tmp_path / "a"
    source.mkdir()
    words = ["sweep", str(source), f"bundle={bundles['image']}", f"out={tmp_path / 'r'}", "sweep_id=s", *more]
    if more:
        shutil.copytree(archive.test / "camera=line", source / "camera=line")
    assert cli.main(words) == 2
    said = capsys.readouterr().err
    assert ("cameras: expected" if more else "archive: expected") in said and str(source) in said
    assert ("of another camera" in said) == bool(more)
    assert not (tmp_path / "r/_sweeps/s/plan.json").exists()


def test_next_night_leaves_what_is_scored(swept, archive, bundles, capsys):
    report, commit = swept
    status, result = sweep(capsys, archive.test, bundles, report, "sweep_id=next")
    assert status == 0
    assert result["unchanged"] == result["objects"] == commit["counts"]["objects"]
    assert result["frames"] == 0
    assert verify(str(report), "next")["faults"] == []


def test_any_unit_size_and_split_stages_give_the_same_rows(swept, archive, bundles, tmp_path, capsys):
    report, _ = swept
    status, _ = sweep(
        capsys,
        archive.test,
        bundles,
        tmp_path / "r",
        "sweep_id=night",
        "unit_frames=17",
        "unit_images=3",
        "fuse=false",
    )
    assert status == 0
    whole, cut = (
        {
            (row["object_uri"], row["frame_index"]): row
            for row in tables.read_table(str(place), "frames", "night").to_pylist()
        }
        for place in (report, tmp_path / "r")
    )
    assert whole.keys() == cut.keys()
    for key, row in whole.items():
        assert cut[key]["time_s"] == row["time_s"]
        assert cut[key]["score"] == pytest.approx(row["score"], abs=1e-6)
        assert cut[key]["motion"] == pytest.approx(row["motion"], abs=1e-3)


def test_interrupted_sweep_goes_on(swept, archive, bundles, tmp_path, capsys):
    report, _commit = swept
    # what a sweep leaves that was killed while scoring: a plan and some unit scores
    shutil.copytree(report / "_sweeps" / "night", tmp_path / "r" / "_sweeps" / "night")
    folder = tmp_path / "r" / "_sweeps" / "night"
    for name in ("commit.json", "manifest.parquet", "calibrations.json"):
        (folder / name).unlink()
    scores = sorted((folder / "scores").iterdir())
    scores[0].unlink()
    kept = scores[1].stat().st_mtime_ns
    status, result = sweep(capsys, archive.test, bundles, tmp_path / "r", "sweep_id=night")
    assert status == 0 and not result["already"] and result["attempts"] == 2
    assert scores[0].exists() and scores[1].stat().st_mtime_ns == kept
    for table in TABLES:
        ours, theirs = (tables.read_table(str(place), table, "night") for place in (tmp_path / "r", report))
        assert ours.equals(theirs)
    assert verify(str(tmp_path / "r"), "night")["faults"] == []


def test_what_an_earlier_attempt_wrote_into_the_tables_stands_unless_its_rows_differ(
    swept, archive, bundles, tmp_path, capsys
):
    shutil.copytree(swept[0], tmp_path / "r")
    commit = tmp_path / "r" / "_sweeps" / "night" / "commit.json"
    for table in TABLES:
        shutil.rmtree(tmp_path / "r" / table / "_delta_log")
    (part, *_) = (tmp_path / "r" / "frames" / "sweep=night").glob("*.parquet")
    rows = pq.read_table(io.BytesIO(part.read_bytes()))

    commit.unlink()
    pq.write_table(rows, part, compression="snappy")  # as another version of the library would
    before = part.read_bytes()
    assert sweep(capsys, archive.test, bundles, tmp_path / "r", "sweep_id=night")[0] == 0
    assert part.read_bytes() == before and verify(str(tmp_path / "r"), "night")["faults"] == []

    commit.unlink()
    pq.write_table(rows.slice(1), part)
    words = ["sweep", str(archive.test), f"out={tmp_path / 'r'}", "sweep_id=night"]
    words += [word for bundle in bundles.values() for word in ("--bundle", str(bundle))]
    assert cli.main(words) == 1
    said = capsys.readouterr().err
    assert str(part) in said and "an earlier attempt" in said and not commit.exists()


def test_other_settings_under_the_same_name_are_refused(swept, archive, bundles, tmp_path):
    report, _ = swept
    shutil.copytree(report / "_sweeps" / "night", tmp_path / "r" / "_sweeps" / "night")
    (tmp_path / "r" / "_sweeps" / "night" / "commit.json").unlink()
    options = SweepOptions(
        archive=str(archive.train),
        out=str(tmp_path / "r"),
        sweep_id="night",
        bundle=[{"path": str(bundle)} for bundle in bundles.values()],
    )
    with pytest.raises(RequestError, match="archive: planned"):
        driver.sweep(request.prepare(options), driver.Voice(print, Progress(Console())))


def test_damaged_files_end_as_rows(bundles, archive, tmp_path, capsys):
    source = tmp_path / "a"
    shutil.copytree(archive.test / "camera=gate", source / "camera=gate")
    (source / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(4000))
    (source / "empty.avi").touch()
    (source / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    status, result = sweep(capsys, source, bundles, tmp_path / "r", "sweep_id=s")
    assert status == 3 and result["quarantined"] == 3
    rows = tables.read_table(str(tmp_path / "r"), "objects", "s").to_pylist()
    bad = {row["object_uri"].rsplit("/", 1)[1]: row for row in rows if row["status"] == "quarantined"}
    assert set(bad) == {"noise.mp4", "empty.avi", "bad.jpg"}
    assert all(row["error_type"] and row["error"] for row in bad.values())
    assert cli.main(["verify", str(tmp_path / "r")]) == 0


def test_what_no_bundle_scores_is_skipped_and_empty_tables_exist(bundles, archive, tmp_path, capsys):
    images = archive.test / "camera=line"
    status, result = sweep(capsys, images, {"video": bundles["video"]}, tmp_path / "r", "sweep_id=s")
    assert status == 0 and result["skipped"] == result["objects"] > 0
    assert duckdb.sql(f"select count(*) from '{tmp_path}/r/frames/sweep=*/*.parquet'").fetchall() == [(0,)]


def edit_a_row(part: Path) -> None:
    table = pq.read_table(part)
    score = table["score"].to_numpy().copy()
    score[0] += 1
    column = table.schema.get_field_index("score")
    pq.write_table(table.set_column(column, table.schema.field(column), pa.array(score)), part)


def commit_by_another(report: Path) -> None:
    """Another writer's Delta commit: a further file in the sweep's partition."""
    frames = pq.read_table(next((report / "frames" / "sweep=night").glob("*.parquet")))
    sweep = pa.array(["night"] * frames.num_rows)
    deltalake.write_deltalake(str(report / "frames"), frames.append_column("sweep", sweep), mode="append")


def take_a_file_out_of_the_log(report: Path) -> None:
    deltalake.DeltaTable(str(report / "events")).delete("sweep = 'night'")


TAMPERINGS = {
    "a deleted part": (lambda report, part: part.unlink(), "part-00000.parquet: missing"),
    "a repeated part": (
        lambda report, part: shutil.copy(part, part.with_name("part-00099.parquet")),
        "part-00099.parquet: not part of the commit",
    ),
    "an edited row": (lambda report, part: edit_a_row(part), "changed since it was written"),
    "a foreign commit": (lambda report, part: commit_by_another(report), "log names it, the commit does not"),
    "rows deleted by Delta": (
        lambda report, part: take_a_file_out_of_the_log(report),
        "its Delta log does not name it",
    ),
    "another sweep's commit.json": (
        lambda report, part: (report / "_sweeps/night/commit.json").write_text('{"sweep_id": "noon"}'),
        "received that of noon",
    ),
    "an edited plan": (
        lambda report, part: next((report / "_sweeps/night/plan").rglob("*.parquet")).write_bytes(b""),
        "changed since it was written",
    ),
    "a deleted score": (
        lambda report, part: next((report / "_sweeps/night/scores").iterdir()).unlink(),
        "score files are missing",
    ),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_verify_finds_tampering(swept, tmp_path, capsys, name):
    tamper, said = TAMPERINGS[name]
    report = tmp_path / "r"
    shutil.copytree(swept[0], report)
    tamper(report, next((report / "frames" / "sweep=night").glob("*.parquet")))
    assert cli.main(["verify", str(report), "--sweep-id", "night"]) == 3
    assert said in capsys.readouterr().err


def test_from_and_to_s3(swept, archive, bundles, s3_server, capsys):
    bucket = s3_server.uri
    for entry in storage.list_objects(str(archive.test)):
        storage.upload(entry.uri, storage.join(bucket, "in", storage.relative(entry.uri, str(archive.test))))
    remote = {}
    for kind, bundle in bundles.items():
        remote[kind] = f"{bucket}/bundles/{kind}"
        for entry in storage.list_objects(str(bundle)):
            storage.upload(entry.uri, storage.join(remote[kind], storage.name(entry.uri)))
    status, result = sweep(capsys, f"{bucket}/in", remote, f"{bucket}/report", "sweep_id=night")
    assert status == 0
    assert result["frames"] == swept[1]["counts"]["frames"]
    ours = tables.read_table(f"{bucket}/report", "frames", "night")["score"].to_numpy()
    theirs = tables.read_table(str(swept[0]), "frames", "night")["score"].to_numpy()
    np.testing.assert_allclose(np.sort(ours), np.sort(theirs), atol=1e-6)
    assert cli.main(["verify", f"{bucket}/report"]) == 0
    status, again = sweep(capsys, f"{bucket}/in", remote, f"{bucket}/report", "sweep_id=night")
    assert status == 0 and again["already"]


def test_a_derived_name_tells_what_was_asked_for(archive, bundles, tmp_path):
    """Under one name the second request would be told that the first is committed and nothing is to do."""

    def name(**more) -> str:
        given = {"archive": str(archive.test), "out": str(tmp_path / "r"), "bundle": str(bundles["video"])}
        return request.prepare(SweepOptions(**{**given, **more})).sweep_id

    routed = [{"path": str(bundles["video"]), "camera": "gate*"}]
    names = [
        name(),
        name(bundle=routed),
        name(since="2026-01-01"),
        name(all=True),
        name(retry_quarantined=True),
    ]
    assert len(set(names)) == len(names)
    assert name() == name(actors=1), "how it is done is not what is asked for"
