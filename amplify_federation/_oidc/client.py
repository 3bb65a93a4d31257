"""A client of one provider: token requests, refusals, revocation, and ID tokens, checked."""

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import Any, cast

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
from amplify_federation._oidc.library import Client, Form, check_installed, id_token_claims
from amplify_federation.errors import (
    AuthError,
    ConfigurationError,
    ExternalServiceError,
    NotAuthorizedError,
    SessionExpiredError,
    TooManyRequestsError,
)

# Seconds that a provider's `iat` and `exp` may differ from its own `Date`, or, where it sends none,
# from the local clock: Cognito allows as much.
_LEEWAY = 300.0
# "OpenID Connect", Google identity: its tokens may name it in either way.
_ISSUERS = {
    "https://accounts.google.com": ("https://accounts.google.com", "accounts.google.com"),
}
_TOO_MANY_REQUESTS = 429
_AGAIN = "Sign in again: call `sign_in`, or run `amplify-federation login`."
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
    "invalid_grant": ("The provider does not take this code any more", NotAuthorizedError, _AGAIN),
    "access_denied": (
        "The sign-in was denied at the provider", NotAuthorizedError,
        "Sign in again and allow what is asked, or ask the provider's administrator to allow it.",
    ),
    "expired_token": (
        "Nobody signed in before the device code was over", NotAuthorizedError, _AGAIN,
    ),
    "server_error": ("The provider has a fault", ExternalServiceError, _LATER),
    "temporarily_unavailable": ("The provider is overloaded", ExternalServiceError, _LATER),
    "redirect_uri_mismatch": (
        "The redirect URI is not registered for this client", ConfigurationError,
        "Register the redirect URI for this client at the provider.",
    ),
}  # fmt: skip


@frozen
class OAuthRefusal:
    """An error answer of OAuth: its code, and the provider's own words without our secrets."""

    error: str
    description: str = ""

    def as_error(self) -> AuthError:
        """Return the error that says what to do."""
        meaning, kind, advice = _REFUSALS.get(
            self.error,
            ("The provider refused", NotAuthorizedError, f"{_AGAIN} See the provider's own words."),
        )
        words = ": ".join(part for part in (self.error, self.description) if part)
        return kind(f"{meaning} ({words}).", recovery_suggestion=advice)

    def as_expired(self) -> SessionExpiredError:
        """Return the error for a refresh token that the provider refuses."""
        words = ": ".join(part for part in (self.error, self.description) if part)
        message = f"The provider does not take the refresh token any more ({words})."
        return SessionExpiredError(message, recovery_suggestion=_AGAIN)


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

    async def request_tokens(
        self, grant_type: str, values: Mapping[str, Any]
    ) -> TokenAnswer | OAuthRefusal:
        """Make one request to the token endpoint. `values` may be secrets.

        Raises `NetworkError` and `ServiceError`s.
        """
        endpoint = self.metadata.token_endpoint
        methods = self.metadata.auth_methods
        form = self.client.token_form(endpoint, methods, grant_type, values)
        secrets = tuple(value for value in values.values() if isinstance(value, Secret))
        answer = await self.post(endpoint, form, secrets)
        if isinstance(answer, OAuthRefusal):
            return answer
        members = answer.members or {}
        return TokenAnswer(
            secret_of(members.get("id_token")),
            secret_of(members.get("access_token")),
            secret_of(members.get("refresh_token")),
            _time_of(answer),
        )

    async def post(
        self, endpoint: str, form: Form, secrets: tuple[Secret, ...]
    ) -> ProviderAnswer | OAuthRefusal:
        """Send a form; return the answer, or the refusal that it is.

        Raises `NetworkError`, and a `ServiceError` for an answer that is none of OAuth's.
        """
        answer = await self.http.post(endpoint, form)
        if answer.is_success and answer.members is not None:
            return answer
        error = (answer.members or {}).get("error")
        if isinstance(error, str) and error.isascii() and error.isprintable():
            return self.refusal(error, (answer.members or {}).get("error_description"), secrets)
        if answer.status == _TOO_MANY_REQUESTS:
            message = "The provider throttles."
            raise TooManyRequestsError(message, status=answer.status, retryable=True)
        if answer.is_fault:
            raise provider_fault(answer, endpoint)
        message = f"{endpoint} gave no JSON object, with HTTP status {answer.status}."
        raise malformed(message)

    def refusal(self, error: str, description: object, secrets: tuple[Secret, ...]) -> OAuthRefusal:
        """Return a refusal whose words repeat no secret of ours."""
        if self.client.secret is not None:
            secrets = (*secrets, self.client.secret)
        call = Call("", b"", secrets)
        words = redacted(call, description)[:200] if isinstance(description, str) else ""
        return OAuthRefusal(redacted(call, error)[:80], words)

    async def revoke(self, token: Secret) -> str | None:
        """Revoke a refresh token; return `None`, or what the provider answered instead.

        RFC 7009, 2.2: a token that the provider does not know is a success, and no body is due.
        Raises `NetworkError`.
        """
        endpoint = self.metadata.revocation_endpoint or ""
        form = self.client.revocation_form(endpoint, self.metadata.auth_methods, token)
        answer = await self.http.post(endpoint, form)
        return None if answer.is_success else f"HTTP status {answer.status}"

    async def checked_claims(self, answer: TokenAnswer, nonce: str | None = None) -> dict[str, Any]:
        """Return the claims of the answer's ID token: signed by this issuer, for this client, now.

        Raises `ConfigurationError`, `NotAuthorizedError` or `MalformedResponseError` for a token
        that is none of that, `NetworkError` if the keys cannot be had.
        """
        if answer.id_token is None:
            message = "The provider gave no ID token."
            raise ConfigurationError(message, recovery_suggestion="Ask for the scope `openid`.")
        keys = await self.http.get(self.metadata.jwks_uri)
        if keys.is_fault:
            raise provider_fault(keys, self.metadata.jwks_uri)
        found = (keys.members or {}).get("keys")
        outcome = id_token_claims(
            answer.id_token,
            [key for key in _list(found) if _signs(key)],
            issuers=_ISSUERS.get(self.metadata.issuer, (self.metadata.issuer,)),
            client_id=self.client.client_id,
            nonce=nonce,
            access_token=answer.access_token,
            now=answer.now,
            leeway=_LEEWAY,
        )
        if isinstance(outcome, str):
            raise self._fault_of_token(outcome)
        return outcome

    def _fault_of_token(self, fault: str) -> AuthError:
        if fault in {"aud", "azp"}:
            message = f"The ID token is not for the client {self.client.client_id!r} (`{fault}`)."
            advice = "Give the client id that the provider issues ID tokens to."
            return ConfigurationError(message, recovery_suggestion=advice)
        if fault == "nonce":
            message = "The ID token belongs to another sign-in (`nonce`)."
            return NotAuthorizedError(message, recovery_suggestion=_AGAIN)
        if fault in {"exp", "iat", "nbf"}:
            message = f"The ID token is not good now (`{fault}`): two clocks disagree."
            advice = "Set this machine's clock; if it is right, the provider's is not."
            return NotAuthorizedError(message, recovery_suggestion=advice)
        return malformed(f"The ID token is not one of {self.metadata.issuer}'s: {fault}.")


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


def _list(value: object) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []  # type: ignore[redundant-cast]  # for pyright


def _signs(key: object) -> bool:
    """Tell whether a key of a key set is one that an ID token may be signed with."""
    if not isinstance(key, dict):
        return False
    members = cast("dict[str, object]", key)
    return members.get("kty") in {"RSA", "EC"} and members.get("use", "sig") == "sig"


def _time_of(answer: ProviderAnswer) -> float:
    """Return the provider's time: this machine's clock may be wrong by days."""
    try:
        return parsedate_to_datetime(answer.date or "").timestamp()
    except (ValueError, TypeError, OverflowError):
        return time.time()
