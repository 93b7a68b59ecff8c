import pytest


@pytest.fixture
def report(tmp_path):
    """An empty report folder whose name needs care: a space and a letter outside ASCII."""
    folder = tmp_path / "a report é"
    folder.mkdir()
    return folder
