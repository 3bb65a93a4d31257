"""The flows: authorization code by a browser of this machine (RFC 8252), or device (RFC 8628)."""

import secrets
from collections.abc import Mapping
from functools import partial
from hmac import compare_digest
from inspect import isawaitable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
from attrs import field, frozen

from amplify_federation._model.values import Secret
from amplify_federation._oidc.client import OidcClient, TokenAnswer, open_client
from amplify_federation._oidc.device import authorize_device, poll
from amplify_federation._oidc.http import malformed
from amplify_federation._oidc.library import Client, authorization_url, code_challenge
from amplify_federation._oidc.loopback import loopback_redirect
from amplify_federation._oidc.prompting import Prompt, SignInPrompt, has_browser
from amplify_federation.errors import (
    AuthError,
    CallTimeoutError,
    ConfigurationError,
    NotAuthorizedError,
)

_GOOGLE = "https://accounts.google.com"
# "OAuth 2.0 for web server applications": how Google is asked for a refresh token, and for one at a
# second sign-in as well. Elsewhere `prompt` is the caller's: at some providers it needs an
# administrator, whatever was allowed before.
_GOOGLES_OFFLINE = {"access_type": "offline", "prompt": "consent"}
_OFFLINE = "offline_access"  # OpenID Connect Core 1.0, 11
_ANOTHER = (
    "Close the browser's pages of earlier sign-ins and sign in again; if two programs sign in at "
    "the same time, give each a `redirect_port` of its own."
)


@frozen
class SignInRequest:
    """The arguments of `sign_in`. `redirect`: host and port; `seconds`: the user's deadline."""

    client: Client
    issuer: str
    discovery_url: str | None
    scope: str | None
    device: bool | None
    redirect: tuple[str, int]
    seconds: float
    parameters: Mapping[str, str]
    prompt: Prompt


@frozen
class CheckedTokens:
    """The tokens of a sign-in whose ID token was checked, and that one's claims."""

    id_token: Secret
    refresh_token: Secret | None
    claims: dict[str, Any] = field(repr=False)


async def authorize(
    request: SignInRequest,
    http_client: Any | None,  # noqa: ANN401  # httpx's, or its API-compatible successor's
) -> CheckedTokens:
    """Have the user sign in; see `sign_in` for what it raises."""
    prompting = _Prompting(request.prompt, request.seconds)
    with anyio.move_on_after(request.seconds):
        async with open_client(
            http_client, request.client, request.issuer, request.discovery_url
        ) as client:
            scope = request.scope or _default_scope(client)
            by_device = request.device
            if by_device is None:
                by_device = not await anyio.to_thread.run_sync(has_browser) and bool(
                    client.metadata.device_authorization_endpoint
                )
            if by_device:
                return await _by_device(client, scope, prompting)
            return await _by_browser(client, scope, request, prompting)
    raise prompting.timeout_error()


class _Prompting:
    """Calls the application's `prompt`, and makes the error of the deadline."""

    def __init__(self, prompt: Prompt, seconds: float) -> None:
        self._prompt = prompt
        self.seconds = seconds
        self._told: SignInPrompt | None = None

    async def tell(self, prompt: SignInPrompt) -> None:
        self._told = prompt
        outcome = self._prompt(prompt)
        if isawaitable(outcome):
            await outcome

    def timeout_error(self) -> CallTimeoutError:
        message = f"Nobody signed in within {self.seconds:g} s."
        if self._told is None:
            message = f"The provider did not answer within {self.seconds:g} s."
            return CallTimeoutError(message, recovery_suggestion="Check the network; try again.")
        advice = "Sign in again, and finish it in time; `timeout` gives more."
        if self._told.redirect_uri is not None:
            advice += (
                " If the provider's page showed an error instead of a sign-in, check the client id "
                f"there, and register the redirect URI {self._told.redirect_uri} for it."
            )
        return CallTimeoutError(message, recovery_suggestion=advice)


def _default_scope(client: OidcClient) -> str:
    offline = f" {_OFFLINE}" if _OFFLINE in client.metadata.scopes else ""
    return f"openid email{offline}"


async def _by_device(client: OidcClient, scope: str, prompting: _Prompting) -> CheckedTokens:
    device = await authorize_device(client, scope)
    await prompting.tell(device.prompt)
    return await _checked(client, await poll(client, device))


async def _checked(
    client: OidcClient, answer: TokenAnswer, nonce: str | None = None
) -> CheckedTokens:
    id_token, claims = await client.checked_id_token(answer, nonce)
    return CheckedTokens(id_token, answer.refresh_token, claims)


async def _by_browser(
    client: OidcClient, scope: str, asked: SignInRequest, prompting: _Prompting
) -> CheckedTokens:
    endpoint = client.metadata.authorization_endpoint
    if endpoint is None:
        message = f"{client.metadata.issuer} has no authorization endpoint."
        raise ConfigurationError(
            message, recovery_suggestion="Sign in with a code on another device: `device=True`."
        )
    async with loopback_redirect(*asked.redirect) as redirect:
        request = _AuthorizationRequest(client, redirect.uri)
        url = request.url(endpoint, scope, asked.parameters)
        prompt = SignInPrompt(url, prompting.seconds, redirect_uri=redirect.uri)
        redirect.start(partial(prompting.tell, prompt))
        try:
            tokens = await request.finish(await redirect.answer())
        except AuthError as error:
            text = f"{error.message} {error.recovery_suggestion}"
            await redirect.show("You are not signed in", text, success=False)
            raise
        text = "Close this page and go back to the program that asked you to sign in."
        await redirect.show("You are signed in", text, success=True)
        return tokens


class _AuthorizationRequest:
    """One authorization request: what it was sent with, and what its answer must match."""

    def __init__(self, client: OidcClient, redirect_uri: str) -> None:
        self._client = client
        self._redirect_uri = redirect_uri
        self._verifier = Secret(secrets.token_urlsafe(48))
        self._state = secrets.token_urlsafe(24)
        self._nonce = secrets.token_urlsafe(24)

    def url(self, endpoint: str, scope: str, parameters: Mapping[str, str]) -> str:
        """Return the URL of the page to sign in on."""
        google = self._client.metadata.issuer == _GOOGLE
        return authorization_url(
            endpoint,
            client_id=self._client.client.client_id,
            redirect_uri=self._redirect_uri,
            scope=scope,
            state=self._state,
            nonce=self._nonce,
            code_challenge=code_challenge(self._verifier),
            code_challenge_method="S256",
            **{**(_GOOGLES_OFFLINE if google else {}), **parameters},
        )

    async def finish(self, uri: Secret) -> CheckedTokens:
        """Redeem the code of a redirect; return the tokens."""
        answer = await self._client.request_tokens(
            "authorization_code",
            {
                "code": self._code_of(uri),
                "redirect_uri": self._redirect_uri,
                "code_verifier": self._verifier,
            },
        )
        return await _checked(self._client, answer, self._nonce)

    def _code_of(self, uri: Secret) -> Secret:
        """Return the code of a redirect. Raises the error of a redirect without one.

        `state` is checked first: without it nothing else of the redirect is trusted.
        """
        given = _parameters(uri)
        if any(len(values) > 1 for values in given.values()):
            message = "The redirect repeats a parameter."
            raise malformed(message)

        def value_of(name: str) -> str | None:
            return given[name][0].reveal() if name in given else None

        if not compare_digest((value_of("state") or "").encode(), self._state.encode()):
            message = "The browser brought the answer to another sign-in (`state`)."
            raise NotAuthorizedError(message, recovery_suggestion=_ANOTHER)
        if not self._is_of_the_issuer(value_of("iss")):
            message = "The browser brought the answer of another provider (`iss`)."
            raise NotAuthorizedError(message, recovery_suggestion=_ANOTHER)
        if "error" in given:
            raise self._client.refusal(
                value_of("error") or "", value_of("error_description"), (self._verifier,)
            )
        if not value_of("code"):
            message = "The redirect has no code."
            raise malformed(message)
        return given["code"][0]

    def _is_of_the_issuer(self, name: str | None) -> bool:
        """Tell whether a redirect is this provider's, by the `iss` in it (RFC 9207)."""
        if name is None:
            return not self._client.metadata.names_itself
        return name == self._client.metadata.issuer


def _parameters(uri: Secret) -> dict[str, list[Secret]]:
    """Return the values of a redirect's parameters, which are secret: one of them is the code."""
    found = parse_qs(urlsplit(uri.reveal()).query, keep_blank_values=True)
    return {name: [Secret(value) for value in values] for name, values in found.items()}
