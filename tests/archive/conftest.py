"""A place of each kind to put an archive in."""

import pytest
from hypothesis import settings

# Timings of single examples say nothing on a busy machine.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(params=["local", "s3"])
def place(request, tmp_path):
    """URI of an empty folder, or of an empty prefix on a real S3 server."""
    if request.param == "local":
        return str(tmp_path / "archive #1 ä")
    server = request.getfixturevalue("s3_server")
    return f"{server.uri}/{tmp_path.name}/archive #1 ä"
