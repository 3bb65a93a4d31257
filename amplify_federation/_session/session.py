"""Session: one user's session at work, whatever handles point to it.

This file owns the order of a public call: the loop and the end of life are checked, the store is
looked at, the state is settled, the result is shown. The path of a fresh fetch is here, too.
"""

import secrets

import anyio

from amplify_federation._concurrency.background import Background
from amplify_federation._concurrency.broadcast import Broadcast
from amplify_federation._core.providers import AuthProvider
from amplify_federation._core.results import AuthEvent, AuthSession, AuthUser, FederationResult
from amplify_federation._core.settings import AuthSettings
from amplify_federation._core.state import Cleared, SignedOut, State
from amplify_federation._core.values import Secret, UserPoolTokens
from amplify_federation._network.channel import Channel
from amplify_federation._session.context import Context
from amplify_federation._session.federating import Federations
from amplify_federation._session.fresh import FreshView
from amplify_federation._session.keeper import Keeper
from amplify_federation._session.linking import Linking
from amplify_federation._session.record.views import (
    no_user_pool_access,
    replaced_view,
    signed_out_error,
    view_of,
)
from amplify_federation._session.renewal.renewing import Renewing
from amplify_federation._session.user_pool import (
    FEDERATION_REFUSED,
    NO_SOURCES,
    Sources,
    UserPoolSession,
    failed_session,
)
from amplify_federation.errors import (
    AuthError,
    CallTimeoutError,
    InvalidStateError,
    StoreError,
)
from amplify_federation.pool import IdentityPool
from amplify_federation.stores.protocol import SessionStore


class Session:
    """One user's session."""

    __slots__ = (
        "__weakref__", "_closed", "_federations", "_fresh", "_home", "_keeper", "_renewing",
        "_user_pool", "context",
    )  # fmt: skip

    def __init__(
        self,
        pool: IdentityPool,
        settings: AuthSettings,
        *,
        store: SessionStore,
        channel: Channel,
        name: str,
        sources: Sources = NO_SOURCES,
    ) -> None:
        events: Broadcast[AuthEvent] = Broadcast()
        keeper = Keeper(store, name, channel.clock, events)
        self.context = Context(pool, settings, store, channel, keeper, events, sources.token_source)
        self._keeper = keeper
        self._federations = Federations(self.context)
        self._user_pool: UserPoolSession | None = None
        if sources.user_pool is not None:
            self._user_pool = UserPoolSession(self.context, sources.user_pool)
        self._renewing = Renewing(self.context)
        self._home = channel.line.home
        self._closed = False
        self._fresh = FreshView(channel.clock)

    @property
    def linking(self) -> Linking:
        """The linking of further logins; it holds nothing of its own."""
        return Linking(self.context, self._federations)

    @property
    def state(self) -> State:
        """The present state, as far as it is known here."""
        return self._keeper.state

    async def look(self) -> None:
        """Adopt what the store has. Raises `StoreError` if it cannot tell."""
        self.check_usable()
        await self._keeper.look(now=True)

    def check_usable(self) -> None:
        """Raise `InvalidStateError` after `aclose`, or in a second event loop."""
        if self._closed:
            message = "This session is closed."
            raise InvalidStateError(message, recovery_suggestion="Make a new `FederatedAuth`.")
        self._home.check()

    def check_callable(self) -> None:
        """Raise `InvalidStateError` where `check_usable` does, and from this session's source."""
        self.check_usable()
        self._renewing.asking.check_not_serving()

    async def load(self) -> None:
        """Read the store for the first time, and allow work in the background."""
        self.check_usable()
        if self.context.background is None:
            self.context.background = Background()
        await self._keeper.look(now=True)

    async def federate(
        self, token: Secret, provider: AuthProvider, identity_id: str | None
    ) -> FederationResult:
        """Federate with a provider's token."""
        self.check_callable()
        if await self._user_pool_tokens() is not None:
            raise InvalidStateError(
                FEDERATION_REFUSED, recovery_suggestion="Sign the user out of the user pool first."
            )
        return await self._federations.federate(token, provider, identity_id)

    async def fetch(self, *, force: bool) -> AuthSession:
        """Return the session, renewed if need be."""
        self.check_usable()
        if self._user_pool is not None:
            view = await self._fetch_user_pool(self._user_pool, force=force)
        else:
            view = None if force else self._fresh.get(self._keeper.record)
        return view or await self._fetch(force=force)

    async def clear(self) -> None:
        """Forget the federation in memory and store, without the network."""
        self.check_callable()
        self._federations.overtake()
        with anyio.move_on_after(self.context.settings.timeout) as scope:
            await self._keeper.written()  # what was being saved when the clear came is cleared, too
            await self._keeper.look(now=True)
            await self._clear()
        if scope.cancelled_caught:
            message = "The session was not cleared before the deadline; the store did not answer."
            raise CallTimeoutError(message)

    async def current_user(self) -> AuthUser:
        """Return the user-pool user, or raise: a federated user is none."""
        self.check_callable()
        tokens = await self._user_pool_tokens()
        if self._user_pool is not None and tokens is not None:
            return self._user_pool.user_of(tokens)
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

    async def _user_pool_tokens(self) -> UserPoolTokens | None:
        outcome = None if self._user_pool is None else await self._user_pool.tokens()
        if isinstance(outcome, AuthError):
            raise outcome
        return outcome

    async def _fetch_user_pool(
        self, user_pool: UserPoolSession, *, force: bool
    ) -> AuthSession | None:
        tokens: UserPoolTokens | AuthError | None = None
        with anyio.move_on_after(self.context.settings.timeout):
            tokens = await user_pool.tokens()
            if tokens is None:
                return None
            if isinstance(tokens, AuthError):
                return failed_session(tokens)
            await self._keeper.look()
            if not isinstance(self.state, SignedOut):
                await self._clear()  # as in Amplify: a user-pool session ends a federation
            return await user_pool.fetch(tokens, force=force)
        error = CallTimeoutError("The user pool's session was not federated in time.")
        if isinstance(tokens, UserPoolTokens):
            return user_pool.unfederated(tokens, error)
        return failed_session(error)

    async def _fetch(self, *, force: bool) -> AuthSession:
        self.check_callable()
        error: AuthError | None = None
        with anyio.move_on_after(self.context.settings.timeout) as scope:
            error = await self._settled(force=force)
        if scope.cancelled_caught and self._renewing.may_help():
            error = CallTimeoutError("The credentials were not renewed before the deadline.")
        return self._shown(error)

    async def _settled(self, *, force: bool) -> AuthError | None:
        try:
            await self._keeper.look()
        except StoreError as error:
            if not self._renewing.is_usable():
                raise
            self._keeper.believe_memory()
            return error.fresh_copy()
        return await self._renewing.settle(force=force)

    async def _clear(self) -> None:
        if isinstance(self.state, SignedOut):
            await self._keeper.forget_leftovers()
        else:
            await self._keeper.commit(Cleared(), secrets.token_hex(8), lambda: None)

    def _shown(self, error: AuthError | None) -> AuthSession:
        if self._keeper.replaced:
            return replaced_view()
        usable = self._renewing.is_usable()
        if isinstance(error, StoreError) and not usable:
            raise error.fresh_copy()
        state = self.state
        if isinstance(state, SignedOut) and not self.context.pool.guest_access:
            state = SignedOut()  # a guest of the days when this pool allowed guests
        view = view_of(state, error, usable=usable)
        if usable or not self._renewing.may_help():
            life, until = self._renewing.life(), self._keeper.look_again
            self._fresh.keep(view, self._keeper.record, life, until=until)
        else:
            self._fresh.drop()
        return view
