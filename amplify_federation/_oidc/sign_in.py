"""Sign-in at an OpenID provider: its arguments and its result.

The flows are in `authorization`, which is loaded at the first sign-in.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from attrs import field, frozen

from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.refresh_grant import (
    RefreshGrant,
    checked_client_id,
    provider_of,
)
from amplify_federation._model.values import Secret, as_secret, checked_secret
from amplify_federation._oidc.library import Client, check_installed
from amplify_federation._oidc.prompting import Prompt, show_prompt
from amplify_federation.errors import ValidationError

_MAX_PORT = 65_535
_LOOPBACK, _LOCALHOST = "127.0.0.1", "localhost"
_OWN_PARAMETERS = {
    "response_type", "response_mode", "client_id", "client_secret", "redirect_uri", "scope",
    "state", "nonce", "code_challenge", "code_challenge_method", "request", "request_uri",
}  # fmt: skip
# "Amazon Cognito requires HTTPS over HTTP except for http://localhost": CreateUserPoolClient.
_USER_POOL = "cognito-idp."


@frozen(init=False)
class SignIn:
    """A user who signed in at an OpenID provider.

    `provider` is what `federate_to_identity_pool` takes beside `id_token`. `refresh_grant` is
    `None` if the provider gave no refresh token: then a new sign-in is needed when the ID token is
    over. `username` is the verified `email`, else `preferred_username`, else `sub`.
    `repr`, `attrs.asdict` and pickling give no token.
    """

    provider: AuthProvider
    refresh_grant: RefreshGrant | None
    username: str = field(repr=False)
    _id_token: Secret

    def __init__(
        self,
        id_token: str | Secret,
        provider: AuthProvider,
        refresh_grant: RefreshGrant | None = None,
        username: str = "",
    ) -> None:
        token = as_secret(id_token)
        del id_token  # no frame of a traceback may hold it
        put = partial(object.__setattr__, self)
        put("_id_token", checked_secret(token))
        put("provider", provider)
        put("refresh_grant", refresh_grant)
        put("username", username)

    @property
    def id_token(self) -> str:
        """The ID token: signed by the issuer, for this client, for this sign-in."""
        return self._id_token.reveal()


async def sign_in(  # noqa: PLR0913  # a sign-in's choices, all keyword-only
    *,
    issuer: str,
    client_id: str,
    client_secret: str | None = None,
    scope: str | None = None,
    discovery_url: str | None = None,
    device: bool | None = None,
    redirect_port: int = 0,
    redirect_host: str | None = None,
    timeout: float = 300.0,  # noqa: ASYNC109  # a deadline for a person, with an error that says so
    prompt: Prompt | None = None,
    authorization_parameters: Mapping[str, str] | None = None,
    http_client: Any | None = None,  # noqa: ANN401  # httpx's, or its API-compatible successor's
) -> SignIn:
    """Sign a user in at an OpenID provider, and return the ID token, checked.

    Args:
        issuer: the provider's issuer URL, exactly as its metadata have it.
        client_id: the id that the provider gave to this application.
        client_secret: of a client that has one; Google gives desktop clients one.
        scope: by default `openid email`, with `offline_access` where the provider lists it.
        discovery_url: where the provider's metadata are, if not below the issuer.
        device: `False` for a browser of this machine (RFC 8252, with PKCE), `True` for a code to
            enter on another device (RFC 8628), `None` for a browser if there is one.
        redirect_port: 0 for a free one; the redirect URI is `http://127.0.0.1:PORT/`.
        redirect_host: `localhost` where the provider registers no `127.0.0.1`, by default for
            Cognito user pools alone; what listens is on 127.0.0.1 in any case.
        timeout: seconds that the user has.
        prompt: a callable, sync or async, that is called with what to show; an async one is
            cancelled when the sign-in ends. By default the browser is opened and the URL written to
            stderr.
        authorization_parameters: further parameters of the browser's request, such as `login_hint`
            or `prompt`.
        http_client: an `httpx.AsyncClient` of your own, which is never closed here.

    Raises `ValidationError` for a bad argument; `ConfigurationError` for a client or provider that
    is not set up for this, or without the extra `login`; `NotAuthorizedError` if the user or the
    provider refuses, or the answer is another sign-in's; `CallTimeoutError` when the time is over;
    `NetworkError` and `ServiceError`s for trouble on the way.
    """
    secret = None if client_secret is None else checked_secret(as_secret(client_secret))
    del client_secret  # this frame stands in every traceback from here
    provider = provider_of(issuer)
    client = Client(checked_client_id(client_id), secret)
    _check(device, timeout, scope, prompt)
    parameters = _checked_parameters(authorization_parameters)
    host = redirect_host or (_LOCALHOST if provider.login_key.startswith(_USER_POOL) else _LOOPBACK)
    _check_redirect(host, redirect_port)
    check_installed()
    from amplify_federation._oidc.authorization import (  # noqa: PLC0415 - httpx, 80 ms
        SignInRequest,
        authorize,
    )

    request = SignInRequest(
        client, issuer, discovery_url, scope, device, (host, redirect_port), timeout,
        parameters, prompt or show_prompt,
    )  # fmt: skip
    tokens = await authorize(request, http_client)
    grant = None
    if tokens.refresh_token is not None:
        grant = RefreshGrant(
            issuer=issuer,
            client_id=client_id,
            client_secret=secret,
            discovery_url=discovery_url,
            refresh_token=tokens.refresh_token,
        )
    return SignIn(tokens.id_token, provider, grant, _username(tokens.claims))


def _checked_parameters(parameters: Mapping[str, Any] | None) -> Mapping[str, str]:
    given: dict[str, Any] = {} if parameters is None else dict(parameters)
    own = given.keys() & _OWN_PARAMETERS
    if own or not all(isinstance(each, str) for pair in given.items() for each in pair):
        message = "`authorization_parameters` must be texts by name"
        message += f", without {', '.join(sorted(own))}." if own else "."
        raise ValidationError(message)
    return given


def _check_redirect(host: object, port: object) -> None:
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= _MAX_PORT:
        message = f"`redirect_port` must be a port, 0 to {_MAX_PORT}."
        raise ValidationError(message)
    if host not in (_LOOPBACK, _LOCALHOST):
        message = f"`redirect_host` must be {_LOOPBACK!r} or {_LOCALHOST!r}."
        raise ValidationError(message)


def _check(device: object, seconds: object, scope: object, prompt: object) -> None:
    if device is not None and not isinstance(device, bool):
        message = "`device` must be True, False or None."
        raise ValidationError(message)
    if prompt is not None and not callable(prompt):
        message = "`prompt` must be a callable that takes a SignInPrompt."
        raise ValidationError(message)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        message = "`timeout` must be seconds, more than 0."
        raise ValidationError(message)
    if scope is not None and (not isinstance(scope, str) or "openid" not in scope.split()):
        message = "`scope` must have `openid`: without it there is no ID token."
        raise ValidationError(message)


def _username(claims: dict[str, Any]) -> str:
    named = claims.get("email"), claims.get("preferred_username"), claims.get("sub")
    return next((name for name in named if isinstance(name, str) and name), "")
