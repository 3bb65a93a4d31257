"""The mistakes that people make: each error says what is wrong, and what to do about it.

A row is what was done, the error's class, words of what is wrong in its message, and words of what
to do in its message or its advice.
"""

import asyncio
import inspect
from base64 import b64encode

import httpx
import pytest

from amplify_federation import (
    AuthProvider,
    AuthSettings,
    ConfigurationError,
    EncryptedFileStore,
    EnvironmentKey,
    FederatedAuth,
    FederatedUsers,
    IdentityPool,
    InvalidAccountTypeError,
    InvalidStateError,
    KeyFile,
    KeyRing,
    MemoryStore,
    NetworkError,
    NotAuthorizedError,
    ResourceNotFoundError,
    SessionKeyError,
    UnsafePermissionsError,
    ValidationError,
)
from amplify_federation.testing import FakeCognito

POOL = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768"
GOOGLE, FACEBOOK = AuthProvider.GOOGLE, AuthProvider.FACEBOOK
ISSUER = AuthProvider.oidc("https://issuer.example.com")
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


def said_by(error):
    return error.message, f"{error.message} {error.recovery_suggestion}"


def expect(caught, wrong, remedy):
    message, all_that_is_said = said_by(caught.value)
    assert wrong.lower() in message.lower(), message
    assert remedy, "a row without a remedy says nothing"
    assert remedy.lower() in all_that_is_said.lower(), all_that_is_said


# What is found when an object is made.


async def a_token(_request):
    return JWT


def no_coroutine(_request):
    return JWT


ARGUMENTS = {
    "the pool's id without its region": (
        lambda: IdentityPool("b4cd4809-7ab1-42e1-b044-07dab9eaa768"),
        ConfigurationError, "not an identity pool id", "looks like 'us-west-2:",
    ),
    "a user pool's id": (
        lambda: IdentityPool("us-west-2_Ab1Cd2Ef3"),
        ConfigurationError, "is a user pool's id", "that of an identity pool looks like",
    ),
    "a region without its dash": (
        lambda: IdentityPool("us-west2:b4cd4809-7ab1-42e1-b044-07dab9eaa768"),
        ConfigurationError, "'us-west2' is the region of no AWS partition", "'us-west-2'",
    ),
    "a region that does not exist": (
        lambda: IdentityPool("mars-north-1:b4cd4809-7ab1-42e1-b044-07dab9eaa768"),
        ConfigurationError, "'mars-north-1' is the region of no", "pass `endpoint_url`",
    ),
    "a region that the id contradicts": (
        lambda: IdentityPool(POOL, region="eu-west-1"),
        ConfigurationError, "'eu-west-1' disagrees", "leave `region` out",
    ),
    "the pool as a dictionary": (
        lambda: FederatedAuth({"identity_pool_id": POOL}),
        ConfigurationError, "not dict", "an IdentityPool or its id",
    ),
    "a configuration without an identity pool": (
        lambda: IdentityPool.from_amplify_config({"version": "1", "auth": {"user_pool_id": "x"}}),
        InvalidAccountTypeError, "identity pool", "pass its id to `IdentityPool`",
    ),
    "an endpoint without a scheme": (
        lambda: IdentityPool(POOL, endpoint_url="localhost:8000"),
        ConfigurationError, "scheme http or https", "'http://127.0.0.1:4566'",
    ),
    "an issuer that is no URL": (
        lambda: AuthProvider.oidc("my company"),
        ValidationError, "not 'my company'", "'https://issuer.example.com'",
    ),
    "the URL of an issuer's configuration": (
        lambda: AuthProvider.oidc("https://a.example/.well-known/openid-configuration"),
        ValidationError, "where an issuer's configuration is found", "'https://a.example'",
    ),
    "a provider by its nickname": (
        lambda: AuthProvider("google"),
        ValidationError, "'google' is no login key", "use AuthProvider.GOOGLE",
    ),
    "a login key with a scheme": (
        lambda: AuthProvider.custom("https://a.example"),
        ValidationError, "no scheme", "use AuthProvider.oidc(",
    ),
    "a SAML provider's name in place of its ARN": (
        lambda: AuthProvider.saml("MyProvider"),
        ValidationError, "not 'MyProvider'", "saml-provider/Name'",
    ),
    "settings as a dictionary": (
        lambda: FederatedAuth(POOL, settings={"timeout": 3}),
        ValidationError, "not dict", "must be AuthSettings",
    ),
    "a timeout of nothing": (
        lambda: AuthSettings(timeout=0), ValidationError, "timeout", "seconds",
    ),
    "a client of another library": (
        lambda: FederatedAuth(POOL, http_client=object()),
        ConfigurationError, "not object", "must be an httpx.AsyncClient",
    ),
    "a folder in place of a store": (
        lambda: FederatedAuth(POOL, store="/var/lib/my-app"),
        ConfigurationError, "not str", "EncryptedFileStore(",
    ),
    "the class of a store in place of one": (
        lambda: FederatedUsers(POOL, store=MemoryStore),
        ConfigurationError, "the class MemoryStore", "MemoryStore()",
    ),
    "a token source that is not async": (
        lambda: FederatedAuth(POOL, token_source=no_coroutine),
        ValidationError, "`no_coroutine` is a plain function", "Write `async def`",
    ),
    "a token in place of a token source": (
        lambda: FederatedAuth(POOL, token_source="eyJ..."),  # no token
        ValidationError, "not str", "an async function that takes a TokenRequest",
    ),
    "a key of the wrong length": (
        lambda: EncryptedFileStore("/tmp/never", key=b"short"),
        ConfigurationError, "not 5", "must be 32 bytes",
    ),
    "a key as text": (
        lambda: EncryptedFileStore("/tmp/never", key=b64encode(bytes(32)).decode()),
        ConfigurationError, "not str", "A key is 32 bytes or one of KeyFile",
    ),
    "a ring without keys": (
        lambda: KeyRing([]), ConfigurationError, "KeyRing", "one key at least",
    ),
    "a session's name of nothing": (
        lambda: FederatedAuth(POOL, session_name=""),
        ValidationError, "session_name", "1 to 128 characters",
    ),
    "no users at all": (
        lambda: FederatedUsers(POOL, max_users=0), ValidationError, "max_users", "at least 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", ARGUMENTS)
def test_a_mistake_at_construction_is_told_with_what_to_do(mistake):
    make, kind, wrong, remedy = ARGUMENTS[mistake]
    with pytest.raises(kind) as caught:
        make()
    expect(caught, wrong, remedy)
    assert caught.value.message.endswith((".", ")")), caught.value.message


# What is found when a token is given, before anything is sent.

SENT_AS = {
    "no string": (None, GOOGLE, "must be a string", "must be a string"),
    "bytes": (JWT.encode(), GOOGLE, "not bytes", "must be a string"),
    "nothing": ("", GOOGLE, "is empty", "identity provider issued"),
    "in quotes": (f'"{JWT}"', GOOGLE, "quotation mark", "without quotes"),
    "a whole header": (f"Bearer {JWT}", GOOGLE, "begins with `Bearer `", "pass what follows"),
    "the provider's answer": (f'{{"id_token": "{JWT}"}}', GOOGLE, "is JSON", "`id_token` in it"),
    "with a line break": (f"{JWT}\n", GOOGLE, "line break", "copy it whole"),
    "too long": ("x" * 50_001, GOOGLE, "50001 characters", "at most 50000"),
    "a provider's name": (JWT, "google", "not str", "AuthProvider.GOOGLE"),
    "no provider": (JWT, None, "not NoneType", "AuthProvider.oidc("),
    "the class of providers": (JWT, AuthProvider, "not type", "AuthProvider.GOOGLE"),
    "a developer's token alone": (
        JWT, AuthProvider.DEVELOPER, "developer_provided_identity_id", "the identity id that",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", SENT_AS)
async def test_a_mistake_with_a_token_is_told_before_anything_is_sent(fake, client, mistake):
    token, provider, wrong, remedy = SENT_AS[mistake]
    pool = fake.create_identity_pool()
    async with FederatedAuth(pool, store=MemoryStore(), http_client=client) as auth:
        with pytest.raises(ValidationError) as caught:
            await auth.federate_to_identity_pool(token, provider)
        expect(caught, wrong, remedy)
        assert JWT not in str(caught.value)
        assert fake.calls == []
        # The same session, asked rightly, is the one that calls.
        await auth.federate_to_identity_pool(fake.issue_token(GOOGLE, "alice"), GOOGLE)
        assert fake.calls


# What Cognito refuses, whose message stands after the operation's name.

REFUSED = {
    "an audience that the pool lacks": (
        lambda fake: (fake.issue_token(GOOGLE, "alice", audience="this-app"), GOOGLE),
        NotAuthorizedError, "Incorrect token audience",
        "Add the token's audience, this-app, to the client ids",
    ),
    "an access token in place of the ID token": (
        lambda _fake: ("ya29.an-access-token", GOOGLE),
        NotAuthorizedError, "Not a valid OpenId Connect", "Pass the ID token",
    ),
    "Google's token under Facebook": (
        lambda fake: (fake.issue_token(GOOGLE, "alice", audience="web"), FACEBOOK),
        NotAuthorizedError, "Invalid login token", "pass AuthProvider.GOOGLE",
    ),
    "Google's token under another issuer": (
        lambda fake: (fake.issue_token(GOOGLE, "alice", audience="web"), ISSUER),
        NotAuthorizedError, "Issuer doesn't match", "pass AuthProvider.GOOGLE",
    ),
    "an issuer in other case": (
        lambda fake: (
            fake.issue_token(ISSUER, "alice", audience="web"),
            AuthProvider.oidc("https://Issuer.example.com"),
        ),
        NotAuthorizedError, "not from a supported provider",
        "pass AuthProvider.oidc('https://issuer.example.com')",
    ),
    "a provider that the pool lacks": (
        lambda fake: (
            fake.issue_token(AuthProvider.APPLE, "alice", audience="web"), AuthProvider.APPLE,
        ),
        NotAuthorizedError, "not from a supported provider", "Add this provider",
    ),
    "a token of yesterday": (
        lambda fake: (fake.issue_token(GOOGLE, "alice", audience="web", lifetime=-600.0), GOOGLE),
        NotAuthorizedError, "Token expired", "Get a new token",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", REFUSED)
async def test_a_mistake_that_cognito_refuses_is_told_with_what_to_do(fake, client, mistake):
    make, kind, wrong, remedy = REFUSED[mistake]
    pool = fake.create_identity_pool({each: ["web"] for each in (GOOGLE, FACEBOOK, ISSUER)})
    token, provider = make(fake)
    async with FederatedAuth(pool, store=MemoryStore(), http_client=client) as auth:
        with pytest.raises(kind) as caught:
            await auth.federate_to_identity_pool(token, provider)
    expect(caught, wrong, remedy)


async def test_an_identitys_id_in_place_of_the_pools_is_named(fake, client):
    token = fake.issue_token(GOOGLE, "alice")
    async with FederatedAuth(
        fake.create_identity_pool(), store=MemoryStore(), http_client=client
    ) as auth:
        identity_id = (await auth.federate_to_identity_pool(token, GOOGLE)).identity_id
    async with FederatedAuth(identity_id, store=MemoryStore(), http_client=client) as auth:
        with pytest.raises(ResourceNotFoundError) as caught:
            await auth.federate_to_identity_pool(token, GOOGLE)
    expect(caught, "not found", "An identity's id looks the same as a pool's")


async def test_a_saml_response_wrapped_at_76_columns_is_taken(fake, client):
    saml = AuthProvider.saml("arn:aws:iam::123456789012:saml-provider/Company")
    async with FederatedAuth(
        fake.create_identity_pool(), store=MemoryStore(), http_client=client
    ) as auth:
        with pytest.raises(NotAuthorizedError):  # the pool knows no such provider
            await auth.federate_to_identity_pool("PHNh\r\nbWw+\n", saml)
    assert fake.calls[0].input["Logins"] == {saml.login_key: "PHNhbWw+"}


# Keys, folders and endpoints.


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        (None, "Neither AMPLIFY_FEDERATION_KEY nor AMPLIFY_FEDERATION_KEY_FILE is set"),
        ("", "AMPLIFY_FEDERATION_KEY is set, but empty"),
        ("secret", "AMPLIFY_FEDERATION_KEY is set, but is not 32 bytes in base64"),
    ],
)
async def test_a_bad_key_in_the_environment_is_found_on_entering(
    fake, client, tmp_path, monkeypatch, value, wrong
):
    if value is not None:
        monkeypatch.setenv("AMPLIFY_FEDERATION_KEY", value)
    store = EncryptedFileStore(tmp_path / "sessions", key=EnvironmentKey())
    with pytest.raises(ConfigurationError) as caught:
        async with FederatedUsers(fake.create_identity_pool(), store=store, http_client=client):
            pass
    expect(caught, wrong, "openssl rand -base64 32")
    assert fake.calls == []


async def test_a_key_files_path_that_does_not_exist_is_named(tmp_path):
    store = EncryptedFileStore(tmp_path / "sessions", key=KeyFile("/nowhere/key"))
    with pytest.raises(SessionKeyError) as caught:
        async with FederatedAuth(POOL, store=store):
            pass
    expect(caught, "There is no key file /nowhere/key", "Give the key")


async def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "sessions").write_text("a file")
    with pytest.raises(UnsafePermissionsError) as caught:
        async with FederatedAuth(POOL, store=EncryptedFileStore(tmp_path / "sessions")):
            pass
    expect(caught, f"{tmp_path / 'sessions'}: it is not a folder", "To mend it, run: mv ")


async def test_an_endpoint_where_nobody_listens_is_told_with_its_variable(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://proxy.test:3128")  # not for this machine
    settings = AuthSettings(max_attempts=1)
    async with FederatedAuth(POOL, store=MemoryStore(), settings=settings) as auth:
        with pytest.raises(NetworkError) as caught:
            await auth.federate_to_identity_pool(JWT, GOOGLE)
    expect(caught, "127.0.0.1:9, which AWS_ENDPOINT_URL names", "correct or unset AWS_ENDPOINT_URL")
    assert "proxy" not in caught.value.message


# Event loops, and the ends of objects.


@pytest.mark.parametrize(
    ("kind", "call"),
    [
        (FederatedAuth, lambda auth: auth.fetch_auth_session()),
        (FederatedUsers, lambda users: users.auth("alice").fetch_auth_session()),
    ],
)
def test_a_second_loop_is_told_with_the_class_that_was_used(kind, call):
    made = kind(POOL, store=MemoryStore())
    asyncio.run(call(made))
    with pytest.raises(InvalidStateError) as caught:
        asyncio.run(call(made))
    expect(caught, f"`{kind.__name__}` is used from a second event loop", "each event loop")
    expect(caught, "second", "`amplify_federation.integrations.blocking`")
    with pytest.raises(InvalidStateError) as caught:
        asyncio.run(made.aclose())
    expect(caught, f"`{kind.__name__}` is closed from a second", "in the event loop that used it")
    # The advice, followed.
    asyncio.run(call(kind(POOL, store=MemoryStore())))


async def test_a_session_used_after_its_end_says_what_to_make():
    auth = FederatedAuth(POOL, store=MemoryStore())
    await auth.aclose()
    with pytest.raises(InvalidStateError) as caught:
        await auth.fetch_auth_session()
    expect(caught, "closed", "Make a new `FederatedAuth`")
    users = FederatedUsers(POOL, store=MemoryStore())
    await users.aclose()
    with pytest.raises(InvalidStateError) as caught:
        users.auth("alice")
    expect(caught, "closed", "Make a new `FederatedUsers`")


def test_a_missing_await_is_told_by_python():
    forgotten = FederatedAuth(POOL, store=MemoryStore()).fetch_auth_session()
    assert inspect.iscoroutine(forgotten)  # Python warns: "was never awaited"
    forgotten.close()


@pytest.fixture
def fake():
    return FakeCognito()


@pytest.fixture
async def client(fake):
    async with httpx.AsyncClient(transport=fake.transport) as client:
        yield client
