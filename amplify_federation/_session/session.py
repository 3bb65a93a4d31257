"""Session: the public calls of one user's session.

This file owns the order of a public call: check the event loop and that the session is open, read
the store, renew the credentials if need be, return a view. The path of a fresh fetch is here, too.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

import anyio

from amplify_federation._async.background import Background
from amplify_federation._async.broadcast import Broadcast
from amplify_federation._http.client import CognitoClient
from amplify_federation._model.state import SignedOut, State
from amplify_federation._session.context import NO_SOURCES, Context, Sources
from amplify_federation._session.refresh_policy import (
    RenewalNeed,
    is_usable,
    life_of,
    may_help,
    renewal_need,
)
from amplify_federation._session.repository import SessionRepository
from amplify_federation._session.views import (
    FreshView,
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
from amplify_federation.stores.protocol import checks_writing

if TYPE_CHECKING:
    from amplify_federation._model.auth_session import AuthSession
    from amplify_federation._model.machine import AuthEvent
    from amplify_federation._model.providers import AuthProvider
    from amplify_federation._model.refresh_grant import RefreshGrant
    from amplify_federation._model.results import AuthUser, FederationResult
    from amplify_federation._model.settings import AuthSettings
    from amplify_federation._model.values import Secret
    from amplify_federation._session.clearing import Clearing
    from amplify_federation._session.context import UserPool
    from amplify_federation._session.federation import Federations, Linking
    from amplify_federation._session.record import SessionRecord
    from amplify_federation._session.renewal import Renewal
    from amplify_federation._session.user_pool import UserPoolSession
    from amplify_federation.pool import IdentityPool
    from amplify_federation.stores.protocol import SessionStore


logger = logging.getLogger("amplify_federation")


class Session:
    """One user's session."""

    __slots__ = (
        "__weakref__",
        "_closed",
        "_federations",
        "_fresh",
        "_loop_guard",
        "_renewal",
        "_repository",
        "_user_pool",
        "context",
    )  # fmt: skip

    def __init__(
        self,
        pool: IdentityPool,
        settings: AuthSettings,
        *,
        store: SessionStore,
        client: CognitoClient,
        name: str,
        sources: Sources = NO_SOURCES,
    ) -> None:
        events: Broadcast[AuthEvent] = Broadcast()
        changed = partial(_announce, name, events)
        repository = SessionRepository(store, name, client.clock, changed)
        self.context = Context(
            pool, settings, store, client, repository, events, sources.token_source
        )
        self._repository = repository
        self._federations: Federations | None = None
        self._renewal: Renewal | None = None
        self._user_pool = self._user_pool_session(sources.user_pool)
        self._loop_guard = client.loop_guard
        self._closed = False
        self._fresh = FreshView(client.clock)

    @property
    def federations(self) -> Federations:
        """The federations."""
        if self._federations is None:
            from amplify_federation._session.federation import Federations  # noqa: PLC0415 - see _session

            self._federations = Federations(self.context)
        return self._federations

    @property
    def linking(self) -> Linking:
        """The linking of further logins; it has no state of its own."""
        from amplify_federation._session.federation import Linking  # noqa: PLC0415 - see _session

        return Linking(self.context, self.federations)

    @property
    def renewal(self) -> Renewal:
        """The renewals."""
        if self._renewal is None:
            from amplify_federation._session.renewal import Renewal  # noqa: PLC0415 - see _session

            self._renewal = Renewal(self.context)
        return self._renewal

    @property
    def _clearing(self) -> Clearing:
        from amplify_federation._session.clearing import Clearing  # noqa: PLC0415 - see _session

        return Clearing(self.context)

    def _user_pool_session(self, pool: UserPool | None) -> UserPoolSession | None:
        if pool is None:
            return None
        from amplify_federation._session.user_pool import UserPoolSession  # noqa: PLC0415 - see _session

        return UserPoolSession(self.context, pool)

    def _cancel_federations(self) -> None:
        if self._federations is not None:
            self._federations.cancel_all()

    def _error_beside(self) -> AuthError | None:
        """Return why credentials that still serve were not renewed, if that was tried."""
        return None if self._renewal is None else self._renewal.error_beside()

    @property
    def state(self) -> State:
        """The present state, as far as it is known here."""
        return self._repository.state

    async def refresh(self) -> None:
        """Read the store. Raises `StoreError` if it cannot be read."""
        self.check_usable()
        await self._repository.refresh(now=True)

    def check_usable(self) -> None:
        """Raise `InvalidStateError` after `aclose`, or in a second event loop."""
        if self._closed:
            message = "This session is closed."
            raise InvalidStateError(message, recovery_suggestion="Make a new `FederatedAuth`.")
        self._loop_guard.check()

    def check_callable(self) -> None:
        """Raise `InvalidStateError` where `check_usable` does, and from this session's source."""
        self.check_usable()
        if self.context.token_source is not None:
            self.renewal.token_refresher.check_not_serving()

    async def load(self) -> None:
        """Read the store for the first time, and allow work in the background."""
        self.check_usable()
        if self.context.background is None:
            self.context.background = Background()
        await self._repository.refresh(now=True)
        if self._repository.version is None and checks_writing(store := self.context.store):
            await store.check_writable()  # else the key opened a record just now
        await self._collect_tombstone()

    async def federate(
        self,
        token: Secret,
        provider: AuthProvider,
        identity_id: str | None,
        refresh_grant: RefreshGrant | None = None,
    ) -> FederationResult:
        """Federate with a provider's token."""
        self.check_callable()
        if self._user_pool is not None:
            await self._user_pool.check_signed_out()
        return await self.federations.federate(token, provider, identity_id, refresh_grant)

    async def fetch(self, *, force: bool) -> AuthSession:
        """Return the session, renewed if need be."""
        self.check_usable()
        if self._user_pool is not None:
            view = await self._user_pool.view(self._leave_federation, force=force)
        else:
            view = None if force else self._fresh.get(self._repository.record)
        return view or await self._fetch(force=force)

    async def clear(self, *, leave_tombstone: bool = False) -> tuple[RefreshGrant, ...] | None:
        """Forget the federation; see `Clearing.clear`."""
        self.check_callable()
        self._cancel_federations()
        return await self._clearing.clear(leave_tombstone=leave_tombstone)

    async def forget_guest(self) -> None:
        """Forget the guest."""
        self.check_callable()
        self._cancel_federations()
        await self._clearing.forget_guest()

    async def current_user(self) -> AuthUser:
        """Return the user-pool user, or raise: a federated user is none."""
        self.check_callable()
        if self._user_pool is not None:
            tokens = await self._user_pool.tokens()
            if tokens is not None:
                return self._user_pool.user_of(tokens)
        await self._repository.refresh()
        if isinstance(self.state, SignedOut):
            raise signed_out_error()
        raise no_user_pool_access()

    async def notice(self) -> None:
        """Read what other processes wrote, and let the session expire in time; for listeners."""
        try:
            await self._repository.refresh(now=True)
        except StoreError:
            return  # the session's calls raise it; a listener goes on waiting
        await self.renewal.lapse_if_over()

    async def close(self) -> None:
        """End the events and the work in the background; further calls are refused."""
        self._closed = True
        self._cancel_federations()
        self.context.events.close()
        if self.context.background is not None:
            await self.context.background.end()

    async def _leave_federation(self) -> None:
        await self._repository.refresh()
        if not isinstance(self.state, SignedOut):
            # As in Amplify: a user-pool session ends a federation.
            await self._clearing.end_federation()

    async def _fetch(self, *, force: bool) -> AuthSession:
        self.check_callable()
        if not force and self._is_settled():
            return self._shown(self._error_beside())
        error: AuthError | None = None
        with anyio.move_on_after(self.context.settings.timeout) as scope:
            error = await self._settled(force=force)
        if scope.cancelled_caught and may_help(self.context):
            error = CallTimeoutError("The credentials were not renewed before the deadline.")
        return self._shown(error)

    def _is_settled(self) -> bool:
        """Tell whether a fetch waits for nothing: the store was read, the credentials serve."""
        return not self._repository.is_refresh_due() and (
            not may_help(self.context) or renewal_need(self.context) is RenewalNeed.NONE
        )

    async def _settled(self, *, force: bool) -> AuthError | None:
        try:
            await self._repository.refresh(now=force)
        except StoreError as error:
            if not is_usable(self.context):
                raise
            self._repository.postpone_refresh()
            return error.fresh_copy()
        await self._collect_tombstone()
        return await self.renewal.settle(force=force)

    async def _collect_tombstone(self) -> None:
        """Delete what an old clear left in the store."""
        if isinstance(self.state, SignedOut) and self._repository.version is not None:
            await self._clearing.collect_tombstone()

    def _shown(self, error: AuthError | None) -> AuthSession:
        if self._repository.replaced:
            return replaced_view()
        usable = is_usable(self.context)
        if isinstance(error, StoreError) and not usable:
            raise error.fresh_copy()
        state = self.state
        if isinstance(state, SignedOut) and not self.context.pool.guest_access:
            state = SignedOut()  # a guest from before this pool refused guests
        view = view_of(state, error, usable=usable)
        if usable or not may_help(self.context):
            life, until = life_of(self.context), self._repository.refresh_at
            self._fresh.keep(view, self._repository.record, life, until=until)
        else:
            self._fresh.drop()
        return view


def new_session(  # what `FederatedAuth` is given, all keyword-only but the pool
    pool: IdentityPool,
    *,
    session_name: str,
    store: SessionStore,
    http_client: object | None,
    sources: Sources,
    settings: AuthSettings,
) -> Session:
    """Return a session with a client of Cognito of its own.

    Raises `ConfigurationError` for what is no HTTP client.
    """
    client = CognitoClient(pool.endpoint, http_client, settings)
    name = record_name(pool, session_name)
    return Session(pool, settings, store=store, client=client, name=name, sources=sources)


def record_name(pool: IdentityPool, session_name: str) -> str:
    """Return the name of a session's record in the store."""
    return f"{pool.identity_pool_id}/{session_name}"


def _announce(
    session: str, events: Broadcast[AuthEvent], before: SessionRecord, after: SessionRecord
) -> None:
    """Tell listeners and the log of a session's change, if it is one for them."""
    from amplify_federation._model.machine import event_between  # noqa: PLC0415 - see _session

    same = before.federation_id == after.federation_id
    event = event_between(before.state, after.state, same_federation=same)
    if event is not None:
        told = {"event": str(event.kind), "state": event.state, "session": session}
        logger.info("Session: %s.", event.kind, extra=told)
        events.send(event)
