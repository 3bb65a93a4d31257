"""What an issuer publishes (OpenID Connect Discovery 1.0), and how its endpoints are reached.

An issuer is asked under its own host (in process), or under a path of the loopback server:
`https://accounts.google.com/.well-known/...` or `<url>/accounts.google.com/.well-known/...`.
"""

import json
from typing import Any

from amplify_federation.testing._http.messages import Request
from amplify_federation.testing._openid.authorization import (
    AuthorizationServer,
    PageRequest,
    ProviderPage,
)
from amplify_federation.testing._openid.issuers import is_opaque, signing_key

_DISCOVERY = "/.well-known/openid-configuration"
_KEYS = "/.well-known/jwks.json"
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def discovery_document(
    login_key: str, server: AuthorizationServer, base: str | None = None
) -> dict[str, Any]:
    """Return the discovery document of an issuer whose endpoints are below the URL `base`."""
    issuer = f"https://{login_key}"
    base = base or issuer
    return {
        "issuer": issuer,
        "jwks_uri": f"{base}{_KEYS}",
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        **server.metadata(login_key, base),
    }


def jwks(login_key: str) -> dict[str, Any]:
    """Return the public keys of an issuer."""
    return {"keys": [signing_key(login_key).jwk]}


def issuer_page(request: Request, server: AuthorizationServer) -> ProviderPage | None:
    """Return the answer of an issuer, or `None` if the request is for none."""
    suffix = next((each for each in (_DISCOVERY, _KEYS) if request.path.endswith(each)), None)
    if suffix is None:
        path, _, endpoint = request.path.rpartition("/")
    else:
        path, endpoint = request.path.removesuffix(suffix), ""
    local = request.host.rpartition(":")[0] in _LOOPBACK or request.host in _LOOPBACK
    login_key = path.strip("/") if local else f"{request.host}{path}"
    base = f"{'http' if local else 'https'}://{request.host}{path}"
    if suffix is None:
        asked = PageRequest(
            login_key, base, endpoint, request.method, request.query, request.headers, request.body
        )
        return server.answer(asked)
    if not login_key or is_opaque(login_key) or request.method not in ("GET", "HEAD"):
        return None
    document = jwks(login_key) if suffix == _KEYS else discovery_document(login_key, server, base)
    body = json.dumps(document, separators=(",", ":")).encode()
    return ProviderPage(200, "application/json", body)
