"""Made-up calls and answers that the tests of this room share."""

import json
from collections.abc import Mapping

from amplify_federation._cognito.decoding import Reply
from amplify_federation._cognito.requests import Call, get_credentials, get_id
from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.values import Secret

POOL = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768"
IDENTITY = "us-west-2:11111111-2222-3333-4444-555555555555"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJjYW5hcnkiOiJjYW5hcnkifQ.c2lnbmF0dXJlLW9mLWNhbmFyeQ"
LOGINS = {AuthProvider.GOOGLE: Secret(TOKEN)}
GET_ID: Call = get_id(POOL, LOGINS)
GET_CREDENTIALS: Call = get_credentials(IDENTITY, LOGINS)
GIVEN = {
    "IdentityId": IDENTITY,
    "Credentials": {
        "AccessKeyId": "ASIAEXAMPLE",
        "SecretKey": "made-up-secret-key",
        "SessionToken": "made-up-session-token",
        "Expiration": 1_800_003_600.0,
    },
}


def http(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """Return an HTTP answer; a body that is no bytes is written as JSON."""
    raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    return Reply(status, headers or {}, raw)
