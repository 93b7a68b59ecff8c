"""`smoothing=markov`, whole: calibrated, swept in pieces, and judged as by the calibration at once."""

import numpy as np
import pyarrow.compute as pc

from tests.running import run
from vadray.bundle import open_bundle
from vadray.calibration import VideoScores
from vadray.report import tables


def test_a_sweep_judges_by_log_odds_however_footage_is_cut(bundles, archive, tmp_path, capsys):
    bundle = tmp_path / "bundle"
    status, _, _ = run(
        capsys, "calibrate", bundles["video"], archive.train, f"out={bundle}", "smoothing=markov", "actors=1"
    )
    assert status == 0
    calibration = open_bundle(str(bundle)).calibration
    assert calibration.rules.markov is not None
    found = []
    for unit_frames in (7, 500):
        report = tmp_path / f"report-{unit_frames}"
        words = (f"out={report}", "sweep_id=night", f"unit_frames={unit_frames}")
        assert run(capsys, "sweep", archive.test, "--bundle", bundle, *words)[0] == 0
        found.append(
            {
                name: tables.read_table(str(report), name, "night").sort_by(
                    [("object_uri", "ascending"), (by, "ascending")]
                )
                for name, by in (("frames", "frame_index"), ("events", "start_s"))
            }
        )
    frames, events = found[0]["frames"], found[0]["events"]
    for name in ("score", "p_value", "anomalous"):
        np.testing.assert_allclose(frames[name], found[1]["frames"][name], atol=1e-6)
    assert events.num_rows == found[1]["events"].num_rows > 0
    for uri in pc.unique(frames["object_uri"]).to_pylist():
        own = frames.filter(pc.equal(frames["object_uri"], uri))
        at_once = calibration.apply(
            VideoScores(own["camera"][0].as_py(), own["time_s"].to_numpy(), own["score"].to_numpy())
        )
        np.testing.assert_allclose(own["p_value"].to_numpy(), at_once.p_value, rtol=1e-5)
        np.testing.assert_array_equal(own["anomalous"].to_numpy(zero_copy_only=False), at_once.flags)
