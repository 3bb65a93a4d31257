"""What a fetch returns for each state, and for how long that is valid.

Each request of a backend fetches the session; while the last view is valid, a fetch reads two
clocks and nothing else. This file owns the bounds within which a view may be returned again.
"""

from __future__ import annotations

from typing import Any

from amplify_federation._http.server_clock import ServerClock
from amplify_federation._model.auth_session import AuthResult, AuthSession
from amplify_federation._model.state import Expired, Federated, SignedOut, State
from amplify_federation._session.record import SessionRecord
from amplify_federation._session.refresh_policy import MAX_CLOCK_LEAD, Lifespan
from amplify_federation.errors import (
    AuthError,
    InvalidStateError,
    SessionExpiredError,
    SignedOutError,
)

NO_USER_POOL = "Users federated to Identity Pools do not have User Pool access."
NO_USER_POOL_ADVICE = (
    "Call `clear_federation_to_identity_pool`, then sign in normally to access User Pool data."
)


def no_user_pool_access() -> InvalidStateError:
    """Return the error for user-pool data of a federated user."""
    return InvalidStateError(NO_USER_POOL, recovery_suggestion=NO_USER_POOL_ADVICE)


def signed_out_error() -> SignedOutError:
    """Return the error for a session without a signed-in user."""
    return SignedOutError("Nobody is signed in.")


def expired_error() -> SessionExpiredError:
    """Return the error for a session that only a new token helps."""
    return SessionExpiredError("The session has expired: its credentials are over.")


def replaced_error() -> InvalidStateError:
    """Return the error for a session that another user's federation replaced."""
    return InvalidStateError(
        "another federation replaced this session",
        recovery_suggestion="Federate again, or use one session name for each user.",
    )


# Why there is no user-pool data. Shared by all views: made for each session, they would take
# as much memory as its credentials.
_NO_ACCESS: AuthResult[Any] = AuthResult(error=no_user_pool_access())
_SIGNED_OUT: AuthResult[Any] = AuthResult(error=signed_out_error())


def view_of(state: State, error: AuthError | None = None, *, usable: bool = True) -> AuthSession:
    """Return the session as a fetch shows it.

    `usable`: the credentials of the state are not over. Then `error` stands beside the values, as
    the reason why they were not renewed; else it stands in their place.
    """
    match state:
        case Federated(grant):
            user_pool = _NO_ACCESS
            signed_in = True
        case Expired():
            return _failed(error or expired_error(), _NO_ACCESS, signed_in=False)
        case SignedOut(guest):
            user_pool = _SIGNED_OUT
            signed_in = False
            if guest is None:
                return _failed(error or signed_out_error(), user_pool, signed_in=False)
            grant = guest
    if error is not None and not usable:
        return _failed(error, user_pool, signed_in=signed_in)
    return AuthSession(
        is_signed_in=signed_in,
        identity_id_result=AuthResult(grant.identity_id),
        credentials_result=AuthResult(grant.credentials),
        user_pool_tokens_result=user_pool,
        user_sub_result=user_pool,
        renewal_error=error,
    )


def replaced_view() -> AuthSession:
    """Return the view of a session that another user's federation replaced."""
    return _failed(replaced_error(), _NO_ACCESS, signed_in=False)


def _failed(error: AuthError, user_pool: AuthResult[Any], *, signed_in: bool) -> AuthSession:
    return AuthSession(
        is_signed_in=signed_in,
        identity_id_result=AuthResult(error=error),
        credentials_result=AuthResult(error=error),
        user_pool_tokens_result=user_pool,
        user_sub_result=user_pool,
    )


_NEVER = float("-inf")
_ALWAYS = float("inf")


class FreshView:
    """A view, the record that it was made of, and how long it is valid."""

    __slots__ = ("_clock", "_from", "_monotonic_until", "_record", "_until", "_view")

    def __init__(self, clock: ServerClock) -> None:
        self._clock = clock
        self._view: AuthSession | None = None
        self._record: SessionRecord | None = None
        self._monotonic_until = _NEVER
        self._from = _NEVER  # local wall clock
        self._until = _NEVER

    def get(self, record: SessionRecord) -> AuthSession | None:
        """Return the view if it still shows this record."""
        local = self._clock.local
        if (
            self._record is record
            and local.monotonic() < self._monotonic_until
            and self._from <= local.time() < self._until
        ):
            return self._view
        return None

    def keep(
        self, view: AuthSession, record: SessionRecord, life: Lifespan | None, *, until: float
    ) -> None:
        """Keep a view until a monotonic time, or until its credentials are due."""
        self._view, self._record = view, record
        self._monotonic_until, self._from, self._until = until, _NEVER, _ALWAYS
        if life is not None:
            offset = self._clock.offset
            self._monotonic_until = min(until, life.renew_monotonic)
            self._from = life.grant.issued_at - MAX_CLOCK_LEAD - offset
            self._until = life.renew_at - offset

    def drop(self) -> None:
        """Forget the view."""
        self._record = None
