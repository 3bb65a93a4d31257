"""A client of one provider: token requests, refusals, revocation, and ID tokens, checked."""

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import Any

from attrs import frozen

from amplify_federation._cognito.errors import redacted
from amplify_federation._cognito.requests import Call
from amplify_federation._model.refresh_grant import RefreshGrant
from amplify_federation._model.values import Secret
from amplify_federation._oidc.discovery import (
    ProviderMetadata,
    discover,
    discovery_url_of,
    provider_fault,
)
from amplify_federation._oidc.http import (
    ProviderAnswer,
    ProviderHttp,
    malformed,
    provider_http,
)
from amplify_federation._oidc.id_token import AGAIN, Expected, id_token_claims
from amplify_federation._oidc.library import Client, Form, check_installed
from amplify_federation.errors import (
    AuthError,
    ConfigurationError,
    ExternalServiceError,
    NotAuthorizedError,
    ServiceError,
    TooManyRequestsError,
)

_TOO_MANY_REQUESTS = 429
_LATER = "Try again later."
_CLIENT_ADVICE = (
    "Check the client id and, if the client has one, its secret; and that the provider allows this "
    "client the grant that was asked for."
)
# RFC 6749, 4.1.2.1 and 5.2, and RFC 8628, 3.5: what the code means, its error, and what to do.
_REFUSALS: dict[str, tuple[str, type[AuthError], str]] = {
    "invalid_client": (
        "The provider does not know this client", ConfigurationError, _CLIENT_ADVICE,
    ),
    "unauthorized_client": (
        "The provider does not allow this client to do that", ConfigurationError, _CLIENT_ADVICE,
    ),
    "unsupported_grant_type": (
        "The provider does not allow this client to do that", ConfigurationError, _CLIENT_ADVICE,
    ),
    "invalid_scope": (
        "The provider does not give this scope", ConfigurationError,
        "Ask for a scope that the provider lists; `openid` must be among it.",
    ),
    "invalid_grant": (
        "The provider does not take this code or refresh token any more", NotAuthorizedError, AGAIN,
    ),
    "access_denied": (
        "The sign-in was denied at the provider", NotAuthorizedError,
        "Sign in again and allow what is asked, or ask the provider's administrator to allow it.",
    ),
    "expired_token": (
        "Nobody signed in before the device code was over", NotAuthorizedError, AGAIN,
    ),
    "server_error": ("The provider has a fault", ExternalServiceError, _LATER),
    "temporarily_unavailable": ("The provider is overloaded", ExternalServiceError, _LATER),
    "redirect_uri_mismatch": (
        "The redirect URI is not registered for this client", ConfigurationError,
        "Register the redirect URI for this client at the provider.",
    ),
}  # fmt: skip


def oauth_error(code: str, words: str) -> AuthError:
    """Return the error for an error code of OAuth and the provider's own words, without secrets.

    `code` is that of a `ServiceError`.
    """
    said = ": ".join(part for part in (code, words) if part)
    meaning, kind, advice = _REFUSALS.get(
        code, ("The provider refused", NotAuthorizedError, f"{AGAIN} See the provider's own words.")
    )
    message = f"{meaning} ({said})."
    if not issubclass(kind, ServiceError):
        return kind(message, recovery_suggestion=advice)
    retryable = kind is ExternalServiceError
    return kind(message, code=code, retryable=retryable, recovery_suggestion=advice)


@frozen
class TokenAnswer:
    """The tokens of one answer. `now`: the provider's time, in epoch seconds."""

    id_token: Secret | None
    access_token: Secret | None
    refresh_token: Secret | None
    now: float


@frozen
class OidcClient:
    """This application as the client of one provider."""

    http: ProviderHttp
    metadata: ProviderMetadata
    client: Client

    async def request_tokens(self, grant_type: str, values: Mapping[str, Any]) -> TokenAnswer:
        """Make one request to the token endpoint. `values` may be secrets.

        Raises as `post` does.
        """
        endpoint = self.metadata.token_endpoint
        methods = self.metadata.auth_methods
        form = self.client.token_form(endpoint, methods, grant_type, values)
        secrets = tuple(value for value in values.values() if isinstance(value, Secret))
        answer = await self.post(endpoint, form, secrets)
        members = answer.members or {}
        return TokenAnswer(
            secret_of(members.get("id_token")),
            secret_of(members.get("access_token")),
            secret_of(members.get("refresh_token")),
            _time_of(answer),
        )

    async def post(
        self, endpoint: str, form: Form, secrets: tuple[Secret, ...] = ()
    ) -> ProviderAnswer:
        """Send a form; return the answer. No error repeats `secrets`.

        Raises `NetworkError`; the error of a refusal, a `ServiceError` with OAuth's code or a
        `ConfigurationError`; and a `ServiceError` for an answer that is none of OAuth's.
        """
        answer = await self.http.post(endpoint, form)
        if answer.is_success and answer.members is not None:
            return answer
        raise self._error_in(answer, endpoint, secrets)

    def _error_in(
        self, answer: ProviderAnswer, endpoint: str, secrets: tuple[Secret, ...]
    ) -> AuthError:
        """Return the error for an answer. This frame binds its words, which may repeat a secret."""
        members = answer.members or {}
        error = members.get("error")
        if isinstance(error, str) and error.isascii() and error.isprintable():
            return self.refusal(error, members.get("error_description"), secrets)
        if answer.status == _TOO_MANY_REQUESTS:
            message = "The provider throttles."
            return TooManyRequestsError(message, status=answer.status, retryable=True)
        if answer.is_fault:
            return provider_fault(answer, endpoint)
        return malformed(f"{endpoint} gave no JSON object, with HTTP status {answer.status}.")

    def refusal(self, error: str, description: object, secrets: tuple[Secret, ...]) -> AuthError:
        """Return the error of a refusal, whose words repeat no secret of ours."""
        if self.client.secret is not None:
            secrets = (*secrets, self.client.secret)
        call = Call("", b"", secrets)
        words = redacted(call, description)[:200] if isinstance(description, str) else ""
        return oauth_error(redacted(call, error)[:80], words)

    async def revoke(self, token: Secret) -> str | None:
        """Revoke a refresh token; return `None`, or what the provider answered instead.

        RFC 7009, 2.2: a token that the provider does not know is a success, and no body is due.
        Raises `NetworkError`.
        """
        endpoint = self.metadata.revocation_endpoint or ""
        form = self.client.revocation_form(endpoint, self.metadata.auth_methods, token)
        answer = await self.http.post(endpoint, form)
        return None if answer.is_success else f"HTTP status {answer.status}"

    async def checked_id_token(
        self, answer: TokenAnswer, nonce: str | None = None
    ) -> tuple[Secret, dict[str, Any]]:
        """Return the answer's ID token, and its claims.

        Raises `ConfigurationError`, `NotAuthorizedError` or `MalformedResponseError` for a token
        that is not signed by this issuer, for this client, and valid now; `NetworkError` if the
        keys cannot be had.
        """
        if answer.id_token is None:
            message = "The provider gave no ID token."
            raise ConfigurationError(message, recovery_suggestion="Ask for the scope `openid`.")
        keys = await self.http.get(self.metadata.jwks_uri)
        if keys.is_fault:
            raise provider_fault(keys, self.metadata.jwks_uri)
        expected = Expected(
            self.metadata.issuer, self.client.client_id, nonce, answer.access_token, answer.now
        )
        found = (keys.members or {}).get("keys")
        return answer.id_token, id_token_claims(answer.id_token, found, expected)


def client_of(grant: RefreshGrant) -> Client:
    """Return the client that a refresh grant belongs to."""
    secret = grant.client_secret
    return Client(grant.client_id, None if secret is None else Secret(secret))


@asynccontextmanager
async def open_client(
    http_client: Any | None,  # noqa: ANN401  # httpx's, or its API-compatible successor's
    client: Client,
    issuer: str,
    discovery_url: str | None,
) -> AsyncGenerator[OidcClient]:
    """Open a client of a provider, by the provider's metadata.

    Raises `ConfigurationError`, `NetworkError` and `ServiceError`s.
    """
    check_installed()
    url = discovery_url_of(issuer, discovery_url)
    async with provider_http(http_client, url) as http:
        metadata = await discover(http, issuer, discovery_url)
        yield OidcClient(http, metadata, client)


def secret_of(value: object) -> Secret | None:
    """Return a member of an answer that is a secret, or `None` if it is not there."""
    return Secret(value) if isinstance(value, str) and value else None


def _time_of(answer: ProviderAnswer) -> float:
    """Return the provider's time: this machine's clock may be wrong by days."""
    try:
        return parsedate_to_datetime(answer.date or "").timestamp()
    except (ValueError, TypeError, OverflowError):
        return time.time()
