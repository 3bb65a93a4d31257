"""Advice on a refusal, from its reason and from the claims of the refused token.

The claims are unverified: they serve a person looking for a mistake, and decide nothing. The
commonest mistakes are another kind of token, another provider's, and an audience that the pool does
not have. Of a token only its issuer and its audience are shown; both are public.
"""

import re
from typing import Final

from amplify_federation._cognito.requests import Call
from amplify_federation._model.claims import Claims, peek
from amplify_federation._model.providers import AuthProvider, login_key_of
from amplify_federation.errors import NotAuthorizedReason

_R = NotAuthorizedReason
_BY_REASON: Final = {
    _R.WRONG_PROVIDER: "Pass the provider that issued this token.",
    _R.PROVIDER_NOT_CONFIGURED: (
        "Add this provider, and the client id that is the token's audience, to the identity pool's "
        "settings."
    ),
    _R.GUESTS_OFF: "Allow guest access in the identity pool, or call `federate_to_identity_pool`.",
    _R.IDENTITY_MISMATCH: "Pass a login that is linked to this identity, or no identity id.",
}
AMBIGUOUS_ROLE: Final = "ambiguous role mapping"  # of the message, in lower case
_ROLE_MAPPING: Final = (
    "No rule of the identity pool's role mapping fits this token, and the pool denies such ones: "
    "add a rule, or let the pool give its default role."
)
_ID_TOKEN: Final = (
    "Pass the ID token of the provider's answer (`id_token`), not its access token: an access "
    "token is for the provider's own API."
)
# Reasons that another token, or another provider, may be behind. Cognito names no reason for the
# tokens of one provider under another, where the other's are no ID tokens.
_MISTAKEN: Final = frozenset(
    {_R.TOKEN_MALFORMED, _R.WRONG_PROVIDER, _R.PROVIDER_NOT_CONFIGURED, _R.UNKNOWN}
)
# Providers whose tokens are access tokens.
_NO_ID_TOKEN: Final = (AuthProvider.FACEBOOK, AuthProvider.AMAZON, AuthProvider.TWITTER)
_CONSTANTS: Final = ("GOOGLE", "FACEBOOK", "AMAZON", "APPLE", "TWITTER")
_USER_POOL: Final = re.compile(r"cognito-idp\.[a-z0-9-]+\.[a-z.]+/([a-z0-9-]+_[A-Za-z0-9]+)")
_SHOWN: Final = re.compile(r"[\w.~:/@+=-]{1,128}", re.ASCII)  # any other text is not shown


def advice_on_refusal(call: Call, reason: NotAuthorizedReason, message: str) -> str | None:
    """Return what to do about a refusal of a call, or `None` if only a new token helps."""
    if reason in _MISTAKEN:
        for provider, token in call.logins:
            claims = peek(token)
            mistake = _of_kind(provider, claims, reason) or _of_issuer(provider, claims)
            if mistake is not None:
                return mistake
    if "audience" in message.lower():
        return _about_audience(call)
    if AMBIGUOUS_ROLE in message.lower():
        return _ROLE_MAPPING
    return _BY_REASON.get(reason)


def _of_kind(
    provider: AuthProvider, claims: Claims | None, reason: NotAuthorizedReason
) -> str | None:
    if provider in _NO_ID_TOKEN or provider.login_key.startswith("arn:"):
        return None
    if claims is None:
        return _ID_TOKEN if reason is _R.TOKEN_MALFORMED else None
    return _ID_TOKEN if claims.use == "access" else None


def _of_issuer(provider: AuthProvider, claims: Claims | None) -> str | None:
    if claims is None or claims.issuer is None:
        return None
    issuer = claims.issuer
    key = login_key_of(issuer)
    if key == provider.login_key or not _SHOWN.fullmatch(issuer):
        return None
    return f"The token's issuer is {issuer}: pass {_written(key)} as its provider."


def _written(key: str) -> str:
    """Return the expression that makes a provider of a login key."""
    for name in _CONSTANTS:
        if getattr(AuthProvider, name).login_key == key:
            return f"AuthProvider.{name}"
    if (user_pool := _USER_POOL.fullmatch(key)) is not None:
        return f"AuthProvider.cognito_user_pool('{user_pool.group(1)}')"
    return f"AuthProvider.oidc('https://{key}')"


def _about_audience(call: Call) -> str:
    audiences = [claims.audience for _, token in call.logins if (claims := peek(token))]
    shown = next((each for each in audiences if each and _SHOWN.fullmatch(each)), None)
    named = "the token's audience" if shown is None else f"the token's audience, {shown},"
    return (
        f"Add {named} to the client ids of this provider in the identity pool, or sign in with a "
        "client id that the pool has."
    )
