"""Objects in an S3 bucket: botocore for listing and writes, s3fs for reading ahead and uploads."""

import io
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, BinaryIO, cast

from vadray.errors import RequestError
from vadray.storage.uri import S3_PREFIX, Entry, bucket_and_key

_BLOCK_BYTES = 1 << 20
_CONFLICT_ATTEMPTS = 6
_LISTINGS_AT_ONCE = 16
_MISSING = {"404", "NoSuchKey", "NotFound"}
_REFUSED = {"403", "AccessDenied", "AllAccessDisabled", "InvalidAccessKeyId", "SignatureDoesNotMatch", "401"}


def _environment() -> tuple:
    """What clients depend on: a forked child, or a changed endpoint, must not reuse another's connections."""
    # Some S3 servers answer 411 to the trailing checksums that newer clients send by default.
    os.environ.setdefault("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    settings = sorted((key, value) for key, value in os.environ.items() if key.startswith("AWS_"))
    return os.getpid(), tuple(settings)


def _session_and_options() -> tuple[Any, dict]:
    """A botocore session, and the client options that every S3 client here shares."""
    from botocore.session import get_session

    session = get_session()
    config: dict[str, Any] = {"retries": {"mode": "standard", "max_attempts": 5}, "max_pool_connections": 32}
    own_style = (session.get_scoped_config().get("s3") or {}).get("addressing_style")
    if _endpoint(session) and not own_style:
        config["s3"] = {"addressing_style": "path"}  # bucket.host does not resolve for most own servers
    return session, config


def _endpoint(session) -> str | None:
    scoped = session.get_scoped_config().get("endpoint_url")
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or scoped


@lru_cache(maxsize=4)
def _client_of(environment: tuple):
    from botocore.config import Config

    session, config = _session_and_options()
    # Custom servers ignore the region, but the signature needs some name.
    region = session.get_config_variable("region") or "us-east-1"
    return session.create_client(
        "s3", region_name=region, endpoint_url=_endpoint(session), config=Config(**config)
    )


@lru_cache(maxsize=4)
def _filesystem_of(environment: tuple):
    import s3fs

    session, config = _session_and_options()
    return s3fs.S3FileSystem(
        endpoint_url=_endpoint(session),
        config_kwargs=config,
        client_kwargs={"region_name": session.get_config_variable("region") or "us-east-1"},
        use_listings_cache=False,
        skip_instance_cache=True,  # fsspec's own cache does not see a changed endpoint
    )


def _client():
    return _client_of(_environment())


@contextmanager
def _explained(uri: str) -> Iterator[None]:
    """Turns what a user can act on into our errors; anything else passes as it is, for retries to see."""
    from botocore.exceptions import ClientError, NoCredentialsError, PartialCredentialsError, ProfileNotFound

    try:
        yield
    except ClientError as error:
        code = _code(error)
        if code == "NoSuchBucket":
            raise RequestError(f"{uri}: there is no bucket {bucket_and_key(uri)[0]}") from error
        if code in _MISSING:
            raise FileNotFoundError(f"{uri}: no such object") from error
        if code in _REFUSED:
            raise RequestError(f"{uri}: the object store refused access ({code})") from error
        raise
    except (NoCredentialsError, PartialCredentialsError, ProfileNotFound) as error:
        raise RequestError(f"{uri}: {error}") from error


def _code(error) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def list_objects(uri: str, hidden: bool, on_skip: Callable[[str, str], None] | None) -> Iterator[Entry]:
    bucket, key = bucket_and_key(uri)
    found = False
    with _explained(uri):
        if key and (single := _head(bucket, key)):
            found = True
            yield Entry(uri, single["ContentLength"], single["ETag"].strip('"'), single["LastModified"])
        prefix = f"{key}/" if key else ""
        for page in _client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", ()):
                found = True
                below = item["Key"][len(prefix) :]
                # Consoles make empty objects with a slash at the end to stand for folders.
                if item["Key"].endswith("/") or (not hidden and _is_hidden(below)):
                    continue
                path = f"{S3_PREFIX}{bucket}/{item['Key']}"
                yield Entry(path, item["Size"], item["ETag"].strip('"'), item["LastModified"])
    if key and not found:
        raise RequestError(f"{uri} cannot be listed: no object and no prefix of that name")


def _is_hidden(path: str) -> bool:
    return path[:1] in ("_", ".") or "/_" in path or "/." in path


def _head(bucket: str, key: str) -> dict | None:
    from botocore.exceptions import ClientError

    try:
        return _client().head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        # 403 is what a policy without s3:ListBucket answers for an absent key: the listing then tells.
        if _code(error) in _MISSING | {"403"}:
            return None
        raise


def list_names(uri: str, first: Sequence[str]) -> Iterator[str]:
    with ThreadPoolExecutor(min(len(first), _LISTINGS_AT_ONCE)) as pool:
        for names in pool.map(lambda beginning: _list_names(uri, beginning), first):
            yield from names


def _list_names(uri: str, beginning: str) -> list[str]:
    bucket, key = bucket_and_key(uri)
    prefix = f"{key}/" if key else ""
    found = []
    with _explained(uri):
        pages = _client().get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=bucket, Prefix=prefix + beginning, Delimiter="/"):
            keys = [item["Key"] for item in page.get("Contents", ())]
            keys += [item["Prefix"] for item in page.get("CommonPrefixes", ())]
            found += sorted(name for path in keys if (name := path[len(prefix) :].rstrip("/")))
    return found


def exists(uri: str) -> bool:
    bucket, key = bucket_and_key(uri)
    with _explained(uri):
        if key and _head(bucket, key):
            return True
        prefix = f"{key}/" if key else ""
        return _client().list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("KeyCount", 0) > 0


def read_bytes(uri: str) -> bytes:
    bucket, key = bucket_and_key(uri)
    with _explained(uri):
        return _client().get_object(Bucket=bucket, Key=key)["Body"].read()


def open_read(uri: str) -> BinaryIO:
    s3_filesystem, path = filesystem(uri)
    return cast(BinaryIO, s3_filesystem.open(path, "rb", block_size=_BLOCK_BYTES, cache_type="readahead"))


def write_bytes(uri: str, data: bytes) -> None:
    bucket, key = bucket_and_key(uri)
    with _explained(uri):
        _client().put_object(Bucket=bucket, Key=key, Body=data)


def create_bytes(uri: str, data: bytes) -> bool:
    return _put_if(uri, io.BytesIO(data), IfNoneMatch="*")


def create_from(local_path: str, uri: str) -> bool:
    with open(local_path, "rb") as file:
        return _put_if(uri, file, IfNoneMatch="*")


def swap_bytes(uri: str, expected: bytes, data: bytes) -> bool:
    bucket, key = bucket_and_key(uri)
    try:
        with _explained(uri):
            found = _client().get_object(Bucket=bucket, Key=key)
            if found["Body"].read() != expected:
                return False
    except FileNotFoundError:
        return False
    return _put_if(uri, io.BytesIO(data), IfMatch=found["ETag"])


def _put_if(uri: str, body: BinaryIO, **condition: str) -> bool:
    """Puts an object under a condition of the store; whether the condition held."""
    from botocore.exceptions import ClientError

    bucket, key = bucket_and_key(uri)
    with _explained(uri):
        for attempt in range(_CONFLICT_ATTEMPTS):
            try:
                body.seek(0)
                _client().put_object(Bucket=bucket, Key=key, Body=body, **condition)
                return True
            except ClientError as error:
                if _code(error) in _MISSING:
                    return False  # what was to be replaced is gone
                if _code(error) in ("PreconditionFailed", "412"):
                    # The first answer may have been lost on the way: then the object there is our own.
                    retried = attempt > 0 or error.response["ResponseMetadata"].get("RetryAttempts", 0) > 0
                    body.seek(0)
                    return retried and read_bytes(uri) == body.read()
                if _code(error) not in ("ConditionalRequestConflict", "409"):
                    raise
                time.sleep(0.1 * 2**attempt)  # another write of this key is under way; it will win or fail
    return False


def age_s(uri: str) -> float:
    bucket, key = bucket_and_key(uri)
    with _explained(uri):
        found = _client().head_object(Bucket=bucket, Key=key)
    now = parsedate_to_datetime(found["ResponseMetadata"]["HTTPHeaders"]["date"])
    return (now - found["LastModified"]).total_seconds()


def delete(uri: str) -> None:
    bucket, key = bucket_and_key(uri)
    with _explained(uri):
        _client().delete_object(Bucket=bucket, Key=key)


def upload(local_path: str, uri: str) -> None:
    s3_filesystem, path = filesystem(uri)
    s3_filesystem.put_file(local_path, path)


def filesystem(uri: str):
    return _filesystem_of(_environment()), uri.removeprefix(S3_PREFIX)


def delta_options() -> dict[str, str]:
    session, _ = _session_and_options()
    options = {"AWS_REGION": session.get_config_variable("region") or "us-east-1", "conditional_put": "etag"}
    if endpoint := _endpoint(session):
        options["AWS_ENDPOINT_URL"] = endpoint
        if endpoint.startswith("http://"):
            options["AWS_ALLOW_HTTP"] = "true"
    # deltalake reads the environment itself, but not every profile, SSO cache or process that botocore knows.
    if "AWS_ACCESS_KEY_ID" not in os.environ and (credentials := session.get_credentials()):
        frozen = credentials.get_frozen_credentials()
        options |= {"AWS_ACCESS_KEY_ID": frozen.access_key, "AWS_SECRET_ACCESS_KEY": frozen.secret_key}
        if frozen.token:
            options["AWS_SESSION_TOKEN"] = frozen.token
    return options
