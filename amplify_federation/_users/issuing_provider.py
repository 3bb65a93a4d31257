"""The provider of a bearer token, among those that an application allows.

The token's own `iss` chooses one of several, unverified: Cognito decides whether it is so.
"""

from collections.abc import Iterable
from typing import Final, TypeAlias, cast

from amplify_federation._cognito.requests import checked_provider
from amplify_federation._model.claims import peek
from amplify_federation._model.providers import AuthProvider, login_key_of
from amplify_federation._model.values import Secret
from amplify_federation.errors import ValidationError

Providers: TypeAlias = AuthProvider | Iterable[AuthProvider]
# Their tokens are no JWTs: access tokens, and SAML responses.
_OPAQUE: Final = (AuthProvider.FACEBOOK, AuthProvider.AMAZON, AuthProvider.TWITTER)


def issuing_provider(token: Secret, allowed: Providers) -> AuthProvider:
    """Return the allowed provider that the token names as its issuer.

    A token that names none is of the one allowed provider whose tokens do not. Raises
    `ValidationError` where that leaves no provider, or several, and for what is no provider of
    bearer tokens.
    """
    if isinstance(allowed, AuthProvider):
        return _checked(allowed)
    providers = _several(allowed)
    if len(providers) == 1:
        return providers[0]
    claims = peek(token)
    if claims is None or claims.issuer is None:
        fitting = [each for each in providers if _is_opaque(each)]
    else:
        key = login_key_of(claims.issuer)
        fitting = [each for each in providers if each.login_key == key]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(each.login_key for each in providers)
    message = f"The token does not name its issuer as one of those that are taken here: {names}."
    raise ValidationError(message, recovery_suggestion="Send an ID token of one of these.")


def _several(given: object) -> tuple[AuthProvider, ...]:
    if isinstance(given, Iterable) and not isinstance(given, str):
        providers = tuple(_checked(each) for each in cast("Iterable[object]", given))
        if providers:
            return providers
        shown = "none"
    else:
        shown = type(given).__name__
    message = (
        "`provider` must be an AuthProvider such as AuthProvider.GOOGLE, or several of them, "
        f"not {shown}."
    )
    raise ValidationError(message)


def _checked(provider: object) -> AuthProvider:
    checked = checked_provider(provider)
    if checked.login_key == AuthProvider.DEVELOPER.login_key:
        message = "A developer login comes with an identity id; use `auth(user_id)` for it."
        raise ValidationError(message)
    return checked


def _is_opaque(provider: AuthProvider) -> bool:
    return provider in _OPAQUE or provider.login_key.startswith("arn:")
