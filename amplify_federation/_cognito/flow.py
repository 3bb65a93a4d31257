"""The calls GetId -> GetCredentialsForIdentity in their order, without any I/O.

A flow is a generator: it yields calls, is sent their answers or thrown their errors, and returns
the last answer. This file owns the order of calls.
"""

from collections.abc import Generator
from typing import NamedTuple

from amplify_federation._cognito.decoding import Answer
from amplify_federation._cognito.errors import identity_is_lost, is_about_the_token
from amplify_federation._cognito.requests import (
    Call,
    Logins,
    assume_role,
    get_credentials,
    get_id,
    get_open_id_token,
    unlink_identity,
)
from amplify_federation._model.classic_flow import ClassicFlow
from amplify_federation._model.providers import AuthProvider
from amplify_federation.errors import InvalidStateError, MalformedResponseError, ServiceError

Flow = Generator[Call, Answer, Answer]


class PoolMembers(NamedTuple):
    """The members of an identity pool's calls."""

    identity_pool_id: str
    account_id: str | None = None
    custom_role_arn: str | None = None
    classic: ClassicFlow | None = None
    sts_url: str = ""


def by_login(pool: PoolMembers, logins: Logins) -> Flow:
    """Ask for the identity of these logins (none: for a new guest), then for its credentials."""
    found = yield get_id(pool.identity_pool_id, logins, account_id=pool.account_id)
    return (yield from _granted(pool, found.identity_id, logins))


def by_identity(pool: PoolMembers, identity_id: str, logins: Logins) -> Flow:
    """Ask for the credentials of an identity that is given, and never replace it."""
    return (yield from _granted(pool, identity_id, logins))


def by_known_identity(pool: PoolMembers, identity_id: str, logins: Logins) -> Flow:
    """Ask for the credentials of a remembered identity; ask anew, once, if Cognito lost it."""
    try:
        return (yield from _granted(pool, identity_id, logins))
    except ServiceError as error:
        if not identity_is_lost(error):
            raise
    # Outside the handler, so that a later error does not drag the first one along.
    return (yield from by_login(pool, logins))


def by_good_logins(
    pool: PoolMembers, identity_id: str, logins: Logins, *, refused: list[AuthProvider]
) -> Flow:
    """Ask with all logins; if one is refused, ask with each alone until one is taken.

    Cognito does not say which login it refused. Those refused alone are added to `refused`. For an
    identity that Cognito lost, or no longer gives to these logins, a new one is asked for, once.
    """
    try:
        return (yield from _granted(pool, identity_id, logins))
    except ServiceError as error:
        is_lost = identity_is_lost(error)
        if not is_lost and not is_about_the_token(error):
            raise
        if not is_lost and len(logins) == 1:
            refused[:] = logins
            raise
    for provider in () if is_lost else logins:
        try:
            return (yield from _granted(pool, identity_id, {provider: logins[provider]}))
        except ServiceError as error:
            if not is_about_the_token(error):
                raise
            refused.append(provider)
            if len(refused) == len(logins):
                raise
    return (yield from by_login(pool, logins))


def by_same_identity(pool: PoolMembers, identity_id: str, logins: Logins) -> Flow:
    """Ask for the identity of these logins first, and go on only if it is the given one.

    Sending a strange login along with a known identity would link the two.
    """
    found = yield get_id(pool.identity_pool_id, logins, account_id=pool.account_id)
    if found.identity_id != identity_id:
        raise another_user()
    return (yield from _granted(pool, identity_id, logins))


def unlinking(identity_id: str, logins: Logins, provider: AuthProvider) -> Flow:
    """Ask to remove one login from an identity, with all logins as the proof."""
    return (yield unlink_identity(identity_id, logins, (provider,)))


def another_user() -> InvalidStateError:
    """Return the error for a token of another user than the session's."""
    return InvalidStateError(
        "The new token belongs to another user than this session.",
        recovery_suggestion="Give a token of the same user, or federate with it explicitly.",
    )


def _granted(pool: PoolMembers, identity_id: str, logins: Logins) -> Flow:
    """Ask for credentials: in one call, or in the classic flow in two."""
    if pool.classic is None or not logins:
        return (yield _credentials(pool, identity_id, logins))
    proven = yield get_open_id_token(identity_id, logins)
    if proven.open_id_token is None:
        message = "GetOpenIdToken: the answer has no token."
        raise MalformedResponseError(message, operation="GetOpenIdToken")
    granted = yield assume_role(pool.sts_url, pool.classic, proven.open_id_token)
    return Answer(proven.identity_id, granted.credentials)


def _credentials(pool: PoolMembers, identity_id: str, logins: Logins) -> Call:
    role_arn = pool.custom_role_arn if logins else None  # a guest has no choice of role
    return get_credentials(identity_id, logins, role_arn=role_arn)
