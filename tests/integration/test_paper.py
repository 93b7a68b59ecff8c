"""`vadray paper` from nothing but a folder's name, and its second run."""

import json

from vadray import cli


def test_a_small_one_makes_its_data_compares_and_is_kept(cluster, tmp_path, capsys):
    command = ["paper", str(tmp_path / "paper"), "scale=0.001", "detectors=frame_difference", "actors=1"]
    command.append("training={frame_difference: {size: [64, 96]}}")
    assert cli.main(command) == 0
    said = capsys.readouterr()
    assert "making 40 images and 8 videos" in said.err
    result = json.loads(said.out.splitlines()[-1])
    (row,) = json.loads((tmp_path / "paper" / "comparison.json").read_text())
    assert row["entry"] == "frame_difference" and row["auc_micro"] == result["auc_micro frame_difference 0"]
    assert "frame_difference" in (tmp_path / "paper" / "comparison.html").read_text()
    assert cli.main(command) == 0
    assert "kept from an earlier run" in capsys.readouterr().err
