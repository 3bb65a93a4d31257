"""Office: what the sessions of all users share, and how a session is made of it.

One pool, one line to Cognito, one server clock, one store, one shelf. It must not know what a
session is asked for.
"""

from typing import Final, Protocol, runtime_checkable

from attrs import define, evolve, field

from amplify_federation._async.background import Background
from amplify_federation._http.channel import Channel
from amplify_federation._model.settings import AuthSettings
from amplify_federation._model.values import Secret
from amplify_federation._session.context import NO_SOURCES, Sources
from amplify_federation._session.session import Session
from amplify_federation._users.resting import Resting
from amplify_federation._users.shelf import Shelf
from amplify_federation.errors import InvalidStateError, StoreError
from amplify_federation.pool import IdentityPool
from amplify_federation.stores.protocol import SessionStore

BEARER_LIFE: Final = 86_400.0  # seconds that a store keeps a bearer's record after its last write


@runtime_checkable
class Forgets(Protocol):
    """What a store may offer beside `SessionStore`: forgetting records by itself."""

    def keeping(self, seconds: float) -> SessionStore:
        """Return a store of the same records, whose writes are kept for `seconds` from each."""
        ...


@define(kw_only=True)
class Office:
    """The surroundings of many sessions."""

    pool: IdentityPool
    settings: AuthSettings
    channel: Channel
    store: SessionStore
    shelf: Shelf
    sources: Sources
    background: Background | None = None  # there while inside `async with`
    closed: bool = False
    # A bearer whose record is gone is federated anew; it must never turn into a guest.
    bearer_pool: IdentityPool = field(init=False)
    # A bearer's record is of no use when its token is over; a user's is for long.
    bearer_store: SessionStore = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Derive what bearer sessions live in."""
        self.bearer_pool = evolve(self.pool, guest_access=False)
        store = self.store
        self.bearer_store = store.keeping(BEARER_LIFE) if isinstance(store, Forgets) else store

    def check_usable(self) -> None:
        """Raise `InvalidStateError` after the sessions were closed."""
        if self.closed:
            message = "These users' sessions are closed."
            raise InvalidStateError(message, recovery_suggestion="Make a new `FederatedUsers`.")

    def user_session(self, user_id: str) -> Session:
        """Return the one session of a user."""
        name = f"{self.pool.identity_pool_id}/{user_id}"
        session = self.shelf.find(name)
        if not isinstance(session, Session):
            session = self._session(self.pool, self.store, name, self.sources)
            self.shelf.put(session)
        return session

    def new_bearer_session(self, name: str, token: Secret) -> Session:
        """Return a session that nobody keeps yet. No source: its caller brings the token."""
        session = self._session(self.bearer_pool, self.bearer_store, name, NO_SOURCES)
        if self.settings.remember_token:
            session.context.keeper.lent = token
        return session

    def awake_bearer_session(
        self, name: str, token: Secret, failure: StoreError | None = None
    ) -> Session | None:
        """Return the session of a bearer as it can be worked at, if there is one.

        `failure`: why the store could not tell, when it was just asked.
        """
        kept = self.shelf.find(name)
        if not isinstance(kept, Resting):
            return kept
        session = self.shelf.outlived(name)
        if session is None:
            session = self.new_bearer_session(name, token)
            session.context.keeper.resume(kept.record, ahead=kept.ahead, failure=failure)
        self.shelf.put(session)
        return session

    def is_bearers(self, session: Session) -> bool:
        """Tell whether a session was made for a bearer token."""
        return session.context.pool is self.bearer_pool

    def _session(
        self, pool: IdentityPool, store: SessionStore, name: str, sources: Sources
    ) -> Session:
        session = Session(
            pool, self.settings, store=store, channel=self.channel, name=name, sources=sources
        )
        session.context.background = self.background
        return session
