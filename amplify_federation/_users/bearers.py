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
from typing import NamedTuple

import anyio
from attrs import frozen

from amplify_federation._async.flights import Flights
from amplify_federation._model.claims import peek
from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.results.session import AuthSession
from amplify_federation._model.settings import AuthSettings
from amplify_federation._model.state import Expired, Federated, SignedOut, State
from amplify_federation._model.values import Secret
from amplify_federation._session.record.lending import with_lent
from amplify_federation._session.record.schema import decode
from amplify_federation._session.renewal.standing import is_usable
from amplify_federation._session.session import Session
from amplify_federation._users.office import Office
from amplify_federation._users.refusals import Refusals
from amplify_federation._users.resting import Resters, Resting
from amplify_federation.errors import AuthError, CallTimeoutError, StoreError

_LEASE_SHARE = 0.9  # of the deadline: so that a lease is named as the cause, not the deadline
_CLEANED = 3  # old sessions that a new token looks at


class Seen(NamedTuple):
    """A bearer's state, and the session or the record that it was read from."""

    source: object
    state: State


_UNKNOWN = Seen(None, SignedOut())


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
        self._home = office.channel.line.home
        clock, store = office.channel.clock, office.bearer_store
        self._resters = Resters(clock, office.settings, store)

    def bearer(self, token: Secret, provider: AuthProvider) -> Bearer:
        """Return a token with the name of its record."""
        name = record_name(self._office.pool.identity_pool_id, token, provider)
        return Bearer(name, token, provider)

    async def session_for(
        self, bearer: Bearer, *, force: bool = False, accepted: bool = False
    ) -> AuthSession:
        """Return the session of a token; see `FederatedUsers.session_for`.

        `force`: renew the credentials. `accepted`: Cognito took the token when its holder asked
        first, so the session serves until its credentials are over, whatever the token's `exp`.
        """
        self._office.check_usable()
        name = bearer.name
        kept = self._office.shelf.find(name)
        at_rest = kept if isinstance(kept, Resting) else None
        found = None
        if at_rest is not None and not force:
            found = await self._looked(name, at_rest, accepted=accepted)
        if isinstance(found, AuthSession):
            return found
        session = self._office.awake_bearer_session(name, bearer.token, found)
        if session is not None and (accepted or self._serves(session, bearer.token)):
            view = await session.fetch(force=force)
            if view.renewal_error is None:
                self._lay_down(session, bearer.token, at_rest)
            if isinstance(session.state, Federated) or (accepted and self._is_expired(session)):
                return view
        with anyio.move_on_after(self._settings.timeout):
            return await self._admitted(bearer)
        message = "The token was not exchanged before the deadline."
        raise CallTimeoutError(message)

    def state_of(self, bearer: Bearer, seen: "Seen | None") -> "Seen":
        """Return the state that is in memory, as the object that was `seen` before if unchanged.

        Needs no event loop.
        """
        kept = self._office.shelf.peek(bearer.name)
        if kept is None:
            return _UNKNOWN
        if isinstance(kept, Session):
            return Seen(kept, kept.state)
        if seen is not None and seen.source is kept.record:
            return seen
        return Seen(kept.record, with_lent(decode(kept.record.data), bearer.token).state)

    @property
    def _settings(self) -> AuthSettings:
        return self._office.settings

    async def _looked(
        self, name: str, at_rest: Resting, *, accepted: bool
    ) -> AuthSession | StoreError | None:
        """Return a session at rest as it is shown, or the trouble (if any) that wakes it."""
        self._home.check()
        found = await self._resters.look(name, at_rest)
        if not isinstance(found, Resting):
            return found
        self._office.shelf.rest_on(name, at_rest, found)
        return self._resters.view(found, accepted=accepted)

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
        session = self._office.awake_bearer_session(bearer.name, bearer.token)
        if session is None or session.context.keeper.replaced:
            session = self._office.new_bearer_session(bearer.name, bearer.token)
        try:
            await self._federate_once(session, bearer)
        except AuthError as error:
            failure = error.fresh_copy()
        else:
            if self._serves(session, bearer.token):
                shelf.put(session)
                self._lay_down(session, bearer.token)
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
        """Forget old sessions whose token and credentials are over: each new one pays for some.

        Credentials may serve a job that outlives its token.
        """
        shelf, store = self._office.shelf, self._office.bearer_store
        for name, kept in shelf.oldest(_CLEANED):
            if isinstance(kept, Resting):
                is_over = self._resters.is_over(kept)
                version: str | None = kept.record.version
            else:
                is_over = self._is_over(kept)
                version = kept.context.keeper.version
            if is_over:
                shelf.drop(name, kept)
                with suppress(StoreError):  # written by somebody meanwhile, or another day
                    await store.delete(name, expected=version)

    def _is_over(self, session: Session) -> bool:
        state = session.state
        token = state.held[0].token if isinstance(state, Federated) else None
        if token is None or not self._office.is_bearers(session):
            return False
        return not self._serves(session, token) and not is_usable(session.context)

    def _is_expired(self, session: Session) -> bool:
        return isinstance(session.state, Expired)

    def _serves(self, session: Session, token: Secret) -> bool:
        """Tell whether Cognito accepted this token, and the token is not over."""
        state = session.state
        if not isinstance(state, Federated) or session.context.keeper.replaced:
            return False
        now = self._resters.now(session.context.keeper.ahead)
        return now < self._token_over(token, state)

    def _token_over(self, token: Secret, state: Federated) -> float:
        claims = peek(token)
        if claims is not None and claims.expires is not None:
            return claims.expires
        return state.grant.issued_at + self._opaque_life

    def _lay_down(self, session: Session, token: Secret, before: Resting | None = None) -> None:
        state = session.state
        if isinstance(state, Federated):
            over = self._token_over(token, state)
            resting = self._resters.laid_down(session, over, before)
            if resting is not None:
                self._office.shelf.lay_down(session, resting)


def record_name(pool_id: str, token: Secret, provider: AuthProvider) -> str:
    """Return the name of a bearer token's record; no user's begins so, but with a pool's id."""
    key = provider.login_key
    # The length keeps apart what would read the same: a key that ends as a token begins.
    pieces = f"{pool_id}\n{len(key)}\n{key}\n{token.reveal()}"
    digest = hashlib.sha256(pieces.encode()).digest()
    return f"bearer#{base64.urlsafe_b64encode(digest).decode()}"
