"""Made-up values that the tests of pure rooms share."""

import base64
import json
from datetime import UTC, datetime, timedelta

from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.refresh_grant import RefreshGrant
from amplify_federation._model.state import Grant, Login
from amplify_federation._model.values import AWSCredentials, Secret

ISSUED = 1_800_000_000.0
ALICE = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768"
BOB = "us-west-2:00000000-7ab1-42e1-b044-07dab9eaa768"


def credentials(lifetime: float = 3600.0, *, key_id: str = "ASIAEXAMPLE") -> AWSCredentials:
    expiration = datetime.fromtimestamp(ISSUED, UTC) + timedelta(seconds=lifetime)
    return AWSCredentials(key_id, "made-up-secret-key", "made-up-session-token", expiration)


def grant(identity_id: str = ALICE, lifetime: float = 3600.0, *, key_id: str = "ASIA1") -> Grant:
    return Grant(identity_id, credentials(lifetime, key_id=key_id), ISSUED)


def login(provider: AuthProvider = AuthProvider.GOOGLE, token: str | None = "token") -> Login:
    return Login(provider, None if token is None else Secret(token))


def refresh_grant(refresh_token: str = "old") -> RefreshGrant:
    return RefreshGrant(
        issuer="https://accounts.google.com", client_id="client", refresh_token=refresh_token
    )


def jwt(payload: object) -> str:
    """Return an unsigned token with this payload, which may be bytes that are no JSON."""
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return f"e30.{base64.urlsafe_b64encode(raw).rstrip(b'=').decode()}.c2ln"
