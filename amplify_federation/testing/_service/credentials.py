"""Credentials that the service gives: unique, one hour, and readable by the test alone."""

import base64
import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from attrs import field, frozen

LIFETIME = 3600.0  # seconds, enhanced flow
_PREFIX = "IQoJb3JpZ2luX2Vj"  # what session tokens of AWS begin with
_TOKEN_BYTES = 720  # padded: session tokens of AWS are about 1,000 characters
_FIELDS = 5  # of IssuedCredentials
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


@frozen
class IssuedCredentials:
    """What a session token of the fake stands for. `expiration`: seconds since the epoch.

    `principal_tags` are the session tags that the pool makes of the token's claims.
    """

    access_key_id: str
    identity_id: str
    role_arn: str
    expiration: float
    principal_tags: Mapping[str, str] = field(factory=dict[str, str])


def issue(
    identity_id: str,
    role_arn: str,
    expiration: float,
    principal_tags: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the `Credentials` member of GetCredentialsForIdentity's answer."""
    random = secrets.token_bytes(16)
    access_key_id = "ASIA" + "".join(_ALPHABET[byte & 31] for byte in random)
    record = json.dumps(
        [access_key_id, identity_id, role_arn, expiration, dict(principal_tags or {})]
    ).encode()
    padding = secrets.token_bytes(max(32, _TOKEN_BYTES - len(record)))
    return {
        "AccessKeyId": access_key_id,
        "SecretKey": base64.b64encode(secrets.token_bytes(30)).decode(),
        "SessionToken": _PREFIX + base64.b64encode(record + b"\0" + padding).decode(),
        "Expiration": expiration,
    }


def read(session_token: str) -> IssuedCredentials:
    """Return what a session token stands for. Raises `ValueError` if it is not the fake's."""
    fields: list[Any] = []
    with suppress(ValueError, TypeError):
        record = base64.b64decode(session_token.removeprefix(_PREFIX), validate=True)
        fields = list(json.loads(record.partition(b"\0")[0]))
    if len(fields) != _FIELDS:
        message = "This session token was not issued by a FakeCognito."
        raise ValueError(message)  # the text is wrong, not the type of an argument
    return IssuedCredentials(*fields)
