"""The conversation GetId -> GetCredentialsForIdentity, without any I/O.

A flow is a generator: it yields calls and is sent answers, or thrown the error that came instead.
What it returns is the answer that counts. This file owns the order of calls.
"""

from collections.abc import Generator

from attrs import frozen

from amplify_federation._cognito.answers import Answer
from amplify_federation._cognito.faults import identity_is_lost
from amplify_federation._cognito.requests import Call, Logins, get_credentials, get_id
from amplify_federation.errors import ServiceError

Flow = Generator[Call, Answer, Answer]


@frozen
class PoolMembers:
    """What of an identity pool goes into its calls."""

    identity_pool_id: str
    account_id: str | None = None
    custom_role_arn: str | None = None


def by_login(pool: PoolMembers, logins: Logins) -> Flow:
    """Ask for the identity of these logins (none: for a new guest), then for its credentials."""
    found = yield get_id(pool.identity_pool_id, logins, account_id=pool.account_id)
    return (yield _credentials(pool, found.identity_id, logins))


def by_identity(pool: PoolMembers, identity_id: str, logins: Logins) -> Flow:
    """Ask for the credentials of an identity that is given, and never replace it."""
    return (yield _credentials(pool, identity_id, logins))


def by_known_identity(pool: PoolMembers, identity_id: str, logins: Logins) -> Flow:
    """Ask for the credentials of a remembered identity; ask anew, once, if Cognito lost it."""
    try:
        return (yield _credentials(pool, identity_id, logins))
    except ServiceError as error:
        if not identity_is_lost(error):
            raise
    # Outside the handler, so that a later error does not drag the first one along.
    return (yield from by_login(pool, logins))


def _credentials(pool: PoolMembers, identity_id: str, logins: Logins) -> Call:
    role_arn = pool.custom_role_arn if logins else None  # a guest has no choice of role
    return get_credentials(identity_id, logins, role_arn=role_arn)
