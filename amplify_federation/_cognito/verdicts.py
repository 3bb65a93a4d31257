"""What an error says of a session: of its token, and of its identity.

This file owns after which errors another token or another identity is tried. It must not know how
an answer is read: whoever restarts with a stored session gets none.
"""

from amplify_federation.errors import (
    NotAuthorizedError,
    NotAuthorizedReason,
    ResourceNotFoundError,
)

_R = NotAuthorizedReason
_ABOUT_THE_TOKEN = frozenset(
    {_R.TOKEN_EXPIRED, _R.TOKEN_MALFORMED, _R.TOKEN_SIGNATURE, _R.TOKEN_INACTIVE}
)


def is_about_the_token(error: Exception) -> bool:
    """Tell whether a refusal means that this token never helps again.

    A reason that we do not know counts against a token that is opaque or past its own `exp`. Of
    one that is good by its `exp` it may be the pool's: a role, a claim, an audience that an
    administrator changed, and that must not log everybody out.
    """
    if not isinstance(error, NotAuthorizedError):
        return False
    if error.reason is _R.UNKNOWN:
        return not error.token_seems_good
    return error.reason in _ABOUT_THE_TOKEN


def identity_is_lost(error: Exception) -> bool:
    """Tell whether Cognito no longer knows the identity or no longer gives it to this login."""
    if isinstance(error, NotAuthorizedError):
        return error.reason is _R.IDENTITY_MISMATCH
    return isinstance(error, ResourceNotFoundError)
