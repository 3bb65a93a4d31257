"""FederatedAuth: one user's federated session, as an application uses it.

This file owns the public calls and their arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Never, Self

from amplify_federation._cognito.requests import (
    checked_identity_id,
    checked_provider,
    checked_token,
)
from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.values import Secret
from amplify_federation._session.arguments import (
    DEFAULT_SETTINGS,
    check_refresh_grant,
    check_session_name,
    check_settings,
    checked_pool,
    checked_source,
    checked_store,
)
from amplify_federation._session.context import Sources
from amplify_federation._session.repository import NOTICE
from amplify_federation._session.session import new_session
from amplify_federation.errors import ValidationError

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from amplify_federation._async.broadcast import EventStream
    from amplify_federation._model.auth_session import AuthSession
    from amplify_federation._model.machine import AuthEvent
    from amplify_federation._model.refresh_grant import RefreshGrant
    from amplify_federation._model.results import AuthUser, FederationResult, SignOutResult
    from amplify_federation._model.settings import AuthSettings
    from amplify_federation._model.state import State
    from amplify_federation._session.context import TokenSource, UserPool
    from amplify_federation.pool import IdentityPool
    from amplify_federation.stores.protocol import SessionStore


class FederatedAuth:
    """A user's session with an identity pool: federate, fetch, clear.

    `pool` is an `IdentityPool` or its id. `store` keeps the session (by default an
    `EncryptedFileStore` in the user's state directory). `session_name` tells users of one store
    apart: one name is one user. `http_client` is an `httpx.AsyncClient` of your own, which is never
    closed here. `token_source`, an async callable, is asked for a new provider token when the
    stored one no longer helps. `user_pool` is the application's own user-pool sign-in. Use it as an
    async context manager, or call `aclose()` in the end. Entering reads the stored session; where
    there is none, the key and the folder are checked, and `ConfigurationError` or `StoreError` says
    what is wrong.

    Raises `ConfigurationError` for a malformed pool, store or client, `ValidationError` for a
    malformed session name, settings or source.
    """

    def __init__(  # noqa: PLR0913  # an application's choices, all keyword-only but the pool
        self,
        pool: IdentityPool | str,
        *,
        store: SessionStore | None = None,
        session_name: str = "default",
        http_client: Any | None = None,  # noqa: ANN401  # httpx's, or its API-compatible successor's
        token_source: TokenSource | None = None,
        user_pool: UserPool | None = None,
        settings: AuthSettings = DEFAULT_SETTINGS,
    ) -> None:
        self._pool = checked_pool(pool)
        check_session_name(session_name)
        check_settings(settings)
        self._session = new_session(
            self._pool,
            session_name=session_name,
            store=checked_store(store),
            http_client=http_client,
            sources=Sources(checked_source(token_source), user_pool),
            settings=settings,
        )

    def __repr__(self) -> str:
        return f"<FederatedAuth {self._pool.identity_pool_id} {type(self.state).__name__}>"

    def __reduce__(self) -> Never:
        message = "A session stays in its process; open one over the same store in the other."
        raise TypeError(message)

    @property
    def pool(self) -> IdentityPool:
        """The identity pool."""
        return self._pool

    @property
    def settings(self) -> AuthSettings:
        """How the session behaves; its clock, too."""
        return self._session.context.settings

    @property
    def state(self) -> State:
        """`SignedOut`, `Federated` or `Expired`, as far as this handle knows.

        It is `SignedOut` until the store was first read; `async with` reads it.
        """
        return self._session.state

    async def __aenter__(self) -> Self:
        await self._session.load()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the events and close what was opened here; the stored session stays.

        Raises `InvalidStateError` in another event loop than that of its calls.
        """
        client = self._session.context.client
        client.loop_guard.check_closing()
        try:
            await self._session.close()
        finally:
            await client.aclose()

    async def federate_to_identity_pool(
        self,
        token: str,
        provider: AuthProvider,
        *,
        developer_provided_identity_id: str | None = None,
        refresh_grant: RefreshGrant | None = None,
    ) -> FederationResult:
        """Exchange a provider's token for an identity and its AWS credentials.

        `token` has 1 to 50,000 characters. `developer_provided_identity_id` skips GetId; a
        developer login needs it. `refresh_grant`, of `sign_in`, is kept sealed in the session's
        record; with it the session gets new tokens at the provider by itself, in every process,
        where there is no `token_source`. The stored session changes only if all went well.

        Raises `ValidationError` for a bad argument (nothing is sent), `NotAuthorizedError` for a
        refused token, `InvalidStateError` if the session was cleared or replaced meanwhile, and
        `ServiceError`, `NetworkError` or `StoreError` for trouble on the way.
        """
        secret = Secret(token)
        del token  # this frame stands in every traceback from here
        secret = checked_token(secret, checked_provider(provider))
        if developer_provided_identity_id is not None:
            checked_identity_id(developer_provided_identity_id, self._pool.region)
        elif provider == AuthProvider.DEVELOPER:
            message = (
                "A developer login needs `developer_provided_identity_id`: the identity id that "
                "your backend got with the token from GetOpenIdTokenForDeveloperIdentity."
            )
            raise ValidationError(message)
        if refresh_grant is not None:
            check_refresh_grant(refresh_grant, provider)
        return await self._session.federate(
            secret, provider, developer_provided_identity_id, refresh_grant
        )

    async def fetch_auth_session(self, *, force_refresh: bool = False) -> AuthSession:
        """Return the session, with credentials that are renewed when they are over.

        Trouble with the service or the network sits in the fields and is not raised. Raises
        `StoreError` if the store cannot be read and no credentials in memory serve.
        """
        return await self._session.fetch(force=force_refresh)

    async def clear_federation_to_identity_pool(self) -> None:
        """Forget the federated session, in memory and in the store. Needs no network.

        Not federated is no error. A federation under way fails with `InvalidStateError`. The
        provider is told nothing; `sign_out` has it end the refresh token as well. Raises
        `StoreError` if the store cannot be written; then nothing was forgotten.
        """
        await self._session.clear()

    async def sign_out(self, *, local: bool = False) -> SignOutResult:
        """Forget the federated session, then have the provider end its refresh token (RFC 7009).

        The first needs no network, and is done even if the second fails; the result says what
        became of the refresh token. `local` only forgets. Raises `StoreError` if the store cannot
        be written; then nothing was forgotten, and nothing revoked.
        """
        grants = await self._session.clear()
        from amplify_federation._oidc.refresh import revoke_all  # noqa: PLC0415 - loads httpx, 80 ms

        return await revoke_all(grants, self._session.context.client.http_client, local=local)

    async def forget_guest(self) -> None:
        """Forget the guest's identity and credentials, in memory and in the store; no network.

        `clear_federation_to_identity_pool` keeps them, as it ends a federation only; with Amplify
        for Flutter one call does both. The next guest has another identity. Nothing to do for
        a federated session. A federation under way fails, as with a clear. Raises `StoreError` if
        the store cannot be written.
        """
        await self._session.forget_guest()

    async def link_login(self, token: str, provider: AuthProvider) -> FederationResult:
        """Link a further login to this session's identity; it is kept and renewed with.

        Returns the identity of Cognito's answer: another one than before if two were merged.
        Raises `ResourceConflictError` if Cognito does not link the login, `InvalidStateError` if
        the session is not federated or holds no good token, else as federation does.
        """
        secret = Secret(token)
        del token  # this frame stands in every traceback from here
        secret = checked_token(secret, checked_provider(provider))
        self._session.check_callable()
        return await self._session.linking.link(secret, provider)

    async def unlink_login(self, provider: AuthProvider) -> FederationResult:
        """Unlink a login from this session's identity, at Cognito and here.

        Raises `InvalidStateError` if it is the last one (clear instead), is not linked, or the
        session holds no good token, else as federation does.
        """
        checked_provider(provider)
        self._session.check_callable()
        return await self._session.linking.unlink(provider)

    async def get_current_user(self) -> AuthUser:
        """Return the user-pool user.

        Raises `InvalidStateError` for a federated session, which has none, and `SignedOutError`
        if nobody is signed in.
        """
        return await self._session.current_user()

    def events(self) -> AbstractAsyncContextManager[EventStream[AuthEvent]]:
        """Open a stream of the session's changes, those by other processes included.

        64 events are kept for a slow listener, then the oldest are dropped and counted in
        `stream.dropped`. The stream ends with `aclose()`.
        """
        self._session.check_usable()
        return self._session.context.events.listen(self._session.notice, NOTICE)
