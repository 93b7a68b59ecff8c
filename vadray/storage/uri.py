"""URIs of objects: plain absolute paths and `s3://bucket/key`, never percent-encoded."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from vadray.errors import RequestError

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")
S3_PREFIX = "s3://"


@dataclass(frozen=True, slots=True)
class Entry:
    """One listed object: its URI, size in bytes, version tag, and time of the last change (UTC, aware).

    The `etag` of an S3 object is the store's, without quotes; of a file it is its size and `mtime_ns`.
    """

    uri: str
    size: int
    etag: str
    modified: datetime


def is_s3(uri: str) -> bool:
    return uri.startswith(S3_PREFIX)


def parent(uri: str) -> str:
    """What an object lies in."""
    return uri.rpartition("/")[0]


def absolute(uri: str) -> str:
    """The one spelling of a URI: an absolute local path or `s3://bucket/key`, without a trailing slash.

    `file://` URIs are percent-decoded, as the scheme prescribes; nothing else is.

    Raises:
        RequestError: The scheme is not understood, or an s3 URI names no bucket.
    """
    uri = os.fspath(uri)
    if not uri:
        raise RequestError("Expected a path or an s3:// URI. Received: an empty string")
    if is_s3(uri):
        stripped = uri.rstrip("/")
        bucket = stripped[len(S3_PREFIX) :].partition("/")[0]
        if len(stripped) <= len(S3_PREFIX) or not bucket:
            raise RequestError(f"Expected s3://bucket/key. Received: {uri}")
        return stripped
    if uri.startswith("file://"):
        from urllib.parse import unquote

        return os.path.abspath(
            "/" + unquote(uri.removeprefix("file://").removeprefix("localhost")).lstrip("/")
        )
    if scheme := _SCHEME.match(uri):
        raise RequestError(f"Expected a path, file:// or s3:// URI. Received scheme {scheme[1]}://")
    return os.path.abspath(uri)


def folder(uri: str, argument: str) -> str:
    """The absolute URI of a folder that is there or can be made.

    Raises:
        RequestError: It, or what it would lie in, is a file; `argument` is named.
    """
    uri = absolute(uri)
    place = "" if is_s3(uri) else uri
    while place and not os.path.exists(place):
        place = os.path.dirname(place)
    if place and not os.path.isdir(place):
        received = f"the file {uri}" if place == uri else f"{uri}, where {place} is a file"
        raise RequestError(f"{argument}: expected a folder, received {received}")
    return uri


def checked_ending(uri: str, argument: str, endings: Iterable[str]) -> str:
    """The ending of a file's name, in small letters.

    Raises:
        RequestError: It is none of `endings`; `argument` is named.
    """
    ending = os.path.splitext(uri)[1].lower()
    if ending not in endings:
        raise RequestError(f"{argument}: expected a file that ends in {', '.join(endings)}, received {uri}")
    return ending


def join(uri: str, *parts: str) -> str:
    """`uri` with relative parts below it, joined by single slashes."""
    joined = "/".join([uri.rstrip("/"), *(part.strip("/") for part in parts if part.strip("/"))])
    return joined or "/"


def relative(uri: str, root: str) -> str:
    """The path of `uri` below `root`, without a leading slash; its name where both are the same object."""
    root = root.rstrip("/")
    if uri.startswith(root + "/"):
        return uri[len(root) + 1 :]
    if uri == root:
        return name(uri)
    raise ValueError(f"Expected an object below {root}. Received: {uri}")


def name(uri: str) -> str:
    """The last component of a URI."""
    return uri.rstrip("/").rpartition("/")[2]


def bucket_and_key(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix(S3_PREFIX).partition("/")
    return bucket, key
