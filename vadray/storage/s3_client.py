"""Clients of an S3 store, and what its errors mean."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from vadray.errors import AccessRefused, RequestError
from vadray.storage.uri import bucket_and_key

MISSING = {"404", "NoSuchKey", "NotFound"}
CONDITION_FAILED = {"412", "PreconditionFailed"}
_REFUSED = {"403", "AccessDenied", "AllAccessDisabled"}
_UNKNOWN = {"401", "ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch"}
NAMELESS = {"400", "401", "403", "404"}  # what HEAD is answered with: it has no body that names the reason
# botocore retries what is known to pass: throttling, time-outs, broken connections, 500, 502, 503 and 504; with
# delays of up to 20 s that is a minute, in which a store that was restarted is back
_ATTEMPTS = 10


def _environment() -> tuple:
    """What clients depend on: a forked child, or a changed endpoint, must not reuse another's connections."""
    # Some S3 servers answer 411 to the trailing checksums that newer clients send by default.
    os.environ.setdefault("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    settings = sorted((key, value) for key, value in os.environ.items() if key.startswith("AWS_"))
    return os.getpid(), tuple(settings)


def session_and_options() -> tuple[Any, dict]:
    """A botocore session, and the client options that every S3 client here shares."""
    from botocore.session import get_session

    session = get_session()
    config: dict[str, Any] = {"max_pool_connections": 32}
    if session.get_config_variable("max_attempts") is None:  # AWS_MAX_ATTEMPTS
        config["retries"] = {"mode": "standard", "max_attempts": _ATTEMPTS}
    own_style = (session.get_scoped_config().get("s3") or {}).get("addressing_style")
    if endpoint(session) and not own_style:
        config["s3"] = {"addressing_style": "path"}  # bucket.host does not resolve for most own servers
    return session, config


def endpoint(session) -> str | None:
    scoped = session.get_scoped_config().get("endpoint_url")
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or scoped


@lru_cache(maxsize=4)
def _client_of(environment: tuple):
    from botocore.config import Config

    session, config = session_and_options()
    # Custom servers ignore the region, but the signature needs some name.
    region = session.get_config_variable("region") or "us-east-1"
    return session.create_client(
        "s3", region_name=region, endpoint_url=endpoint(session), config=Config(**config)
    )


@lru_cache(maxsize=4)
def _filesystem_of(environment: tuple):
    import s3fs

    session, config = session_and_options()
    return s3fs.S3FileSystem(
        endpoint_url=endpoint(session),
        config_kwargs=config,
        client_kwargs={"region_name": session.get_config_variable("region") or "us-east-1"},
        use_listings_cache=False,
        skip_instance_cache=True,  # fsspec's own cache does not see a changed endpoint
    )


def client():
    """The botocore client of this process and environment."""
    return _client_of(_environment())


def filesystem():
    """The s3fs filesystem of this process and environment."""
    return _filesystem_of(_environment())


@contextmanager
def explained(uri: str) -> Iterator[None]:
    """Turns what a user can act on into our errors; anything else passes as it is, for retries to see."""
    from botocore.exceptions import ClientError, NoCredentialsError, PartialCredentialsError, ProfileNotFound

    try:
        yield
    except ClientError as error:
        code = code_of(error)
        if code == "NoSuchBucket":
            raise RequestError(f"{uri}: there is no bucket {bucket_and_key(uri)[0]}") from error
        if code in MISSING:
            raise FileNotFoundError(f"{uri}: no such object") from error
        if code in _UNKNOWN:
            raise RequestError(f"{uri}: the object store does not take these credentials ({code})") from error
        if code in _REFUSED:
            raise AccessRefused(f"{uri}: the object store refused access ({code})") from error
        raise
    except (NoCredentialsError, PartialCredentialsError, ProfileNotFound) as error:
        raise RequestError(f"{uri}: {error}") from error


def code_of(error) -> str:
    """The store's name for an error, or the HTTP status where the answer had no body."""
    return str(error.response.get("Error", {}).get("Code", ""))
