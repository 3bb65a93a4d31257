"""A session whose token is lent: each request brings it, so neither store nor memory need keep it.

In the store an empty token says that a login's token is lent; none at all says that it was refused.
Pure.
"""

from attrs import evolve

from amplify_federation._model.state import Login, SignedOut
from amplify_federation._model.values import Secret
from amplify_federation._session.record.schema import SessionRecord

_LENT = Secret("")


def without_transient_token(record: SessionRecord, lent: Secret | None) -> SessionRecord:
    """Return the record as it is kept: a mark in the place of the lent token."""
    return record if lent is None else _replaced(record, lent, _LENT)


def with_transient_token(record: SessionRecord, lent: Secret | None) -> SessionRecord:
    """Return a kept record with the lent token in the place of its mark, or without any."""
    return _replaced(record, _LENT, lent)


def _replaced(record: SessionRecord, old: Secret, new: Secret | None) -> SessionRecord:
    state = record.state
    if isinstance(state, SignedOut) or all(login.token != old for login in state.held):
        return record

    def swapped(login: Login) -> Login:
        return evolve(login, token=new) if login.token == old else login

    held = tuple(swapped(login) for login in state.held)
    return record._replace(state=evolve(state, held=held))
