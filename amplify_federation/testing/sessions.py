"""make_session: a signed-in `AuthSession` without any call, for code that only uses one."""

import uuid
from datetime import UTC, datetime, timedelta

from amplify_federation import AuthResult, AuthSession, AWSCredentials, InvalidStateError

_EXAMPLE_ACCESS_KEY_ID = "ASIAIOSFODNN7EXAMPLE"  # the examples of AWS's own documents
_EXAMPLE_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # an example


def make_session(
    *,
    identity_id: str | None = None,
    credentials: AWSCredentials | None = None,
    expiration: datetime | None = None,
) -> AuthSession:
    """Return a federated session without any call.

    `identity_id` is a new one by default; `credentials` are AWS's documented examples, which sign
    requests that no AWS accepts; `expiration` is theirs, in an hour by default.
    """
    if credentials is None:
        expiration = expiration or datetime.now(UTC) + timedelta(hours=1)
        credentials = AWSCredentials(
            _EXAMPLE_ACCESS_KEY_ID, _EXAMPLE_SECRET, "example-session-token", expiration
        )
    no_user_pool = InvalidStateError(
        "Users federated to Identity Pools do not have User Pool access."
    )
    return AuthSession(
        is_signed_in=True,
        identity_id_result=AuthResult(identity_id or f"us-west-2:{uuid.uuid4()}"),
        credentials_result=AuthResult(credentials),
        user_pool_tokens_result=AuthResult(error=no_user_pool),
        user_sub_result=AuthResult(error=no_user_pool),
    )
