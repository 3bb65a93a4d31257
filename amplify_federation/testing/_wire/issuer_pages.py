"""What an issuer publishes: its discovery document and its keys (OpenID Connect Discovery 1.0).

An issuer is asked under its own host (in process), or under a path of the loopback server:
`https://accounts.google.com/.well-known/...` or `<url>/accounts.google.com/.well-known/...`.
"""

from typing import Any

from amplify_federation.testing._providers.issuers import is_opaque
from amplify_federation.testing._providers.keys import signing_key
from amplify_federation.testing._wire.messages import WireRequest

_DISCOVERY = "/.well-known/openid-configuration"
_KEYS = "/.well-known/jwks.json"
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def discovery_document(login_key: str, base: str | None = None) -> dict[str, Any]:
    """Return the discovery document of an issuer whose pages are found at the URL `base`."""
    issuer = f"https://{login_key}"
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{base or issuer}{_KEYS}",
        "response_types_supported": ["code", "id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }


def jwks(login_key: str) -> dict[str, Any]:
    """Return the public keys of an issuer."""
    return {"keys": [signing_key(login_key).jwk]}


def issuer_page(request: WireRequest) -> dict[str, Any] | None:
    """Return the page that a GET asks for, or `None` if no issuer has it."""
    for suffix in (_DISCOVERY, _KEYS):
        if not request.path.endswith(suffix):
            continue
        path = request.path.removesuffix(suffix)
        local = request.host.rpartition(":")[0] in _LOOPBACK or request.host in _LOOPBACK
        login_key = path.strip("/") if local else f"{request.host}{path}"
        if not login_key or is_opaque(login_key):
            return None
        if suffix == _KEYS:
            return jwks(login_key)
        scheme = "http" if local else "https"
        return discovery_document(login_key, f"{scheme}://{request.host}{path}")
    return None
