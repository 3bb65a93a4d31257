"""Which of the allowed providers a bearer token is of.

The unverified `iss` only chooses among providers that the application allows; Cognito decides
whether the token is theirs.
"""

from collections.abc import Iterable
from typing import Final

from amplify_federation._cognito.requests import checked_provider
from amplify_federation._model.claims import peek
from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.values import Secret
from amplify_federation.errors import ValidationError

# Their tokens are no JWTs: access tokens, and SAML responses.
_OPAQUE: Final = (AuthProvider.FACEBOOK, AuthProvider.AMAZON, AuthProvider.TWITTER)


def checked_providers(given: Iterable[AuthProvider]) -> tuple[AuthProvider, ...]:
    """Return the allowed providers of bearer tokens; raises `ValidationError` for what is none."""
    try:
        providers = tuple(checked_provider(each) for each in given)
    except TypeError:
        providers = ()
    if not providers:
        message = "`provider` must be an AuthProvider, or several of them."
        raise ValidationError(message)
    if AuthProvider.DEVELOPER in providers:
        message = "A developer login comes with an identity id; use `auth(user_id)` for it."
        raise ValidationError(message)
    return providers


def issuing_provider(token: Secret, allowed: tuple[AuthProvider, ...]) -> AuthProvider:
    """Return the allowed provider that the token names as its issuer.

    A token that names none is of the one allowed provider whose tokens do not. Raises
    `ValidationError` where that leaves no provider, or several.
    """
    if len(allowed) == 1:
        return allowed[0]
    claims = peek(token)
    if claims is None or claims.issuer is None:
        fitting = [each for each in allowed if _is_opaque(each)]
    else:
        key = claims.issuer.removeprefix("https://").rstrip("/")
        fitting = [each for each in allowed if each.login_key == key]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(each.login_key for each in allowed)
    message = f"The token does not name its issuer as one of those that are taken here: {names}."
    raise ValidationError(message, recovery_suggestion="Send an ID token of one of these.")


def _is_opaque(provider: AuthProvider) -> bool:
    return provider in _OPAQUE or provider.login_key.startswith("arn:")
