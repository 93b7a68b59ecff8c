"""The command on a real Ray: every machine of the cluster, the archive, the report's store and the bundles."""

from tests.integration.test_sweep import run


def test_it_tells_that_a_sweep_would_work_here(archive, bundles, tmp_path, capsys):
    status, result = run(
        capsys, "doctor", str(archive.test), f"out={tmp_path}/report", f"bundle={bundles['video']}"
    )
    assert status == 0 and result["level"] in ("ok", "warning")
    whats = [finding["what"] for finding in result["findings"]]
    for what in (
        "actors",
        "authentication",
        "archive",
        "conditional writes",
        "bundle",
        "GPUs",
        "memory",
        "video",
    ):
        assert whats.count(what) == 1


def test_what_would_fail_tonight_is_a_fault_and_exit_status_3(tmp_path, cluster, capsys):
    status, result = run(capsys, "doctor", str(tmp_path / "absent"), f"bundle={tmp_path}/none", "actors=99")
    assert status == 3 and result["level"] == "fault"
    faults = {
        finding["what"]: finding["found"] for finding in result["findings"] if finding["level"] == "fault"
    }
    assert set(faults) == {"actors", "archive", "bundle"}
    assert "received 99" in faults["actors"] and "absent" in faults["archive"]
