"""A program that uses the whole public face: mypy --strict and pyright strict must accept it.

It is checked and never run.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import assert_never, assert_type

import httpx

from amplify_federation import (
    AuthError,
    AuthEvent,
    AuthEventKind,
    AuthProvider,
    AuthResult,
    AuthSession,
    AuthSettings,
    AuthUser,
    AWSCredentials,
    ClassicFlow,
    EncryptedFileStore,
    EnvironmentKey,
    Expired,
    Federated,
    FederatedAuth,
    FederatedBearer,
    FederatedUsers,
    FederationResult,
    IdentityPool,
    InvalidStateError,
    KeyFile,
    KeyRing,
    MemoryStore,
    NetworkError,
    NotAuthorizedError,
    NotAuthorizedReason,
    OidcTokenSource,
    PassphraseKey,
    Record,
    RefreshGrant,
    Revocation,
    Sealed,
    ServiceError,
    SessionStore,
    SignedOut,
    SignIn,
    SignInPrompt,
    SignOutResult,
    StoreError,
    TokenRequest,
    TokenSource,
    UserPool,
    UserPoolTokens,
    sign_in,
)
from amplify_federation.integrations.blocking import BlockingAuth, BlockingUsers
from amplify_federation.integrations.boto import PresignedURL, SigV4Auth, aws_clients, presign
from amplify_federation.transport import LeanTransport, failure_at, transport_for

POOL_ID = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768"


class OwnStore:
    """A store that an application writes."""

    async def read(self, name: str) -> Record | None:
        return Record("1", name.encode())

    async def compare_and_set(self, name: str, data: bytes, *, expected: str | None) -> str:
        return f"{name}{data!r}{expected}"

    async def delete(self, name: str, *, expected: str | None) -> None: ...

    def lock(self, name: str, *, timeout: float) -> AbstractAsyncContextManager[None]:
        return self._lock(f"{name}{timeout}")

    @asynccontextmanager
    async def _lock(self, name: str) -> AsyncIterator[None]:
        self.held = name
        yield


class OwnUserPool:
    """An application's own sign-in."""

    provider = AuthProvider.cognito_user_pool("us-west-2_Ab1Cd2Ef3")

    async def tokens(self) -> UserPoolTokens | None:
        return UserPoolTokens("id", "access")


async def new_token(request: TokenRequest) -> str:
    return f"{request.provider.login_key}{request.identity_id}{request.reason}"


def stores() -> list[SessionStore]:
    ring = KeyRing([KeyFile("new"), EnvironmentKey(), PassphraseKey("words")])
    return [
        MemoryStore(),
        OwnStore(),
        Sealed(OwnStore(), key=bytes(32)),
        EncryptedFileStore("folder", key=ring),
    ]


async def names_of(store: EncryptedFileStore) -> list[str | None]:
    assert_type(await store.label_of(b"a record"), str | None)
    assert_type(await store.rotate(), int)
    assert_type(await store.faults(), list[StoreError])
    return await store.names()


def sources() -> tuple[TokenSource, UserPool]:
    return new_token, OwnUserPool()


async def one_user(client: httpx.AsyncClient) -> None:
    settings = AuthSettings(remember_token=False, timeout=5)
    classic = ClassicFlow("arn:aws:iam::123456789012:role/player", duration=900)
    pool = IdentityPool(POOL_ID, guest_access=True, classic_flow=classic)
    async with FederatedAuth(
        pool,
        store=stores()[0],
        session_name="alice",
        http_client=client,
        token_source=new_token,
        user_pool=OwnUserPool(),
        settings=settings,
    ) as auth:
        assert_type(auth, FederatedAuth)
        result = await auth.federate_to_identity_pool("token", AuthProvider.GOOGLE)
        assert_type(result, FederationResult)
        assert_type(result.credentials, AWSCredentials)
        assert_type(result.credentials.expiration, datetime)
        assert_type(result.credentials.secret_access_key, str)
        session = await auth.fetch_auth_session(force_refresh=True)
        assert_type(session, AuthSession)
        assert_type(session.identity_id_result, AuthResult[str])
        assert_type(session.credentials, AWSCredentials)
        assert_type(session.credentials_result.value_or_none, AWSCredentials | None)
        assert_type(session.renewal_error, AuthError | None)
        assert_type(await auth.get_current_user(), AuthUser)
        await auth.link_login("token", AuthProvider.FACEBOOK)
        await auth.unlink_login(AuthProvider.FACEBOOK)
        await auth.clear_federation_to_identity_pool()


async def person(auth: FederatedAuth, client: httpx.AsyncClient) -> None:
    async def show(prompt: SignInPrompt) -> None:
        assert_type(prompt.user_code, str | None)
        assert_type(await prompt.open_browser(), bool)

    signed = await sign_in(
        issuer="https://accounts.google.com",
        client_id="c",
        client_secret="s",  # made up
        scope="openid email",
        device=None,
        redirect_port=0,
        timeout=60,
        prompt=show,
        authorization_parameters={"login_hint": "alice@example.com"},
        http_client=client,
    )
    assert_type(signed, SignIn)
    assert_type(signed.refresh_grant, RefreshGrant | None)
    await auth.federate_to_identity_pool(
        signed.id_token, signed.provider, refresh_grant=signed.refresh_grant
    )
    result = await auth.sign_out(local=False)
    assert_type(result, SignOutResult)
    assert_type(result.revocation, Revocation)


def own_refresh_token() -> FederatedAuth:
    async def keep(refresh_token: str) -> None:
        assert refresh_token

    source = OidcTokenSource(
        issuer="https://accounts.google.com",
        client_id="c",
        refresh_token="r",  # made up
        on_rotation=keep,
    )
    return FederatedAuth(POOL_ID, token_source=source)


async def listen(auth: FederatedAuth) -> None:
    async with auth.events() as stream:
        assert_type(stream.dropped, int)
        async for event in stream:
            assert_type(event, AuthEvent)
            assert_type(event.kind, AuthEventKind)


def describe(auth: FederatedAuth) -> str:
    state = auth.state
    assert_type(state.name, str)
    match state:
        case SignedOut():
            return "nobody"
        case Federated():
            assert_type(state.logins, tuple[AuthProvider, ...])
            return state.identity_id
        case Expired():
            return state.identity_id
        case _:
            assert_never(state)


async def many_users(bearer: str) -> AWSCredentials:
    async with FederatedUsers(POOL_ID, max_users=100) as users:
        assert_type(users.auth("alice"), FederatedAuth)
        session = await users.session_for(bearer, AuthProvider.oidc("https://issuer.example.com"))
        live = users.bearer(bearer, [AuthProvider.GOOGLE, AuthProvider.APPLE])
        assert_type(live, FederatedBearer)
        assert_type(await live.fetch_auth_session(), AuthSession)
        await users.sign_out(bearer, AuthProvider.GOOGLE)
        return session.credentials


def advice(error: AuthError) -> str:
    assert_type(error.retryable, bool)
    match error:
        case NotAuthorizedError(reason=NotAuthorizedReason.TOKEN_EXPIRED):
            return "a new token"
        case ServiceError(code=str(code), retryable=True):
            return code
        case NetworkError() | InvalidStateError():
            return error.message
        case _:
            return error.recovery_suggestion


async def sign(auth: FederatedAuth, bearer: FederatedBearer) -> str:
    async with httpx.AsyncClient(auth=SigV4Auth(auth, "execute-api")) as client:
        await client.get("https://api.example.com")
    signed = await presign(bearer, "https://bucket.s3.us-west-2.amazonaws.com/key", cap=True)
    assert_type(signed, PresignedURL)
    return signed.url


async def as_user(bearer: FederatedBearer) -> None:
    async with aws_clients() as clients:
        s3 = await clients.client(bearer, "s3")
        await s3.list_buckets()


async def over_the_lean_transport() -> str:
    async with httpx.AsyncClient(transport=LeanTransport()) as client:
        response = await client.get("https://api.example.com")
    assert_type(transport_for("https://api.example.com"), str)
    assert_type(failure_at("https://api.example.com", OSError()), NetworkError | None)
    return response.text


async def forget(auth: FederatedAuth) -> None:
    assert_type(await auth.forget_guest(), None)


def boto3_arguments(credentials: AWSCredentials) -> dict[str, str]:
    return {**{key: str(value) for key, value in credentials.boto3_arguments().items()}}


def without_an_event_loop(token: str) -> AWSCredentials:
    with BlockingAuth(lambda: FederatedAuth(POOL_ID)) as auth:
        assert_type(auth.federate_to_identity_pool(token, AuthProvider.GOOGLE), FederationResult)
        assert_type(auth.call(lambda auth: auth.get_current_user()), AuthUser)
        assert_type(auth.call(lambda auth: auth.pool), IdentityPool)
    with BlockingUsers(lambda: FederatedUsers(POOL_ID), backend="trio") as users:
        assert_type(users.call(lambda users: users.auth("alice")), FederatedAuth)
        session = users.session_for(token, [AuthProvider.GOOGLE])
        users.sign_out(token, AuthProvider.GOOGLE)
        return session.credentials
