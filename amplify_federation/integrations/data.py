"""Credentials for data tools, with their true expiry: obstore and polars; a file system for fsspec.

Each asks the live session when the tool asks for credentials, which it does before those that it
has are over. The tools are imported by their users; this file has the form that each expects.
Which tool takes which is in README.md beside this file.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, TypedDict

from amplify_federation.integrations.live_session import LiveSession, require
from amplify_federation.integrations.thread_access import ThreadAccess

__all__ = ["obstore_credentials", "polars_credentials", "s3_file_system"]


class ObstoreCredentials(TypedDict):
    """What obstore takes as the answer of a credential provider for S3."""

    access_key_id: str
    secret_access_key: str
    token: str
    expires_at: datetime


_INSTALL: Final = "pip install 'amplify-federation[data]'"


def obstore_credentials(session: LiveSession) -> Callable[[], ObstoreCredentials]:
    """Return a `credential_provider` for `obstore.store.S3Store`.

    It serves obstore's asynchronous calls, and its blocking ones in worker threads. Call this in
    the event loop of the session, a `FederatedAuth` or a `FederatedBearer`. The session's
    error, such as `SessionExpiredError`, reaches the caller of obstore as an error of obstore's.
    """
    access = ThreadAccess(session)

    def provide() -> ObstoreCredentials:
        credentials = access.credentials()
        return {
            "access_key_id": credentials.access_key_id,
            "secret_access_key": credentials.secret_access_key,
            "token": credentials.session_token,
            "expires_at": credentials.expiration,
        }

    return provide


def polars_credentials(session: LiveSession) -> Callable[[], tuple[dict[str, str], int]]:
    """Return a `credential_provider` for polars' `scan_parquet`, `write_parquet` and the like.

    Run polars in worker threads. The rest is as for `obstore_credentials`.
    """
    access = ThreadAccess(session)

    def provide() -> tuple[dict[str, str], int]:
        credentials = access.credentials()
        return {
            "aws_access_key_id": credentials.access_key_id,
            "aws_secret_access_key": credentials.secret_access_key,
            "aws_session_token": credentials.session_token,
        }, int(credentials.expiration.timestamp())

    return provide


def s3_file_system(session: LiveSession, **options: Any) -> Any:  # noqa: ANN401  # s3fs has no types
    """Return an `s3fs.S3FileSystem` of this session, for fsspec, pandas, pyarrow, DuckDB, Dask.

    Used blocking, it belongs into worker threads; with `asynchronous=True`, into the event loop of
    the session, where this is called. `options` are those of `S3FileSystem`; other credentials
    among them, or in fsspec's configuration, are not used. It is not put into fsspec's cache of
    instances, so that no user is given another's. Raises `ModuleNotFoundError` if s3fs is missing.
    """
    require("s3fs", _INSTALL)
    import s3fs  # type: ignore[import-untyped,import-not-found,unused-ignore]  # noqa: PLC0415  # heavy, and optional  # pyright: ignore[reportMissingTypeStubs,reportMissingImports]

    from amplify_federation.integrations.boto import (  # noqa: PLC0415  # needs aiobotocore
        aiobotocore_session,
    )

    # Given, though they are the defaults: fsspec's configuration (`FSSPEC_S3_KEY`, ...) has others.
    options |= dict.fromkeys(("key", "secret", "token", "username", "password"))
    options |= {"anon": False, "session": aiobotocore_session(session), "skip_instance_cache": True}
    return s3fs.S3FileSystem(**options)
