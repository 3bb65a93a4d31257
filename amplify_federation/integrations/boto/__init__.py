"""AWS clients and signatures as the federated user, now and after renewals.

    session = boto3_session(auth)            # for worker threads
    session = aiobotocore_session(auth)      # for asyncio
    credentials = botocore_credentials(auth) # for what else takes botocore's credentials
    client = httpx.AsyncClient(auth=SigV4Auth(auth, "execute-api"))
    clients = aws_clients()                  # for many users over the same services
    signed = await presign(auth, "https://bucket.s3.us-west-2.amazonaws.com/key")

Each takes a `FederatedAuth` or the `FederatedBearer` of one user among many. Each signature asks
the live session: a renewal is seen by the next request, an expired session raises
`SessionExpiredError`, a cleared one `SignedOutError`. A fresh session costs a signature neither
network nor lock.

The libraries are imported when one of these is called.
"""

from typing import TYPE_CHECKING, Any

from amplify_federation.integrations.live_session import LiveSession, require

if TYPE_CHECKING:
    import boto3
    import botocore.credentials
    from aiobotocore.session import AioSession  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]  # it has none

    from amplify_federation.integrations.boto.clients import AwsClients
    from amplify_federation.integrations.boto.signing import PresignedURL, SigV4Auth, presign

__all__ = [
    "PresignedURL",
    "SigV4Auth",
    "aiobotocore_session",
    "aws_clients",
    "boto3_session",
    "botocore_credentials",
    "presign",
]


def boto3_session(auth: LiveSession, *, region_name: str | None = None) -> "boto3.Session":
    """Return a boto3 session for worker threads that signs with the session's live credentials.

    Call it in the event loop of `auth`, or in a worker thread of anyio's, and use its clients in
    worker threads (`asyncio.to_thread`, `anyio.to_thread.run_sync`, an executor). In the event
    loop's own thread a signature raises `InvalidStateError`, since waiting there for a renewal
    would wait for ever. `region_name` is by default botocore's configuration, else the region of
    the pool.

    A signature raises the session's error, such as `SessionExpiredError` or `SignedOutError`.
    Raises `ModuleNotFoundError` if boto3 is missing.
    """
    require("boto3", "pip install boto3 'amplify-federation[boto]'")
    import boto3  # noqa: PLC0415  # heavy, and optional

    from amplify_federation.integrations.boto.refreshing_credentials import (  # noqa: PLC0415  # needs botocore
        RefreshingCredentials,
        RefreshingSession,
    )

    session = RefreshingSession(RefreshingCredentials(auth))
    return boto3.Session(botocore_session=session, region_name=_region(session, auth, region_name))


def botocore_credentials(auth: LiveSession) -> "botocore.credentials.Credentials":
    """Return botocore credentials for worker threads that are those of the live session.

    For libraries that take such an object; `get_frozen_credentials()` is the call to sign with,
    and `expiration` says when what it last returned ends. Where to call this, and what a signature
    raises, is as for `boto3_session`. Raises `ModuleNotFoundError` if botocore is missing.
    """
    require("botocore", "pip install 'amplify-federation[boto]'")
    from amplify_federation.integrations.boto.refreshing_credentials import (  # noqa: PLC0415  # needs botocore
        RefreshingCredentials,
    )

    return RefreshingCredentials(auth)


def aiobotocore_session(auth: LiveSession, *, region_name: str | None = None) -> "AioSession":
    """Return an aiobotocore session that signs with the session's live credentials.

    Make it in the event loop of `auth`. Its clients serve there and in other threads' event loops,
    so that a blocking s3fs works in worker threads. `region_name` and what a signature raises are
    as for `boto3_session`. Raises `ModuleNotFoundError` if aiobotocore is missing.
    """
    require("aiobotocore", "pip install aiobotocore")
    from amplify_federation.integrations.boto.aio import (  # noqa: PLC0415  # needs aiobotocore
        AioRefreshingCredentials,
        AioRefreshingSession,
    )

    session = AioRefreshingSession(AioRefreshingCredentials(auth))
    region = _region(session, auth, region_name)
    if region is not None:
        session.set_config_variable("region", region)
    return session


def aws_clients(
    *,
    region_name: str | None = None,
    config: Any = None,  # noqa: ANN401  # aiobotocore has no types
    max_clients: int = 50,
) -> "AwsClients":
    """Return clients of AWS services for many sessions over one client a service; `async with`.

    `await clients.client(session, "s3")` gives a client whose calls are signed with that session's
    live credentials and with no other's. It costs microseconds, so make one for each request.
    Use it in the event loop of the sessions.

    Args:
        region_name: by default botocore's configuration, else the region of each session's pool.
        config: an `aiobotocore.config.AioConfig`; `max_pool_connections` is 100 where it says
            nothing.
        max_clients: how many services, regions and endpoints there may be.

    Raises `ModuleNotFoundError` if aiobotocore is missing.
    """
    require("aiobotocore", "pip install aiobotocore")
    from amplify_federation.integrations.boto.clients import (  # noqa: PLC0415  # needs aiobotocore
        AwsClients,
    )

    return AwsClients(region_name=region_name, config=config, max_clients=max_clients)


def __getattr__(name: str) -> object:
    if name not in {"PresignedURL", "SigV4Auth", "presign"}:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    require("botocore", "pip install 'amplify-federation[boto]'")
    from amplify_federation.integrations.boto import signing  # noqa: PLC0415  # needs botocore

    found: object = getattr(signing, name)
    return found


def _region(session: Any, auth: LiveSession, given: str | None) -> str | None:  # noqa: ANN401  # either library's session
    """Return what the caller or botocore's configuration says, else where the pool is."""
    configured: str | None = given or session.get_config_variable("region")
    return configured or auth.pool.region
