"""AWS CRT: a credentials provider of a live session, for IoT, MQTT reconnects and CRT's S3 client.

CRT asks a delegate in a thread of its own, whenever it signs.
"""

from typing import Any, cast

from amplify_federation.integrations.sessions import LiveSession, require
from amplify_federation.integrations.thread_access import ThreadAccess

__all__ = ["crt_credentials"]


def crt_credentials(session: LiveSession) -> Any:  # noqa: ANN401  # awscrt is optional
    """Return an `awscrt.auth.AwsCredentialsProvider` of the session's live credentials.

    Call this in the event loop of the session, a `FederatedAuth` or a `FederatedBearer`, which goes
    on running while CRT works. What stands in place of the credentials, such as
    `SessionExpiredError`, fails what CRT was asked for. Raises `ModuleNotFoundError` if awscrt is
    missing.
    """
    require("awscrt", "pip install 'amplify-federation[crt]'")
    from awscrt.auth import (  # type: ignore[import-untyped,import-not-found,unused-ignore]  # noqa: PLC0415  # optional, untyped  # pyright: ignore[reportMissingTypeStubs,reportMissingImports]
        AwsCredentials,
        AwsCredentialsProvider,
    )

    access = ThreadAccess(session)
    new_delegate = cast("Any", AwsCredentialsProvider).new_delegate  # it has no types

    def provide() -> AwsCredentials:
        credentials = access.credentials()
        return AwsCredentials(
            credentials.access_key_id,
            credentials.secret_access_key,
            credentials.session_token,
            credentials.expiration,
        )

    return new_delegate(provide)
