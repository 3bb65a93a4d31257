"""Bearer sessions: from a bearer token to a session, and from the same token to the same session.

This file owns what selects a session: a SHA-256 digest of the pool, the provider and the whole
token, and nothing else. The claims of a token that Cognito has not accepted select nothing, so a
forged one finds no session; its unverified `iss` only chooses among the providers that the
application allows. The digest is also the name of the session's record in the store, where another
process finds it: one federation for a token in all of them, and one renewal. A record exists only
after Cognito accepted the very token. It must not know web frameworks.
"""

import base64
import hashlib
from contextlib import suppress
from functools import partial
from typing import Final, NamedTuple, Protocol, runtime_checkable

import anyio
from attrs import evolve

from amplify_federation._async.single_flight import KeyedSingleFlight
from amplify_federation._cognito.errors import is_about_the_token
from amplify_federation._model.auth_session import AuthSession
from amplify_federation._model.claims import peek
from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.state import Expired, Federated, SignedOut, State
from amplify_federation._model.values import Secret
from amplify_federation._session.record import decode, with_transient_token
from amplify_federation._session.refresh_policy import is_usable
from amplify_federation._session.session import Session
from amplify_federation._session.session_factory import SessionFactory
from amplify_federation._users.refused_tokens import RejectedTokens, SignedOutTokens
from amplify_federation._users.session_cache import CachedSession, Compactor, SessionCache
from amplify_federation.errors import (
    AuthError,
    CallTimeoutError,
    SignedOutError,
    StoreError,
)
from amplify_federation.stores.protocol import SessionStore

KEEP_FOR: Final = 86_400.0  # seconds that a store keeps a bearer's record after its last write
_LEASE_SHARE: Final = 0.9  # of the deadline: so that a lease is named as the cause of a timeout
# For tokens that Cognito has not accepted: whatever is sent, a file store makes no more lock files.
# Two tokens of one name wait for each other, which is rare among `max_federations`.
_LEASES: Final = 1_024
_CLEANED: Final = 3  # old sessions that a new token looks at


@runtime_checkable
class ExpiringStore(Protocol):
    """What a store may offer beside `SessionStore`: forgetting records by itself."""

    def keeping(self, seconds: float) -> SessionStore:
        """Return a store of the same records, whose writes are kept for `seconds` from each."""
        ...


class SeenState(NamedTuple):
    """A bearer's state, and the session or the record that it was read from."""

    source: object
    state: State


_UNKNOWN: Final = SeenState(None, SignedOut())


class Bearer(NamedTuple):
    """A token as it came with a request, and the name of the record that it selects."""

    name: str
    token: Secret
    provider: AuthProvider


class BearerSessions:
    """The sessions of bearer tokens. `opaque_life`: seconds that a token without `exp` serves."""

    def __init__(
        self,
        factory: SessionFactory,
        cache: SessionCache,
        store: SessionStore,
        *,
        opaque_life: float,
    ) -> None:
        self._factory = factory
        self._cache = cache
        self._opaque_life = opaque_life
        # A bearer's record is of no use when its token is over; a user's is for long.
        records = store.keeping(KEEP_FOR) if isinstance(store, ExpiringStore) else store
        self._store = factory.bounded(records)
        # A bearer whose record is gone is federated anew; it must never turn into a guest.
        self._pool = evolve(factory.pool, guest_access=False)
        self._federations: KeyedSingleFlight[Session] = KeyedSingleFlight()
        self._rejected = RejectedTokens(factory.settings.clock)
        self._signed_out = SignedOutTokens(store, factory.settings.clock, kept=KEEP_FOR)
        self._compactor = Compactor(factory.client.clock, factory.settings, records)

    def bearer(self, token: Secret, provider: AuthProvider) -> Bearer:
        """Return a token with the name of its record."""
        name = record_name(self._pool.identity_pool_id, token, provider)
        return Bearer(name, token, provider)

    async def session_for(
        self, bearer: Bearer, *, force: bool = False, accepted: bool = False
    ) -> AuthSession:
        """Return the session of a token; see `FederatedUsers.session_for`.

        `force`: renew the credentials. `accepted`: Cognito took the token when its owner asked
        first, so the session serves until its credentials are over, whatever the token's `exp`.
        """
        self._factory.check_usable()
        entry = self._cache.get(bearer.name)
        cached = entry if isinstance(entry, CachedSession) else None
        found = None
        if cached is not None and not force:
            found = await self._shown(bearer.name, cached, accepted=accepted)
        if isinstance(found, AuthSession):
            return found
        session = self._loaded(bearer, found)
        if session is not None and (accepted or self._serves(session, bearer.token)):
            view = await session.fetch(force=force)
            if view.renewal_error is None:
                self._compact(session, bearer.token, cached)
            state = session.state
            shown = isinstance(state, Federated) or (accepted and isinstance(state, Expired))
            # Replaced: another process federated the token, and Cognito had merged its identity.
            if shown and not session.context.repository.replaced:
                return view
        with anyio.move_on_after(self._factory.settings.timeout):
            return await self._federated(bearer)
        message = "The token was not exchanged before the deadline."
        raise CallTimeoutError(message)

    async def sign_out(self, bearer: Bearer) -> None:
        """Sign a token out; see `FederatedUsers.sign_out`."""
        self._factory.check_usable()
        session = self._loaded(bearer) or self._new(bearer)
        await session.refresh()
        if not isinstance(session.state, Federated | Expired):
            # Not accepted as far as is known. Without this check anybody could fill the store with
            # sign-outs of made-up tokens.
            try:
                await self.session_for(bearer)
            except SignedOutError:
                return
            except AuthError as error:
                if is_about_the_token(error):
                    return
                raise
            session = self._loaded(bearer) or session
        await self._signed_out.add(session, bearer.token)
        entry = self._cache.peek(bearer.name)
        if entry is not None:
            self._cache.discard(bearer.name, entry)

    def state_of(self, bearer: Bearer, seen: SeenState | None) -> SeenState:
        """Return the state that is in memory, as the object that was `seen` before if unchanged.

        Needs no event loop.
        """
        entry = self._cache.peek(bearer.name)
        if entry is None:
            return _UNKNOWN
        if isinstance(entry, Session):
            return SeenState(entry, entry.state)
        if seen is not None and seen.source is entry.record:
            return seen
        return SeenState(
            entry.record, with_transient_token(decode(entry.record.data), bearer.token).state
        )

    async def _shown(
        self, name: str, cached: CachedSession, *, accepted: bool
    ) -> AuthSession | StoreError | None:
        """Return the view of a cached session; else the store's error, or `None`: load it."""
        self._factory.client.loop_guard.check()
        found = await self._compactor.look(name, cached)
        if not isinstance(found, CachedSession):
            return found
        if found is not cached:
            self._cache.replace(name, cached, found)
        return self._compactor.view(found, accepted=accepted)

    def _loaded(self, bearer: Bearer, failure: StoreError | None = None) -> Session | None:
        """Return the loaded session of a bearer, if there is one.

        `failure`: why the store could not tell, when it was just asked.
        """
        entry = self._cache.get(bearer.name)
        if not isinstance(entry, CachedSession):
            return entry
        session = self._cache.alive(bearer.name)
        if session is None:
            session = self._new(bearer)
            session.context.repository.restore(entry.record, ahead=entry.ahead, failure=failure)
        self._cache.put(session)
        return session

    def _new(self, bearer: Bearer) -> Session:
        # No token source: its caller brings the token.
        session = self._factory.make(bearer.name, self._store, pool=self._pool)
        if self._factory.settings.remember_token:
            session.context.repository.transient_token = bearer.token
        return session

    async def _federated(self, bearer: Bearer) -> AuthSession:
        rejection = self._rejected.get(bearer.name)
        if rejection is not None:
            raise rejection.fresh_copy()
        session = await self._federations.join(bearer.name, partial(self._federate, bearer))
        return await session.fetch(force=False)

    async def _federate(self, bearer: Bearer) -> Session:
        session = self._loaded(bearer)
        if session is None or session.context.repository.replaced:
            session = self._new(bearer)
        try:
            await self._federate_once(session, bearer)
        except AuthError as error:
            self._rejected.add(bearer.name, error.fresh_copy())
            raise
        if self._serves(session, bearer.token):
            self._cache.put(session)
            self._compact(session, bearer.token)
        await self._clean_up()
        return session

    async def _federate_once(self, session: Session, bearer: Bearer) -> None:
        """Federate, unless another process has done so or is doing so."""
        await session.refresh()
        if self._serves(session, bearer.token):
            return
        await self._signed_out.check(session)
        patience = _LEASE_SHARE * self._factory.settings.timeout
        async with self._store.lock(lease_name(bearer.name), timeout=patience):
            await session.refresh()
            if not self._serves(session, bearer.token):
                await self._signed_out.check(session)
                await session.federate(bearer.token, bearer.provider, None)

    async def _clean_up(self) -> None:
        """Forget old sessions whose token and credentials are over, a few for each new one.

        Credentials may serve a job that outlives its token.
        """
        for name, entry in self._cache.oldest(_CLEANED):
            if isinstance(entry, CachedSession):
                is_over = self._compactor.is_over(entry)
                version: str | None = entry.record.version
            else:
                is_over = self._is_over(entry)
                version = entry.context.repository.version
            if is_over:
                self._cache.discard(name, entry)
                with suppress(StoreError):  # another process wrote it, or the store does not serve
                    await self._store.delete(name, expected=version)

    def _is_over(self, session: Session) -> bool:
        state = session.state
        token = state.linked_logins[0].token if isinstance(state, Federated) else None
        if token is None or session.context.pool is not self._pool:  # a user's by id
            return False
        return not self._serves(session, token) and not is_usable(session.context)

    def _serves(self, session: Session, token: Secret) -> bool:
        """Tell whether Cognito accepted this token, and the token is not over."""
        state = session.state
        if not isinstance(state, Federated) or session.context.repository.replaced:
            return False
        now = self._compactor.now(session.context.repository.ahead)
        return now < self._token_over(token, state)

    def _token_over(self, token: Secret, state: Federated) -> float:
        claims = peek(token)
        if claims is not None and claims.expires is not None:
            return claims.expires
        return state.grant.issued_at + self._opaque_life

    def _compact(
        self, session: Session, token: Secret, before: CachedSession | None = None
    ) -> None:
        state = session.state
        if isinstance(state, Federated):
            over = self._token_over(token, state)
            cached = self._compactor.compact(session, over, before)
            if cached is not None:
                self._cache.replace(session.context.repository.name, session, cached)


def record_name(pool_id: str, token: Secret, provider: AuthProvider) -> str:
    """Return the name of a bearer token's record; no user's begins so, but with a pool's id."""
    key = provider.login_key
    # The length keeps apart what would read the same: a key that ends as a token begins.
    pieces = f"{pool_id}\n{len(key)}\n{key}\n{token.reveal()}"
    digest = hashlib.sha256(pieces.encode()).digest()
    return f"bearer#{base64.urlsafe_b64encode(digest).decode()}"


def lease_name(name: str) -> str:
    """Return the name of the lease under which the token of a record is federated."""
    number = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest()) % _LEASES
    return f"bearers#{number}"
