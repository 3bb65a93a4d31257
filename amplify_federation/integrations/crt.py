"""AWS CRT: a credentials provider of a live session, for IoT, MQTT reconnects and CRT's S3 client.

CRT asks a delegate in the thread that signs. Its clients sign in threads of CRT's own.
"""

import importlib
from typing import Any

from amplify_federation.integrations.live_session import LiveSession, require
from amplify_federation.integrations.thread_access import ThreadAccess

__all__ = ["crt_credentials"]


def crt_credentials(session: LiveSession) -> Any:  # noqa: ANN401  # awscrt is optional
    """Return an `awscrt.auth.AwsCredentialsProvider` of the session's live credentials.

    Call this in the event loop of the session, a `FederatedAuth` or a `FederatedBearer`, which goes
    on running while CRT works; call `get_credentials` and `aws_sign_request` in worker threads.
    An error of the session, such as `SessionExpiredError`, fails what CRT was asked for. Raises
    `ModuleNotFoundError` if awscrt is missing.
    """
    require("awscrt", "pip install 'amplify-federation[crt]'")
    auth: Any = importlib.import_module("awscrt.auth")  # it has no types

    access = ThreadAccess(session)

    def provide() -> Any:  # noqa: ANN401  # awscrt's, without types
        credentials = access.credentials()
        return auth.AwsCredentials(
            credentials.access_key_id,
            credentials.secret_access_key,
            credentials.session_token,
            credentials.expiration,
        )

    return auth.AwsCredentialsProvider.new_delegate(provide)
