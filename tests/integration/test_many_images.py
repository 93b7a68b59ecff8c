"""A hundred thousand small pictures, as files and in shards, cost a few tasks and are all there in the end."""

import json
import os
import tarfile
from pathlib import Path

import pytest

from tests.faults.material import untrained_bundles
from vadray.bench import specimens
from vadray.cli import main
from vadray.report.tables import read_commit
from vadray.sweep import scoring
from vadray.sweep.verify import verify

pytestmark = pytest.mark.soak  # minutes

FILES, SHARDS, MEMBERS, UNIT_IMAGES, DIFFERENT = 90_000, 10, 1_000, 64, 20


def test_they_are_scored_in_few_tasks(cluster, tmp_path: Path, monkeypatch, capsys):
    archive = tmp_path / "archive"
    pictures = [archive / "camera=1" / f"{number:06}.jpg" for number in range(FILES)]
    pictures[0].parent.mkdir(parents=True)
    for number, path in enumerate(pictures):
        if number < DIFFERENT:
            specimens.write_picture(path, 64, number)
        else:
            os.link(pictures[number % DIFFERENT], path)
    for shard in range(SHARDS):
        with tarfile.open(archive / f"{shard}.tar", "w", dereference=True) as tar:
            for number in range(MEMBERS):
                tar.add(pictures[number % DIFFERENT], f"{number:06}.jpg")

    blocks: list[int] = []
    original = scoring.pack_units
    monkeypatch.setattr(scoring, "pack_units", lambda units: blocks.append(units.num_rows) or original(units))
    (_, image) = untrained_bundles(tmp_path)
    report = str(tmp_path / "report")
    command = ["sweep", str(archive), f"bundle={image}", f"out={report}", "sweep_id=many", "thumbnails=false"]
    assert main([*command, f"unit_images={UNIT_IMAGES}", "max_quarantined=0"]) == 0

    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["scored"] == result["frames"] == FILES + SHARDS * MEMBERS
    assert len(blocks) <= (FILES + SHARDS * MEMBERS) / UNIT_IMAGES + 2
    assert verify(report, "many")["faults"] == []
    print({"tasks": len(blocks), "wall_s": read_commit(report, "many")["wall_s"]})
