"""A new provider token, from the application or from the provider, and federation with it.

This file owns when a `token_source` may be called, when a session's refresh grant takes its place,
which tokens are accepted, and which error is shown without one. All of it happens under the single
flight of the process and the lease of all processes.
"""

import inspect
import logging
import os
from collections.abc import Callable
from contextvars import ContextVar

import anyio
from attrs import evolve

from amplify_federation._cognito.decoding import Answer
from amplify_federation._cognito.errors import is_about_the_token
from amplify_federation._cognito.flow import Flow, another_user, by_identity, by_same_identity
from amplify_federation._cognito.requests import checked_token
from amplify_federation._model.claims import peek, same_subject, subject_digest
from amplify_federation._model.machine import (
    FederationSucceeded,
    RefreshTokenRefused,
    RefreshTokenRotated,
)
from amplify_federation._model.refresh_grant import RefreshGrant
from amplify_federation._model.results import TokenRequest
from amplify_federation._model.state import Expired, Federated, Login
from amplify_federation._model.values import Secret
from amplify_federation._session.context import Context
from amplify_federation.errors import (
    AuthError,
    InvalidStateError,
    SessionExpiredError,
    ValidationError,
)

logger = logging.getLogger("amplify_federation")
_NEVER = float("-inf")  # one for all sessions
SOURCE_PAUSE = 10.0  # seconds after a source failed until it is asked again
_REVOCATION = 5.0  # seconds to end a refresh token that a clear left without a session
# The sessions whose source runs in this context: a source must not wait for its own session.
_serving: ContextVar[frozenset[int]] = ContextVar("amplify_federation_serving", default=frozenset())


class TokenRefresher:
    """Renews with a new token: of the application's `token_source`, or for a refresh token."""

    __slots__ = ("_again", "_context", "_failure")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._again = _NEVER  # monotonic
        self._failure: tuple[str, AuthError] | None = None  # of which federation, and what

    @property
    def failure(self) -> AuthError | None:
        """Why the last attempt gave no token that serves, if it was for this federation."""
        if self._failure is None:
            return None
        federation_id, failure = self._failure
        return failure if federation_id == self._context.repository.record.federation_id else None

    def is_ready(self) -> bool:
        """Tell whether a new token may be asked for now."""
        if not self._context.has_source:
            return False
        return self._context.clock.monotonic() >= self._again

    def check_not_serving(self) -> None:
        """Raise `InvalidStateError` if the caller is the source that serves this session."""
        if id(self) in _serving.get():
            message = "A token source must not call the session that it serves."
            raise InvalidStateError(
                message, recovery_suggestion="Get the token from the identity provider alone."
            )

    async def refresh(self, state: Federated | Expired, reason: str) -> None:
        """Get a token and federate with it; raise what went wrong.

        A fault of the source, a refused refresh token, or a token that does not serve, is kept as
        `failure`; a fault of the network is not.
        """
        self._failure = None
        grant = self._context.refresh_grant()
        login = state.linked_logins[0]
        if grant is not None:
            login = next(each for each in state.linked_logins if each.refresh_grant is grant)
        precondition = self._context.same_session()
        if grant is None:
            request = TokenRequest(login.provider, state.identity_id, reason)
            token, flow = await self._from_source(request, state, login)
        else:
            token = await self._from_provider(grant, login, precondition)
            flow = self._flow(state, login, token)
        precondition()  # before the token leaves: a clear may have come meanwhile
        answer = await self._answer(flow)
        if answer.identity_id != state.identity_id:
            raise self._failed(another_user())
        kept = token if self._context.settings.remember_token else None
        repository, subject = self._context.repository, subject_digest(token, os.urandom(16))
        logins = tuple(
            evolve(each, token=kept, subject=subject) if each.provider == login.provider else each
            for each in self._logins()  # with the refresh token that came with the new token
        )
        event = FederationSucceeded(self._context.grant_from(answer), logins)
        await repository.commit(event, repository.record.federation_id, precondition, keep=True)

    async def _from_source(
        self, request: TokenRequest, state: Federated | Expired, login: Login
    ) -> tuple[Secret, Flow]:
        try:
            token = await self._token(request)
            return token, self._flow(state, login, token)
        except Exception as error:  # noqa: BLE001  # whatever the application raises is the cause
            failure = self._failed(error)
        try:
            raise failure
        finally:
            del failure  # a frame and the exception in it would keep each other alive

    async def _answer(self, flow: Flow) -> Answer:
        try:
            return await self._context.client.call(flow)
        except AuthError as error:
            if not isinstance(error, InvalidStateError) and not is_about_the_token(error):
                raise
            refusal = error.fresh_copy()
        raise self._failed(refusal)

    def _logins(self) -> tuple[Login, ...]:
        logins: tuple[Login, ...] = getattr(self._context.repository.state, "linked_logins", ())
        return logins

    async def _from_provider(
        self, grant: RefreshGrant, login: Login, precondition: Callable[[], None]
    ) -> Secret:
        """Return a new ID token of this login's user."""
        from amplify_federation._oidc.refresh import refresh  # noqa: PLC0415 - loads httpx, 80 ms

        repository, client = self._context.repository, self._context.client.http_client

        async def rotated(new: RefreshGrant) -> None:
            event = RefreshTokenRotated(new)
            federation_id = repository.record.federation_id
            try:
                await repository.commit(event, federation_id, precondition, keep=True)
            except InvalidStateError:
                await self._end(new)  # a clear came: no session has this token
                raise

        try:
            token = await refresh(grant, client, rotated)
        except SessionExpiredError as error:
            refusal = error.fresh_copy()
        else:
            if not same_subject(token, login.subject):
                raise self._failed(another_user())
            return token
        event = RefreshTokenRefused(login.provider)
        await repository.commit(event, repository.record.federation_id, precondition, keep=True)
        raise self._fail(refusal)

    async def _end(self, grant: RefreshGrant) -> None:
        from amplify_federation._oidc.refresh import revoke  # noqa: PLC0415 - as above

        with anyio.move_on_after(_REVOCATION):
            await revoke(grant, self._context.client.http_client)

    async def _token(self, request: TokenRequest) -> Secret:
        source = self._context.token_source
        if source is None:  # pragma: no cover  # is_ready() has seen to it
            raise AssertionError
        _serving.set(_serving.get() | {id(self)})  # in the single flight's own context, which ends
        answer: object = source(request)
        if not inspect.isawaitable(answer):  # a lambda's, say: not known beforehand
            message = (
                f"`token_source` must be async; it returned {type(answer).__name__}, which "
                "cannot be awaited."
            )
            raise ValidationError(message)
        return checked_token(await answer)

    def _flow(self, state: Federated | Expired, login: Login, token: Secret) -> Flow:
        members, logins = self._context.pool.members, {login.provider: token}
        if same_subject(token, login.subject):
            return by_identity(members, state.identity_id, logins)
        if login.subject is not None and peek(token) is not None:
            raise another_user()
        return by_same_identity(members, state.identity_id, logins)

    def _failed(self, cause: Exception) -> AuthError:
        failure = SessionExpiredError("The token source of this session gave no token that serves.")
        failure.__cause__ = cause
        _log_failure(cause, self._context.repository.name)
        self._again = self._context.clock.monotonic() + SOURCE_PAUSE
        return self._fail(failure)

    def _fail(self, failure: AuthError) -> AuthError:
        """Keep a failure, and return a copy to raise: one that is kept must have no traceback."""
        self._failure = self._context.repository.record.federation_id, failure
        return failure.fresh_copy()


def _log_failure(cause: Exception, session: str) -> None:
    """Log why there is no token: of an application's error its class and place, never its text."""
    place = cause.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = (
        "" if place is None else f" in {place.tb_frame.f_code.co_qualname}, line {place.tb_lineno}"
    )
    said = cause.message if isinstance(cause, AuthError) else f"raised{where}"
    logger.warning(
        "The token source gave no token that serves: %s: %s",
        type(cause).__name__,
        said,
        extra={"event": "token_source_failed", "session": session, "error": type(cause).__name__},
    )
