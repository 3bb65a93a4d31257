"""A user pool's user, beside the federated session; the application signs that user in.

While the application's user pool gives tokens, its ID token is federated on its own. The
credentials of this federation are kept in memory only, with the subject of their user.
"""

import os
from collections.abc import Awaitable, Callable
from functools import partial

import anyio
from attrs import frozen

from amplify_federation._async.single_flight import SingleFlight
from amplify_federation._cognito.flow import by_known_identity, by_login
from amplify_federation._cognito.requests import checked_token
from amplify_federation._model.auth_session import AuthResult, AuthSession
from amplify_federation._model.claims import peek, same_subject, subject_digest
from amplify_federation._model.results import AuthUser, UserPoolTokens
from amplify_federation._model.values import AWSCredentials, Secret, SubjectDigest
from amplify_federation._session.context import Context, UserPool
from amplify_federation._session.refresh_policy import Lifespan, lifespan_of
from amplify_federation.errors import AuthError, CallTimeoutError, InvalidStateError

_FEDERATION_REFUSED = "Cannot federate to identity pool with active user session."


@frozen
class _Federation:
    """What Cognito gave for a user-pool user."""

    subject: SubjectDigest | None
    token: Secret
    life: Lifespan

    def is_of(self, token: Secret) -> bool:
        """Tell whether this is the token's user's; an unreadable token is only equal to itself."""
        return same_subject(token, self.subject) or token == self.token


class UserPoolSession:
    """The session of a user-pool user, beside the federated one."""

    __slots__ = ("_context", "_federation", "_flight", "_pool")

    def __init__(self, context: Context, pool: UserPool) -> None:
        self._context = context
        self._pool = pool
        self._federation: _Federation | None = None
        self._flight: SingleFlight[None] = SingleFlight()

    async def tokens(self) -> UserPoolTokens | None:
        """Return the application's tokens, or raise what it raised, as an `AuthError`."""
        failure: AuthError
        try:
            tokens = await self._pool.tokens()
            if tokens is not None:
                checked_token(tokens.id_token)
        except AuthError as error:
            failure = error.fresh_copy()
        except Exception as error:  # noqa: BLE001  # the application's own; it is the cause
            failure = AuthError("The user pool's tokens could not be had.")
            failure.__cause__ = error
        else:
            if tokens is None:
                self._federation = None
            return tokens
        try:
            raise failure
        finally:
            del failure  # a frame and the exception in it would keep each other alive

    async def check_signed_out(self) -> None:
        """Raise `InvalidStateError` while a user is signed in there, and what the pool raised."""
        if await self.tokens() is not None:
            raise InvalidStateError(
                _FEDERATION_REFUSED, recovery_suggestion="Sign the user out of the user pool first."
            )

    def user_of(self, tokens: UserPoolTokens) -> AuthUser:
        """Return the user that the ID token names."""
        claims = peek(Secret(tokens.id_token))
        subject = (claims and claims.subject) or ""
        return AuthUser(subject, (claims and claims.username) or subject)

    async def view(
        self, leave_federation: Callable[[], Awaitable[None]], *, force: bool
    ) -> AuthSession | None:
        """Return the session of the user pool's user, `None` if none is signed in.

        `leave_federation` is called before: a user has one session.
        """
        tokens: UserPoolTokens | None = None
        with anyio.move_on_after(self._context.settings.timeout):
            try:
                tokens = await self.tokens()
            except AuthError as error:
                return _failed(error.fresh_copy())
            if tokens is None:
                return None
            await leave_federation()
            return await self._fetch(tokens, force=force)
        timeout = CallTimeoutError("The user pool's session was not federated in time.")
        return _failed(timeout) if tokens is None else self._unfederated(tokens, timeout)

    async def _fetch(self, tokens: UserPoolTokens, *, force: bool) -> AuthSession:
        token = Secret(tokens.id_token)
        error: AuthError | None = None
        found = None if force else self._good_for(token)
        while found is None:
            try:
                await self._flight.join(partial(self._federate, token))
            except AuthError as failure:
                error = failure.fresh_copy()
                found = self._good_for(token)
                if found is None:
                    return self._unfederated(tokens, error)
            else:
                found = self._federation_of(token)  # none: the call was for another user's token
        grant = found.life.grant
        return self._shown(
            tokens, AuthResult(grant.identity_id), AuthResult(grant.credentials), beside=error
        )

    def _unfederated(self, tokens: UserPoolTokens, error: AuthError) -> AuthSession:
        return self._shown(tokens, AuthResult(error=error), AuthResult(error=error))

    def _federation_of(self, token: Secret) -> _Federation | None:
        found = self._federation
        return found if found is not None and found.is_of(token) else None

    def _good_for(self, token: Secret) -> _Federation | None:
        found = self._federation_of(token)
        return None if found is None or found.life.is_over(self._context.clock) else found

    async def _federate(self, token: Secret) -> None:
        members, logins = self._context.pool.members, {self._pool.provider: token}
        known = self._federation_of(token)
        if known is None:
            flow = by_login(members, logins)
        else:
            flow = by_known_identity(members, known.life.grant.identity_id, logins)
        answer = await self._context.client.call(flow)
        clock = self._context.clock
        grant = self._context.grant_from(answer)
        life = lifespan_of(grant, self._context.settings, clock.monotonic() - clock.now())
        self._federation = _Federation(subject_digest(token, os.urandom(16)), token, life)

    def _shown(
        self,
        tokens: UserPoolTokens,
        identity_id: AuthResult[str],
        credentials: AuthResult[AWSCredentials],
        *,
        beside: AuthError | None = None,
    ) -> AuthSession:
        return AuthSession(
            is_signed_in=True,
            identity_id_result=identity_id,
            credentials_result=credentials,
            user_pool_tokens_result=AuthResult(tokens),
            user_sub_result=AuthResult(self.user_of(tokens).user_id),
            renewal_error=beside,
        )


def _failed(error: AuthError) -> AuthSession:
    """Return the session for a failure of the user pool: the error in all four fields."""
    return AuthSession(
        is_signed_in=False,
        identity_id_result=AuthResult[str](error=error),
        credentials_result=AuthResult[AWSCredentials](error=error),
        user_pool_tokens_result=AuthResult[UserPoolTokens](error=error),
        user_sub_result=AuthResult[str](error=error),
    )
