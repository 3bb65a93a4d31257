"""Federation: a provider's token in, a session out, or everything as it was. Linking of logins.

This file owns which identity id is reused, when a federation that succeeded at Cognito is still
refused here, and what is sent as proof for a further login. Cognito decides whether a further login
is linked, merged (then the answer has another identity) or refused.
"""

import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

import anyio
from attrs import define, evolve, field

from amplify_federation._cognito.flow import (
    Flow,
    by_identity,
    by_known_identity,
    by_login,
    unlinking,
)
from amplify_federation._model.claims import same_subject, subject_digest
from amplify_federation._model.machine import FederationSucceeded
from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.refresh_grant import RefreshGrant
from amplify_federation._model.results import FederationResult
from amplify_federation._model.state import Expired, Federated, Grant, Login, SignedOut
from amplify_federation._model.values import Secret
from amplify_federation._session.context import Context
from amplify_federation._session.record import SessionRecord
from amplify_federation.errors import CallTimeoutError, InvalidStateError
from amplify_federation.stores.protocol import checks_writing


class _Base(NamedTuple):
    """The session as it was when a federation began."""

    record: SessionRecord
    replaced: bool
    version: str | None


@define(eq=False)  # compared by identity
class _Place:
    """One caller's place in the queue of federations."""

    scope: anyio.CancelScope
    called: anyio.Event = field(factory=anyio.Event)
    cancelled: bool = False  # by a clear


class Federations:
    """The federations of one session: a serial queue, in order of call."""

    __slots__ = ("_context", "_queue")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._queue: dict[_Place, None] = {}  # an ordered set: any caller leaves in O(1)

    def cancel_all(self) -> None:
        """Fail all that are under way, at once: for a clear."""
        for place in self._queue:
            place.cancelled = True
            place.scope.cancel()

    def federate(
        self,
        token: Secret,
        provider: AuthProvider,
        identity_id: str | None,
        refresh_grant: RefreshGrant | None = None,
    ) -> Awaitable[FederationResult]:
        """Federate with one login; see `FederatedAuth.federate_to_identity_pool`."""
        return self.in_order(partial(self._federate, token, provider, identity_id, refresh_grant))

    async def in_order(self, work: Callable[[], Awaitable[FederationResult]]) -> FederationResult:
        """Run what changes the signed-in user, in order of call; a clear cancels it.

        The deadline bounds the wait for those before it, too.
        """
        deadline = anyio.current_time() + self._context.settings.timeout
        place = _Place(anyio.CancelScope(deadline=deadline))
        result: FederationResult | None = None
        with place.scope:
            self._queue[place] = None
            self._call_first()
            try:
                if not place.called.is_set():
                    await place.called.wait()
                result = await self._within_limit(work)
            finally:
                del self._queue[place]
                self._call_first()
        if place.cancelled:
            message = "The session was cleared while this federation was under way."
            raise InvalidStateError(
                message, recovery_suggestion="Federate again if the user signs in again."
            )
        if result is None:
            message = "The federation did not end before its deadline."
            raise CallTimeoutError(message)
        return result

    def _call_first(self) -> None:
        if self._queue:
            next(iter(self._queue)).called.set()  # once more does no harm to one that works

    async def _within_limit(
        self, work: Callable[[], Awaitable[FederationResult]]
    ) -> FederationResult:
        if self._context.limiter is None:
            return await work()
        async with self._context.limiter():
            return await work()

    async def _federate(
        self,
        token: Secret,
        provider: AuthProvider,
        identity_id: str | None,
        refresh_grant: RefreshGrant | None,
    ) -> FederationResult:
        repository = self._context.repository
        await repository.refresh(now=True)
        if checks_writing(store := self._context.store):
            await store.check_writable()  # before Cognito is called in vain
        base = _Base(repository.record, repository.replaced, repository.version)
        flow = self._flow(token, provider, identity_id)
        answer = await self._context.client.call(flow)
        grant = self._context.grant_from(answer)
        logins = (evolve(self.login(token, provider), refresh_grant=refresh_grant),)
        await repository.commit(
            FederationSucceeded(grant, logins),
            os.urandom(8).hex(),
            precondition=lambda: self._precondition(base, grant),
        )
        return FederationResult(grant.identity_id, grant.credentials)

    def _flow(self, token: Secret, provider: AuthProvider, identity_id: str | None) -> Flow:
        members, logins = self._context.pool.members, {provider: token}
        if identity_id is not None:
            return by_identity(members, identity_id, logins)
        known = self._known_identity(token, provider)
        if known is not None:
            return by_known_identity(members, known, logins)
        return by_login(members, logins)

    def _known_identity(self, token: Secret, provider: AuthProvider) -> str | None:
        state = self._context.repository.state
        if isinstance(state, SignedOut):
            return None
        for login in state.linked_logins:
            if login.provider == provider and same_subject(token, login.subject):
                return state.identity_id
        return None

    def login(self, token: Secret, provider: AuthProvider) -> Login:
        """Return a login as the session stores it."""
        kept = token if self._context.settings.remember_token else None
        return Login(provider, kept, subject_digest(token, os.urandom(16)))

    def _precondition(self, base: _Base, grant: Grant) -> None:
        """Raise unless the record is as it was, or was merely renewed, or is this very user's."""
        repository = self._context.repository
        now = repository.record
        if repository.replaced:
            admitted = base.replaced and repository.version == base.version
        elif now.federation_id == base.record.federation_id:
            admitted = True
        elif isinstance(now.state, SignedOut):
            # A tombstone that was there before and is collected by now is no clear in between.
            admitted = isinstance(base.record.state, SignedOut) and now.generation == 0
        else:
            admitted = _identity(now.state) == grant.identity_id
        if not admitted:
            message = (
                "The session was cleared or replaced by another user's while this was under way."
            )
            raise InvalidStateError(
                message, recovery_suggestion="Look at `auth.state`, then federate again if meant."
            )


def _identity(state: Federated | Expired) -> str:
    return state.identity_id


class Linking:
    """Links and unlinks the logins of one session, in order with its federations."""

    __slots__ = ("_context", "_federations")

    def __init__(self, context: Context, federations: Federations) -> None:
        self._context = context
        self._federations = federations

    async def link(self, token: Secret, provider: AuthProvider) -> FederationResult:
        """Link a further login; see `FederatedAuth.link_login`."""
        return await self._federations.in_order(partial(self._link, token, provider))

    async def unlink(self, provider: AuthProvider) -> FederationResult:
        """Unlink a login; see `FederatedAuth.unlink_login`."""
        return await self._federations.in_order(partial(self._unlink, provider))

    async def _link(self, token: Secret, provider: AuthProvider) -> FederationResult:
        state = await self._federated()
        precondition = self._context.same_session()
        logins = {**self._proof(state), provider: token}
        flow = by_identity(self._context.pool.members, state.identity_id, logins)
        answer = await self._context.client.call(flow)
        others = tuple(login for login in state.linked_logins if login.provider != provider)
        linked = (*others, self._federations.login(token, provider))
        grant = self._context.grant_from(answer)
        repository = self._context.repository
        await repository.commit(
            FederationSucceeded(grant, linked), repository.record.federation_id, precondition
        )
        return FederationResult(grant.identity_id, grant.credentials)

    async def _unlink(self, provider: AuthProvider) -> FederationResult:
        state = await self._federated()
        logins = tuple(login for login in state.linked_logins if login.provider != provider)
        if len(logins) == len(state.linked_logins):
            message = f"No login of {provider.login_key} is linked to this session."
            raise InvalidStateError(message, recovery_suggestion="Look at `auth.state.logins`.")
        if not logins:
            message = "The last login cannot be unlinked."
            raise InvalidStateError(
                message, recovery_suggestion="Call `clear_federation_to_identity_pool` instead."
            )
        precondition = self._context.same_session()
        flow = unlinking(state.identity_id, self._proof(state), provider)
        await self._context.client.call(flow)
        repository = self._context.repository
        await repository.commit(
            FederationSucceeded(state.grant, logins), repository.record.federation_id, precondition
        )
        return FederationResult(state.identity_id, state.credentials)

    async def _federated(self) -> Federated:
        repository = self._context.repository
        await repository.refresh(now=True)
        if repository.replaced or not isinstance(repository.state, Federated):
            message = "Logins are linked to a federated session, and this one is not."
            raise InvalidStateError(
                message, recovery_suggestion="Call `federate_to_identity_pool` first."
            )
        return repository.state

    def _proof(self, state: Federated) -> dict[AuthProvider, Secret]:
        """Return the tokens that prove the identity to Cognito; one at least."""
        proof = {
            login.provider: login.token
            for login in state.linked_logins
            if login.token is not None and self._context.may_take(login)
        }
        if not proof:
            message = "The session holds no good token that proves its identity to Cognito."
            raise InvalidStateError(
                message,
                recovery_suggestion="Federate again with a new token (and `remember_token=True`).",
            )
        return proof
