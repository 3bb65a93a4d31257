"""boto3, botocore and aiobotocore sessions that sign as the federated user, now and after renewals.

    session = boto3_session(auth)            # for worker threads
    session = aiobotocore_session(auth)      # for asyncio
    credentials = botocore_credentials(auth) # for what else takes botocore's credentials

Each signature asks the live session: a renewal is seen by the next request, an expired session
raises `SessionExpiredError`, a cleared one `SignedOutError`. A fresh session costs a signature
neither network nor lock.

The libraries are imported when one of these is called. This file must not know how a thread gets
to the session's event loop.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from amplify_federation import FederatedAuth

if TYPE_CHECKING:
    import boto3
    import botocore.credentials

__all__ = ["aiobotocore_session", "boto3_session", "botocore_credentials"]


def boto3_session(auth: FederatedAuth, *, region_name: str | None = None) -> "boto3.Session":
    """Return a boto3 session for worker threads that signs with the session's live credentials.

    Call it in the event loop of `auth`, or in a worker thread of anyio's, and use its clients in
    worker threads (`asyncio.to_thread`, `anyio.to_thread.run_sync`, an executor). In the event
    loop's own thread a signature raises `InvalidStateError`, since waiting there for a renewal
    would wait for ever. `region_name` is by default botocore's configuration, else the region of
    the pool.

    A signature raises what stands in place of the credentials, such as `SessionExpiredError` or
    `SignedOutError`. Raises `ModuleNotFoundError` if boto3 is missing.
    """
    _require("boto3", "pip install boto3 'amplify-federation[boto]'")
    import boto3  # noqa: PLC0415  # heavy, and optional

    from amplify_federation.integrations.boto.threads import (  # noqa: PLC0415  # needs botocore
        FollowingCredentials,
        FollowingSession,
    )

    session = FollowingSession(FollowingCredentials(auth))
    return boto3.Session(botocore_session=session, region_name=_region(session, auth, region_name))


def botocore_credentials(auth: FederatedAuth) -> "botocore.credentials.Credentials":
    """Return botocore credentials for worker threads that follow the live session.

    For libraries that take such an object; `get_frozen_credentials()` is the call to sign with.
    Where to call this, and what a signature raises, is as for `boto3_session`. Raises
    `ModuleNotFoundError` if botocore is missing.
    """
    _require("botocore", "pip install 'amplify-federation[boto]'")
    from amplify_federation.integrations.boto.threads import (  # noqa: PLC0415  # needs botocore
        FollowingCredentials,
    )

    return FollowingCredentials(auth)


def aiobotocore_session(auth: FederatedAuth, *, region_name: str | None = None) -> Any:  # noqa: ANN401  # aiobotocore has no types
    """Return an aiobotocore session that signs with the session's live credentials.

    Use it in the event loop of `auth`. `region_name` and what a signature raises are as for
    `boto3_session`. Raises `ModuleNotFoundError` if aiobotocore is missing.
    """
    _require("aiobotocore", "pip install aiobotocore")
    from amplify_federation.integrations.boto.tasks import (  # noqa: PLC0415  # needs aiobotocore
        FollowingSession,
    )

    session = FollowingSession(auth)
    region = _region(session, auth, region_name)
    if region is not None:
        session.set_config_variable("region", region)
    return session


def _region(session: Any, auth: FederatedAuth, given: str | None) -> str | None:  # noqa: ANN401  # either library's session
    """Return what the caller or botocore's configuration says, else where the pool is."""
    configured: str | None = given or session.get_config_variable("region")
    return configured or auth.pool.region


def _require(module: str, command: str) -> None:
    if find_spec(module) is None:
        message = f"This needs {module}: {command}"
        raise ModuleNotFoundError(message)
