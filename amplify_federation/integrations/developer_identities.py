"""Developer identities, the backend's half: identities for the accounts of an application.

    async with DeveloperIdentities("us-west-2:...", "login.example.app") as identities:
        given = await identities.token_for("user-17")

The client that gets `given` federates with it: `auth.federate_to_identity_pool(given.token,
AuthProvider.DEVELOPER, developer_provided_identity_id=given.identity_id)`. These operations are
signed with the backend's own IAM keys, as aiobotocore finds them ("Developer-authenticated
identities" of the Cognito developer guide).
"""

from collections.abc import Awaitable, Mapping
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self, TypeVar

from attrs import field, frozen

from amplify_federation import AuthProvider, IdentityPool, InvalidStateError, ValidationError
from amplify_federation.integrations.live_session import require

__all__ = ["DeveloperIdentities", "DeveloperToken"]

T = TypeVar("T")
_DURATIONS: Final = range(1, 86_401)  # seconds; TokenDuration
_NOTHING: Final[Mapping[Any, str]] = MappingProxyType({})


@frozen
class DeveloperToken:
    """An identity, and the token with which its client federates. `repr` does not show the token.

    A value for JSON: `{"identity_id": ..., "token": ...}` is what a client needs.
    """

    identity_id: str
    token: str = field(repr=False)


class DeveloperIdentities:
    """The identities of an application's own accounts in one identity pool; `async with`.

    Args:
        pool: an `IdentityPool` or its id.
        provider_name: the developer provider name of the pool, such as `login.example.app`.
        session: an `aiobotocore.session.AioSession` with the backend's IAM keys; by default
            aiobotocore's own search finds them.

    Each call raises botocore's `ClientError` for what Cognito refuses.

    Raises:
        ModuleNotFoundError: aiobotocore is missing.
        ConfigurationError: the pool is malformed.
    """

    def __init__(
        self,
        pool: IdentityPool | str,
        provider_name: str,
        *,
        session: Any = None,  # noqa: ANN401  # aiobotocore has no types
    ) -> None:
        require("aiobotocore", "pip install 'amplify-federation[developer]'")
        self._pool = IdentityPool(pool) if isinstance(pool, str) else pool
        self._provider_name = provider_name
        if session is None:
            from aiobotocore.session import (  # type: ignore[import-untyped]  # noqa: PLC0415  # optional  # pyright: ignore[reportMissingTypeStubs]
                AioSession,
            )

            session = AioSession()
        self._session = session
        self._context: AbstractAsyncContextManager[Any] | None = None
        self._opened: Any = None

    def __repr__(self) -> str:
        return f"<DeveloperIdentities {self._provider_name} of {self._pool.identity_pool_id}>"

    async def __aenter__(self) -> Self:
        context: AbstractAsyncContextManager[Any] = self._session.create_client(
            "cognito-identity", region_name=self._pool.region, endpoint_url=self._pool.endpoint
        )
        self._opened = await context.__aenter__()
        self._context = context
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        context, self._context, self._opened = self._context, None, None
        if context is not None:
            await context.__aexit__(exc_type, exc, traceback)

    def token_for(
        self,
        user: str,
        *,
        identity_id: str | None = None,
        logins: Mapping[AuthProvider, str] = _NOTHING,
        duration: int = 900,
        principal_tags: Mapping[str, str] = _NOTHING,
    ) -> Awaitable[DeveloperToken]:
        """Return the identity of one of the application's users, made if need be, and a token.

        The bearer of the token is that user to AWS, so authenticate the user first.

        Args:
            user: the user's id in the application, 1 to 1,024 characters.
            identity_id: an identity to give to this user, such as a guest's.
            logins: tokens of other providers, linked with the identity.
            duration: seconds that the token lasts, 1 to 86,400.
            principal_tags: tags of the AWS session, for access control by attributes.

        Raises `ValidationError` for malformed arguments.
        """
        _check_user(user)
        tokens: list[object] = list(logins.values())
        if not all(isinstance(each, str) for each in tokens):
            message = "`logins` has tokens, which are strings, by `AuthProvider`."
            raise ValidationError(message)
        if isinstance(duration, bool) or duration not in _DURATIONS:
            message = "`duration` must be 1 to 86400 whole seconds."
            raise ValidationError(message)
        given: dict[str, Any] = {
            "IdentityPoolId": self._pool.identity_pool_id,
            "Logins": {self._provider_name: user}
            | {provider.login_key: token for provider, token in logins.items()},
            "TokenDuration": duration,
        }
        if identity_id is not None:
            given["IdentityId"] = identity_id
        if principal_tags:
            given["PrincipalTags"] = dict(principal_tags)
        # This frame has the tokens, so it is over before anything can fail.
        return _without_frames(self._token(given))

    async def identity_of(self, user: str) -> str | None:
        """Return the identity id of a user, or None for one without an identity."""
        _check_user(user)
        client = self._client
        try:
            found = await client.lookup_developer_identity(
                IdentityPoolId=self._pool.identity_pool_id, DeveloperUserIdentifier=user
            )
        except client.exceptions.ResourceNotFoundException:
            return None
        identity_id: str = found["IdentityId"]
        return identity_id

    async def users_of(self, identity_id: str) -> list[str]:
        """Return the users of an identity: several after a merge."""
        users: list[str] = []
        further: dict[str, str] = {}
        while True:
            page = await self._client.lookup_developer_identity(
                IdentityPoolId=self._pool.identity_pool_id, IdentityId=identity_id, **further
            )
            users += page.get("DeveloperUserIdentifierList", [])
            if not page.get("NextToken"):
                return users
            further = {"NextToken": page["NextToken"]}

    async def merge(self, source_user: str, destination_user: str) -> str:
        """Merge the identity of one user into another's, and return the id of what is left."""
        _check_user(source_user)
        _check_user(destination_user)
        merged = await self._client.merge_developer_identities(
            SourceUserIdentifier=source_user,
            DestinationUserIdentifier=destination_user,
            DeveloperProviderName=self._provider_name,
            IdentityPoolId=self._pool.identity_pool_id,
        )
        identity_id: str = merged["IdentityId"]
        return identity_id

    async def unlink(self, user: str, identity_id: str) -> None:
        """Remove a user from an identity; one without any other login cannot be reached again."""
        _check_user(user)
        await self._client.unlink_developer_identity(
            IdentityId=identity_id,
            IdentityPoolId=self._pool.identity_pool_id,
            DeveloperProviderName=self._provider_name,
            DeveloperUserIdentifier=user,
        )

    @property
    def _client(self) -> Any:  # noqa: ANN401  # aiobotocore has no types
        if self._opened is None:
            message = "DeveloperIdentities is not open."
            raise InvalidStateError(
                message, recovery_suggestion="Use it inside `async with DeveloperIdentities(...)`."
            )
        return self._opened

    async def _token(self, given: dict[str, Any]) -> DeveloperToken:
        answer = await self._client.get_open_id_token_for_developer_identity(**given)
        return DeveloperToken(answer["IdentityId"], answer["Token"])


async def _without_frames(call: Awaitable[T]) -> T:
    """Return what a call returns; raise what it raises without the frames, which hold tokens."""
    try:
        return await call
    except Exception as error:  # noqa: BLE001  # raised again at once
        failure = error
    try:
        raise failure.with_traceback(None) from None
    finally:
        del failure  # a frame and the exception in it would keep each other alive


def _check_user(user: object) -> None:
    if not isinstance(user, str) or not user:
        message = "A user of the application is named by a string that is not empty."
        raise ValidationError(message)
