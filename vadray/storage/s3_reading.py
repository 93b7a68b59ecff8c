"""Reading objects of an S3 bucket; what breaks on the way is taken up again."""

import random
import time

from vadray.errors import ObjectChanged
from vadray.storage.ranged import RangedReader
from vadray.storage.s3_client import CONDITION_FAILED, NAMELESS, client, code_of, explained
from vadray.storage.uri import bucket_and_key

ATTEMPTS = 8


class ObjectReader(RangedReader):
    """A seekable view of one version of an object; each read is a request of its own.

    Args:
        uri: The object.
        etag: The version that is expected; None takes the one that is there now.

    Raises:
        FileNotFoundError: It is absent.
        PermissionError: It may not be read.
        ObjectChanged: It is another version, now or when it is read.
    """

    def __init__(self, uri: str, etag: str | None):
        bucket, key = bucket_and_key(uri)
        with explained(uri):
            found = _head(bucket, key)
        super().__init__(found["ContentLength"])
        self._uri, self._etag = uri, found["ETag"].strip('"')
        if etag is not None and etag != self._etag:
            raise ObjectChanged(f"{uri}: listed as version {etag}, now {self._etag}")

    def fetch(self, start: int, length: int) -> bytes:
        return read(self._uri, self._etag, f"bytes={start}-{start + length - 1}")[0]


def _head(bucket: str, key: str):
    """HEAD of an object; where it fails, with the store's own name of the reason."""
    from botocore.exceptions import ClientError

    try:
        return client().head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if code_of(error) in NAMELESS:
            client().get_object(Bucket=bucket, Key=key, Range="bytes=0-0")
        raise


def read(uri: str, etag: str | None = None, range_: str | None = None) -> tuple[bytes, str]:
    """An object, or a range of it in the words of HTTP, and its ETag. Raises as `ObjectReader`."""
    from botocore import exceptions

    # an answer that broke off: botocore itself retries requests, not what comes after their first byte
    broken = (
        exceptions.IncompleteReadError,
        exceptions.ReadTimeoutError,
        exceptions.ResponseStreamingError,
        exceptions.ConnectionClosedError,
    )
    bucket, key = bucket_and_key(uri)
    wanted = {"Range": range_} if range_ else {}
    condition = {"IfMatch": f'"{etag}"'} if etag is not None else {}
    for attempt in range(ATTEMPTS):
        try:
            with explained(uri):
                found = client().get_object(Bucket=bucket, Key=key, **wanted, **condition)
                return found["Body"].read(), found["ETag"].strip('"')
        except exceptions.ClientError as error:
            if code_of(error) in CONDITION_FAILED:
                raise ObjectChanged(f"{uri}: no longer version {etag}") from error
            raise
        except broken:
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(random.uniform(0.5, 1) * min(0.5 * 2**attempt, 20))
    raise AssertionError("unreachable: the last attempt returns or raises")
