"""SessionFactory: what all sessions of one application share, and how one is made of it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
from attrs import define, field

from amplify_federation._async.background import Background
from amplify_federation._http.client import CognitoClient
from amplify_federation._http.descriptors import within_descriptors
from amplify_federation._model.settings import AuthSettings
from amplify_federation._session.context import NO_SOURCES, Sources
from amplify_federation._session.session import Session
from amplify_federation.errors import InvalidStateError, StoreLockedError
from amplify_federation.pool import IdentityPool
from amplify_federation.stores.protocol import SessionStore

_SHARES = 6  # of the descriptors: a lease, a lock and a file each, beside the connections' quarter


@define(kw_only=True)
class SessionFactory:
    """One pool, one client of Cognito, one server clock, one bound of leases for many sessions.

    `max_leases`: sessions that may be at Cognito at the same time; fewer where the process may open
    few files.
    """

    pool: IdentityPool
    settings: AuthSettings
    client: CognitoClient
    max_leases: int
    background: Background | None = None  # set inside `async with`
    closed: bool = False
    _places: anyio.CapacityLimiter | None = field(default=None, init=False)
    _federations: anyio.CapacityLimiter | None = field(default=None, init=False)

    def make(
        self,
        name: str,
        store: SessionStore,
        sources: Sources = NO_SOURCES,
        *,
        pool: IdentityPool | None = None,
    ) -> Session:
        """Return a new session over the record `name`; `pool` in the place of the shared one."""
        session = Session(
            pool or self.pool,
            self.settings,
            store=store,
            client=self.client,
            name=name,
            sources=sources,
        )
        session.context.background = self.background
        session.context.limiter = self._federation_limiter
        return session

    def bounded(self, store: SessionStore) -> SessionStore:
        """Return the store with a bound on the leases at the same time."""
        return cast("SessionStore", _BoundedLeases(store, self))

    def check_usable(self) -> None:
        """Raise `InvalidStateError` after the sessions were closed."""
        if self.closed:
            message = "These users' sessions are closed."
            raise InvalidStateError(message, recovery_suggestion="Make a new `FederatedUsers`.")

    @property
    def places(self) -> anyio.CapacityLimiter:
        """The bound of leases; made in the event loop of the sessions."""
        if self._places is None:
            self._places = self._limiter()
        return self._places

    def _federation_limiter(self) -> anyio.CapacityLimiter:
        # Another than that of the leases: a bearer's federation is under a lease already.
        if self._federations is None:
            self._federations = self._limiter()
        return self._federations

    def _limiter(self) -> anyio.CapacityLimiter:
        return anyio.CapacityLimiter(within_descriptors(self.max_leases, shares=_SHARES))


class _BoundedLeases:
    """A store whose leases wait in a queue first, where a waiter costs neither file nor connection.

    All else is the store's own.
    """

    __slots__ = ("_factory", "_store")

    def __init__(self, store: SessionStore, factory: SessionFactory) -> None:
        self._store = store
        self._factory = factory

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever the store has
        return getattr(self._store, name)

    @asynccontextmanager
    async def lock(self, name: str, *, timeout: float) -> AsyncGenerator[None]:  # noqa: ASYNC109  # the protocol's
        places, borrower = self._factory.places, object()
        end = anyio.current_time() + timeout
        await _take(places, borrower, timeout)
        try:
            left = max(0.0, end - anyio.current_time())
            async with self._store.lock(name, timeout=left):
                yield
        finally:
            places.release_on_behalf_of(borrower)


async def _take(places: anyio.CapacityLimiter, borrower: object, seconds: float) -> None:
    try:
        places.acquire_on_behalf_of_nowait(borrower)
    except anyio.WouldBlock:
        pass
    else:
        return
    if seconds > 0:
        with anyio.move_on_after(seconds):
            await places.acquire_on_behalf_of(borrower)
            return
    message = (
        f"{places.total_tokens:g} sessions are at Cognito, and none of them ended in {seconds:g} s."
    )
    advice = "Come back later, or allow more with `max_federations`."
    raise StoreLockedError(message, recovery_suggestion=advice)
