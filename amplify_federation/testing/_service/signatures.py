"""The form of an AWS signature (SigV4), which the operations of administrators must carry.

It is not verified: there is nobody here whose secret key could be known. This file must not know
pools. Texts without a public source are marked.
"""

import re
from collections.abc import Mapping

from attrs import frozen

from amplify_federation.testing._service import errors
from amplify_federation.testing._service.errors import ServiceRefusal

_SCHEME = "AWS4-HMAC-SHA256 "
_SERVICE = "cognito-identity"
_SCOPE = re.compile(r"[A-Za-z0-9]+/(\d{8})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request", re.ASCII)


@frozen
class SignedFor:
    """What the scope of a signature names."""

    region: str


def check_signature(headers: Mapping[str, str]) -> SignedFor:
    """Return the scope of a request's signature, or refuse the request.

    Refuses with MissingAuthenticationTokenException without one, IncompleteSignatureException if
    a part is missing, InvalidSignatureException for another service or no hexadecimal digest.
    """
    header = headers.get("authorization", "")
    if not header.startswith(_SCHEME):
        raise ServiceRefusal(errors.MISSING_SIGNATURE, "Missing Authentication Token")
    pairs = (part.strip().partition("=") for part in header.removeprefix(_SCHEME).split(","))
    given = {name: value for name, _, value in pairs}
    missing = [
        f"Authorization header requires '{name}' parameter."
        for name in ("Credential", "Signature", "SignedHeaders")
        if not given.get(name)
    ]
    if not missing and not (headers.get("x-amz-date") or headers.get("date")):
        missing = [
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        ]
    if missing:
        raise ServiceRefusal(errors.INCOMPLETE_SIGNATURE, " ".join(missing))
    scope = _SCOPE.fullmatch(given["Credential"])
    if scope is None:
        # Without a public source: the service adds what it found.
        message = "Credential must have exactly 5 slash-delimited elements."
        raise ServiceRefusal(errors.INCOMPLETE_SIGNATURE, message)
    if scope[3] != _SERVICE:
        message = f"Credential should be scoped to correct service: '{_SERVICE}'."
        raise ServiceRefusal(errors.INVALID_SIGNATURE, message)
    if not re.fullmatch(r"[0-9a-f]{64}", given["Signature"]):
        raise ServiceRefusal(errors.INVALID_SIGNATURE, errors.SIGNATURE_MISMATCH)
    return SignedFor(scope[2])
