"""Authlib's OAuth 2.0, of the extra `login`, loaded when a provider is asked.

Only what needs no transport is used: `authlib.oauth2`, 20 ms to load. Its httpx client takes httpx2
alone, and another 90 ms. Authlib ships no types; the functions here have them.
"""

import importlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus

from attrs import frozen

from amplify_federation._model.values import Secret
from amplify_federation.errors import ConfigurationError


def check_installed() -> None:
    """Raise `ConfigurationError` if the extra is missing."""
    _oauth2("rfc6749.parameters")


def _oauth2(name: str) -> Any:  # noqa: ANN401  # Authlib has no types
    try:
        return importlib.import_module(f"authlib.oauth2.{name}")
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in {"authlib", "joserfc"}:
            raise
    message = "Signing in at an OpenID provider needs Authlib."
    raise ConfigurationError(
        message, recovery_suggestion="Install it: pip install 'amplify-federation[login]'"
    )


def authorization_url(endpoint: str, **parameters: str | None) -> str:
    """Return the URL of an authorization request (RFC 6749, 4.1.1)."""
    client_id = parameters.pop("client_id")
    url = _oauth2("rfc6749.parameters").prepare_grant_uri(endpoint, client_id, "code", **parameters)
    return str(url)


def code_challenge(verifier: Secret) -> str:
    """Return the S256 challenge of a code verifier (RFC 7636, 4.2)."""
    return str(_oauth2("rfc7636").create_s256_code_challenge(verifier.reveal()))


@frozen
class Form:
    """A form for one of a provider's endpoints, and the headers that go with it."""

    body: Secret
    headers: Mapping[str, str]


@frozen
class Client:
    """An application as its provider knows it. `secret`: of a confidential client alone."""

    client_id: str
    secret: Secret | None = None

    def token_form(
        self, endpoint: str, methods: tuple[str, ...], grant_type: str, values: Mapping[str, Any]
    ) -> Form:
        """Return a token request (RFC 6749, 4.1.3, 6; RFC 8628, 3.4). `values` may be secrets."""
        prepare = _oauth2("rfc6749.parameters").prepare_token_request
        return self._authenticated(endpoint, methods, prepare(grant_type, **_revealed(values)))

    def revocation_form(self, endpoint: str, methods: tuple[str, ...], token: Secret) -> Form:
        """Return a revocation request for a refresh token (RFC 7009, 2.1)."""
        body, _ = _oauth2("rfc7009").prepare_revoke_token_request(token.reveal(), "refresh_token")
        return self._authenticated(endpoint, methods, body)

    def device_form(self, endpoint: str, methods: tuple[str, ...], scope: str) -> Form:
        """Return a device authorization request (RFC 8628, 3.1)."""
        add = importlib.import_module("authlib.common.urls").add_params_to_qs
        return self._authenticated(endpoint, methods, add("", [("scope", scope)]))

    def _authenticated(self, endpoint: str, methods: tuple[str, ...], body: str) -> Form:
        client_id, secret, method = self.client_id, self.secret, "none"
        if secret is not None:
            method = "client_secret_basic"  # OpenID Connect Discovery 1.0, 3: the default
            if "client_secret_post" in methods:
                method = "client_secret_post"
            else:  # RFC 6749, 2.3.1; Authlib leaves that to its caller
                client_id, secret = quote_plus(client_id), Secret(quote_plus(secret.reveal()))
        auth = _oauth2("auth").ClientAuth(client_id, secret and secret.reveal(), method)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        _, headers, body = auth.prepare("POST", endpoint, headers, body)
        return Form(Secret(body), _Headers(headers))


class _Headers(dict[str, str]):
    """Headers whose repr does not show the client's secret."""

    def __repr__(self) -> str:
        return f"<headers {sorted(self)}>"


def _revealed(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.reveal() if isinstance(value, Secret) else value
        for name, value in values.items()
    }
