"""A place of each kind to put an archive in."""

import pytest


@pytest.fixture(params=["local", "s3"])
def place(request, tmp_path):
    """URI of an empty folder, or of an empty prefix on a real S3 server."""
    if request.param == "local":
        return str(tmp_path / "archive #1 ä")
    server = request.getfixturevalue("s3_server")
    return f"{server.uri}/{tmp_path.name}/archive #1 ä"
