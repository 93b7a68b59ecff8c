"""A short form of `python -m tests.faults.fuzz`, which takes a thousand files."""

from tests.faults.fuzz import FAULTS, fuzz


def test_of_mutated_files_none_is_lost_and_none_ends_the_job(cluster, tmp_path):
    found = fuzz(tmp_path / "fuzz", files=150, seed=1)
    assert not any(found[name] for name in FAULTS), found
    assert found["by_status"]["scored"] > 20 and found["by_status"]["quarantined"] > 20
    assert len(found["by_reason"]) > 3
