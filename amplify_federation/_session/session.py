"""Session: one user's session at work, whatever handles point to it.

This file owns the order of a public call: the loop and the end of life are checked, the store is
looked at, the state is settled, the result is shown. The path of a fresh fetch is here, too.
"""

import secrets

import anyio

from amplify_federation._concurrency.background import Background
from amplify_federation._concurrency.broadcast import Broadcast
from amplify_federation._concurrency.loops import HomeLoop
from amplify_federation._core.expiry import MAX_CLOCK_LEAD
from amplify_federation._core.providers import AuthProvider
from amplify_federation._core.results import AuthEvent, AuthSession, AuthUser, FederationResult
from amplify_federation._core.settings import AuthSettings
from amplify_federation._core.state import Cleared, SignedOut, State
from amplify_federation._core.values import Secret
from amplify_federation._network.channel import Channel
from amplify_federation._session.context import Context
from amplify_federation._session.federating import Federations
from amplify_federation._session.keeper import Keeper
from amplify_federation._session.record.schema import SessionRecord
from amplify_federation._session.renewal.renewing import Renewing
from amplify_federation._session.record.views import (
    no_user_pool_access,
    replaced_view,
    signed_out_error,
    view_of,
)
from amplify_federation.errors import (
    AuthError,
    CallTimeoutError,
    InvalidStateError,
    StoreError,
)
from amplify_federation.pool import IdentityPool
from amplify_federation.stores.protocol import SessionStore

_NEVER = float("-inf")
_ALWAYS = float("inf")


class Session:
    """One user's session."""

    def __init__(
        self,
        pool: IdentityPool,
        settings: AuthSettings,
        *,
        store: SessionStore,
        channel: Channel,
        name: str,
    ) -> None:
        events: Broadcast[AuthEvent] = Broadcast()
        keeper = Keeper(store, f"{pool.identity_pool_id}/{name}", channel.clock, events)
        self.context = Context(pool, settings, store, channel, keeper, events)
        self._keeper = keeper
        self._federations = Federations(self.context)
        self._renewing = Renewing(self.context)
        self._home = HomeLoop()
        self._closed = False
        self._view = view_of(SignedOut())
        self._viewed: SessionRecord | None = None  # what the view was made of
        self._fresh_until = _NEVER  # monotonic
        self._fresh_wall = (_NEVER, _NEVER)  # local wall clock, from and until

    @property
    def state(self) -> State:
        """The present state, as far as it is known here."""
        return self._keeper.state

    def check_usable(self) -> None:
        """Raise `InvalidStateError` after `aclose`, or in a second event loop."""
        if self._closed:
            message = "This session is closed."
            raise InvalidStateError(message, recovery_suggestion="Make a new `FederatedAuth`.")
        self._home.check()

    async def load(self) -> None:
        """Read the store for the first time, and allow work in the background."""
        self.check_usable()
        self.context.background = Background()
        await self._keeper.look(now=True)

    async def federate(
        self, token: Secret, provider: AuthProvider, identity_id: str | None
    ) -> FederationResult:
        """Federate with a provider's token."""
        self.check_usable()
        return await self._federations.federate(token, provider, identity_id)

    async def fetch(self, *, force: bool) -> AuthSession:
        """Return the session, renewed if need be."""
        self.check_usable()
        clock = self.context.clock.local
        if not force and self._viewed is self._keeper.record:
            start, end = self._fresh_wall
            if clock.monotonic() < self._fresh_until and start <= clock.time() < end:
                return self._view
        error: AuthError | None = None
        with anyio.move_on_after(self.context.settings.timeout) as scope:
            error = await self._settled(force=force)
        if scope.cancelled_caught:
            message = "The credentials were not renewed before the deadline."
            error = CallTimeoutError(message)
        return self._shown(error)

    async def clear(self) -> None:
        """Forget the federation in memory and store, without the network."""
        self.check_usable()
        self._federations.overtake()
        with anyio.move_on_after(self.context.settings.timeout) as scope:
            await self._keeper.look(now=True)
            await self._clear()
        if scope.cancelled_caught:
            message = "The session was not cleared before the deadline; the store did not answer."
            raise CallTimeoutError(message)

    async def current_user(self) -> AuthUser:
        """Raise: there is no user-pool user without a user pool."""
        self.check_usable()
        await self._keeper.look()
        if isinstance(self.state, SignedOut):
            raise signed_out_error()
        raise no_user_pool_access()

    async def notice(self) -> None:
        """Adopt what other processes wrote, and see whether the session lapsed; for listeners."""
        try:
            await self._keeper.look(now=True)
        except StoreError:
            return  # the calls of the session say so; a listener waits on
        await self._renewing.lapse_if_over()

    async def close(self) -> None:
        """End the events and the work in the background; further calls are refused."""
        self._closed = True
        self._federations.overtake()
        self.context.events.close()
        if self.context.background is not None:
            await self.context.background.end()

    async def _settled(self, *, force: bool) -> AuthError | None:
        try:
            await self._keeper.look()
        except StoreError as error:
            if not self._renewing.is_usable():
                raise
            return error.fresh_copy()
        return await self._renewing.settle(force=force)

    async def _clear(self) -> None:
        keeper = self._keeper
        if isinstance(keeper.state, SignedOut):
            await keeper.forget_leftovers()
            return
        await keeper.commit(Cleared(), secrets.token_hex(8), lambda: None)

    def _shown(self, error: AuthError | None) -> AuthSession:
        if self._keeper.replaced:
            return replaced_view()
        usable = self._renewing.is_usable()
        if isinstance(error, StoreError) and not usable:
            raise error.fresh_copy()
        view = view_of(self.state, error, usable=usable)
        self._remember(view, usable=usable)
        return view

    def _remember(self, view: AuthSession, *, usable: bool) -> None:
        """Keep the view for the fetches of the next half second, while nothing can change it."""
        life, clock = self._renewing.life(), self.context.clock
        self._view, self._viewed = view, None
        self._fresh_until, self._fresh_wall = self._keeper.look_again, (_NEVER, _ALWAYS)
        if usable or not self._renewing.may_help():
            self._viewed = self._keeper.record
        if life is not None:
            self._fresh_until = min(self._fresh_until, life.renew_monotonic)
            start = life.grant.issued_at - MAX_CLOCK_LEAD - clock.offset
            self._fresh_wall = (start, life.renew_at - clock.offset)
