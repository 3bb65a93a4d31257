"""Bearers: from a bearer token straight to a session, and from the same token to the same session.

This file owns what selects a session: a SHA-256 digest of the pool, the provider and the whole
token, and nothing else. The claims of a token that Cognito has not accepted select nothing, so a
forged one finds nobody. The digest is also the name of the session's record in the store, where
another process finds it: one federation for a token in all of them, and one renewal. A record
exists only after Cognito accepted the very token. It must not know web frameworks.
"""

import base64
import hashlib
from contextlib import suppress
from functools import partial

import anyio
from attrs import frozen

from amplify_federation._concurrency.flights import Flights
from amplify_federation._core.claims import peek
from amplify_federation._core.providers import AuthProvider
from amplify_federation._core.results import AuthSession
from amplify_federation._core.settings import AuthSettings
from amplify_federation._core.state import Federated
from amplify_federation._core.values import Secret
from amplify_federation._network.server_clock import ServerClock
from amplify_federation._session.session import Session
from amplify_federation._users.office import Office
from amplify_federation._users.refusals import Refusals
from amplify_federation.errors import AuthError, CallTimeoutError, StoreError

_LEASE_SHARE = 0.9  # of the deadline: so that a lease is named as the cause, not the deadline
_CLEANED = 3  # old sessions that a new token looks at


@frozen
class Bearer:
    """A token as it came with a request, and the name of the record that it selects."""

    name: str
    token: Secret
    provider: AuthProvider


class Bearers:
    """The sessions of bearer tokens. `opaque_life`: seconds that a token without `exp` serves."""

    def __init__(self, office: Office, *, opaque_life: float) -> None:
        self._office = office
        self._opaque_life = opaque_life
        self._flights: Flights[Session | AuthError] = Flights()
        self._refusals = Refusals(office.settings.clock)

    async def session_for(self, token: Secret, provider: AuthProvider) -> AuthSession:
        """Return the session of a token; see `FederatedUsers.session_for`."""
        name = record_name(self._office.pool.identity_pool_id, token, provider)
        session = self._office.shelf.find(name)
        if session is not None and self._serves(session, token):
            view = await session.fetch(force=False)
            if isinstance(session.state, Federated):
                return view
        with anyio.move_on_after(self._settings.timeout):
            return await self._admitted(Bearer(name, token, provider))
        message = "The token was not exchanged before the deadline."
        raise CallTimeoutError(message)

    @property
    def _settings(self) -> AuthSettings:
        return self._office.settings

    @property
    def _clock(self) -> ServerClock:
        return self._office.channel.clock

    async def _admitted(self, bearer: Bearer) -> AuthSession:
        refusal = self._refusals.get(bearer.name)
        if refusal is not None:
            raise refusal.fresh_copy()
        outcome = await self._flights.join(bearer.name, partial(self._admit, bearer))
        if isinstance(outcome, AuthError):
            raise outcome.fresh_copy()
        return await outcome.fetch(force=False)

    async def _admit(self, bearer: Bearer) -> Session | AuthError:
        shelf = self._office.shelf
        session = shelf.find(bearer.name)
        if session is None or session.context.keeper.replaced:
            session = self._office.new_bearer_session(bearer.name)
        try:
            await self._federate_once(session, bearer)
        except AuthError as error:
            failure = error.fresh_copy()
        else:
            if self._serves(session, bearer.token):
                shelf.put(session)
            await self._clean_up()
            return session
        self._refusals.note(bearer.name, failure)
        return failure

    async def _federate_once(self, session: Session, bearer: Bearer) -> None:
        """Federate, unless another process has done so or is at it."""
        await session.look()
        if self._serves(session, bearer.token):
            return
        patience = _LEASE_SHARE * self._settings.timeout
        async with self._office.bearer_store.lock(bearer.name, timeout=patience):
            await session.look()
            if not self._serves(session, bearer.token):
                await session.federate(bearer.token, bearer.provider, None)

    async def _clean_up(self) -> None:
        """Forget old tokens that are over: each new one pays for some, so they never pile up."""
        for session in self._office.shelf.oldest(_CLEANED):
            state = session.state
            token = state.held[0].token if isinstance(state, Federated) else None
            if token is None or not self._office.is_bearers(session):
                continue
            if self._serves(session, token):
                continue
            self._office.shelf.drop(session)
            with suppress(StoreError):  # written by somebody meanwhile, or another day
                keeper = session.context.keeper
                await self._office.bearer_store.delete(keeper.name, expected=keeper.version)

    def _serves(self, session: Session, token: Secret) -> bool:
        """Tell whether Cognito accepted this token, and the token is not over."""
        state = session.state
        if not isinstance(state, Federated) or session.context.keeper.replaced:
            return False
        # The later of two clocks: a wall clock that jumps back must not prolong a token.
        now = max(self._clock.now(), self._clock.monotonic() - session.context.keeper.ahead)
        claims = peek(token)
        if claims is not None and claims.expires is not None:
            return now < claims.expires
        return now < state.grant.issued_at + self._opaque_life


def record_name(pool_id: str, token: Secret, provider: AuthProvider) -> str:
    """Return the name of a bearer token's record; no user's begins so, but with a pool's id."""
    key = provider.login_key
    # The length keeps apart what would read the same: a key that ends as a token begins.
    pieces = f"{pool_id}\n{len(key)}\n{key}\n{token.reveal()}"
    digest = hashlib.sha256(pieces.encode()).digest()
    return f"bearer#{base64.urlsafe_b64encode(digest).decode()}"
