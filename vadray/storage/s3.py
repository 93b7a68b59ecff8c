"""Objects in an S3 bucket: botocore for listing, reading and conditional writes, s3fs for uploads in parts."""

import io
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import BinaryIO

from vadray.errors import RequestError, VadrayError
from vadray.storage import s3_client, s3_reading
from vadray.storage.s3_client import (
    CONDITION_FAILED,
    MISSING,
    client,
    code_of,
    endpoint,
    explained,
    session_and_options,
)
from vadray.storage.uri import S3_PREFIX, Entry, bucket_and_key

_BLOCK_BYTES = 1 << 20
_CONFLICT_ATTEMPTS = 6
_LISTINGS_AT_ONCE = 16


def list_objects(uri: str, hidden: bool, on_skip: Callable[[str, str], None] | None) -> Iterator[Entry]:
    bucket, key = bucket_and_key(uri)
    found = False
    with explained(uri):
        if key and (single := _head(bucket, key)):
            found = True
            yield Entry(uri, single["ContentLength"], single["ETag"].strip('"'), single["LastModified"])
        prefix = f"{key}/" if key else ""
        for page in client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
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
        return client().head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        # 403 is what a policy without s3:ListBucket answers for an absent key: the listing then tells.
        if code_of(error) in MISSING | {"403"}:
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
    with explained(uri):
        pages = client().get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=bucket, Prefix=prefix + beginning, Delimiter="/"):
            keys = [item["Key"] for item in page.get("Contents", ())]
            keys += [item["Prefix"] for item in page.get("CommonPrefixes", ())]
            found += sorted(name for path in keys if (name := path[len(prefix) :].rstrip("/")))
    return found


def exists(uri: str) -> bool:
    bucket, key = bucket_and_key(uri)
    with explained(uri):
        if key and _head(bucket, key):
            return True
        prefix = f"{key}/" if key else ""
        return client().list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("KeyCount", 0) > 0


def read_bytes(uri: str, etag: str | None = None) -> bytes:
    return s3_reading.read(uri, etag)[0]


def open_read(uri: str, etag: str | None = None) -> BinaryIO:
    return io.BufferedReader(s3_reading.ObjectReader(uri, etag), _BLOCK_BYTES)


def write_bytes(uri: str, data: bytes) -> None:
    bucket, key = bucket_and_key(uri)
    with explained(uri):
        client().put_object(Bucket=bucket, Key=key, Body=data)


def create_bytes(uri: str, data: bytes) -> bool:
    return _put_if(uri, io.BytesIO(data), IfNoneMatch="*")


def create_from(local_path: str, uri: str) -> bool:
    with open(local_path, "rb") as file:
        return _put_if(uri, file, IfNoneMatch="*")


def swap_bytes(uri: str, expected: bytes, data: bytes) -> bool:
    try:
        content, etag = s3_reading.read(uri)
    except FileNotFoundError:
        return False
    return content == expected and _put_if(uri, io.BytesIO(data), IfMatch=f'"{etag}"')


def _put_if(uri: str, body: BinaryIO, **condition: str) -> bool:
    """Puts an object under a condition of the store; whether the condition held."""
    from botocore.exceptions import ClientError

    bucket, key = bucket_and_key(uri)
    with explained(uri):
        for attempt in range(_CONFLICT_ATTEMPTS):
            try:
                body.seek(0)
                client().put_object(Bucket=bucket, Key=key, Body=body, **condition)
                return True
            except ClientError as error:
                if code_of(error) in MISSING:
                    return False  # what was to be replaced is gone
                if code_of(error) in CONDITION_FAILED:
                    # The first answer may have been lost on the way: then the object there is our own.
                    retried = attempt > 0 or error.response["ResponseMetadata"].get("RetryAttempts", 0) > 0
                    body.seek(0)
                    return retried and read_bytes(uri) == body.read()
                if code_of(error) not in ("ConditionalRequestConflict", "409"):
                    raise
                time.sleep(0.1 * 2**attempt)  # another write of this key is under way; it will win or fail
    return False


def age_s(uri: str) -> float:
    bucket, key = bucket_and_key(uri)
    with explained(uri):
        found = client().head_object(Bucket=bucket, Key=key)
    now = parsedate_to_datetime(found["ResponseMetadata"]["HTTPHeaders"]["date"])
    return (now - found["LastModified"]).total_seconds()


def delete(uri: str) -> None:
    bucket, key = bucket_and_key(uri)
    with explained(uri):
        client().delete_object(Bucket=bucket, Key=key)


def delete_folder(uri: str) -> None:
    bucket, key = bucket_and_key(uri)
    with explained(uri):
        pages = client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{key}/")
        for page in pages:  # as many as one request deletes
            keys = [{"Key": item["Key"]} for item in page.get("Contents", ())]
            if not keys:
                continue
            answer = client().delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
            if kept := answer.get("Errors"):
                raise VadrayError(
                    f"{uri}: {len(kept)} objects were not deleted, the first of them {kept[0]['Key']} ({kept[0]['Code']})"
                )


def upload(local_path: str, uri: str) -> None:
    s3_filesystem, path = filesystem(uri)
    s3_filesystem.put_file(local_path, path)


def filesystem(uri: str):
    return s3_client.filesystem(), uri.removeprefix(S3_PREFIX)


def delta_options() -> dict[str, str]:
    session, _ = session_and_options()
    options = {"AWS_REGION": session.get_config_variable("region") or "us-east-1", "conditional_put": "etag"}
    if url := endpoint(session):
        options["AWS_ENDPOINT_URL"] = url
        if url.startswith("http://"):
            options["AWS_ALLOW_HTTP"] = "true"
    # deltalake reads the environment itself, but not every profile, SSO cache or process that botocore knows.
    if "AWS_ACCESS_KEY_ID" not in os.environ and (credentials := session.get_credentials()):
        frozen = credentials.get_frozen_credentials()
        options |= {"AWS_ACCESS_KEY_ID": frozen.access_key, "AWS_SECRET_ACCESS_KEY": frozen.secret_key}
        if frozen.token:
            options["AWS_SESSION_TOKEN"] = frozen.token
    return options
