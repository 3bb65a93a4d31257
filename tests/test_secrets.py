"""The canary: secrets go in everywhere, everything is rendered in every way, nobody sings."""

import asyncio
import base64
import copy
import json
import logging
import pickle
import pprint
import traceback
from contextlib import suppress
from datetime import UTC, datetime

import anyio
import attrs
import httpx
import pytest

import amplify_federation
from amplify_federation import (
    AuthError,
    AuthEvent,
    AuthEventKind,
    AuthProvider,
    AuthResult,
    AuthSettings,
    AuthUser,
    AWSCredentials,
    ClassicFlow,
    EncryptedFileStore,
    EnvironmentKey,
    Expired,
    Federated,
    FederatedAuth,
    FederatedUsers,
    FederationResult,
    IdentityPool,
    KeyFile,
    KeyRing,
    KeyringKey,
    MemoryStore,
    OidcTokenSource,
    PassphraseKey,
    Record,
    RefreshGrant,
    Revocation,
    Sealed,
    SessionFormatTooNewError,
    SignedOut,
    SignIn,
    SignInPrompt,
    SignOutResult,
    StoreUnavailableError,
    TokenRequest,
    UserPoolTokens,
    ValidationError,
    errors,
)
from amplify_federation._cognito.decoding import Answer, Reply
from amplify_federation._cognito.requests import get_id
from amplify_federation._model.claims import peek
from amplify_federation._model.state import Grant, Login
from amplify_federation._model.values import Secret
from amplify_federation._session.record import SessionRecord
from amplify_federation.cli.options import Target
from amplify_federation.stores.redis import RedisStore
from amplify_federation.testing import ControlAccess, FakeCognito, ManualClock
from amplify_federation.transport import LeanTransport, failure_at
from tests.concurrency import Gate, pending
from tests.virtual_time import virtual_time

CANARY = "canary-0123456789-abcdef"
POOL = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768"
IDENTITY = "us-west-2:11111111-2222-3333-4444-555555555555"
GOOGLE = AuthProvider.GOOGLE
LATER = datetime(2030, 1, 1, tzinfo=UTC)
JWT = ".".join(
    base64.urlsafe_b64encode(part.encode()).decode().rstrip("=")
    for part in (json.dumps({"alg": "none"}), json.dumps({"iss": CANARY, "sub": CANARY}), CANARY)
)


def pieces(secret):
    """Return what must not be seen of a secret: all of it, its parts, and how bytes show it."""
    parts = [secret, *(part for part in secret.split(".") if len(part) > 12)]
    return [*parts, *(base64.b64encode(part.encode()).decode() for part in parts)]


def assert_silent(text, *secrets):
    for secret in secrets or (CANARY,):
        for piece in pieces(secret):
            assert piece not in text, f"{piece[:6]}... shows in {text[:300]}"


def renderings(value):
    """Yield the value in every way in which one is shown by accident."""
    yield repr(value)
    yield str(value)
    yield f"{value}"
    yield format(value)
    yield pprint.pformat(value)
    yield json.dumps(value, default=repr)
    yield repr([value])
    yield repr(copy.copy(value))
    if attrs.has(type(value)):
        yield repr(attrs.asdict(value))
        yield repr(attrs.astuple(value))
        yield json.dumps(attrs.asdict(value), default=str)
    record = logging.LogRecord("x", logging.INFO, "x", 1, "%s %r", (value, value), None)
    yield logging.Formatter().format(record)
    for protocol in (0, pickle.HIGHEST_PROTOCOL):
        try:
            pickled = pickle.dumps(value, protocol)
        except (TypeError, pickle.PicklingError, AttributeError):
            continue
        yield pickled.decode("latin-1")


CREDENTIALS = AWSCredentials("ASIAEXAMPLE", CANARY, CANARY, LATER)
REFRESH_GRANT = RefreshGrant(
    issuer="https://accounts.google.com", client_id="c", client_secret=CANARY, refresh_token=CANARY
)
LOGIN = Login(GOOGLE, Secret(CANARY), refresh_grant=REFRESH_GRANT)
GRANT = Grant(IDENTITY, CREDENTIALS, 0.0)
HELD = {
    "secret": Secret(CANARY),
    "credentials": CREDENTIALS,
    "user-pool tokens": UserPoolTokens(CANARY, CANARY),
    "refresh grant": REFRESH_GRANT,
    "sign-in": SignIn(CANARY, GOOGLE, REFRESH_GRANT),
    "federation result": FederationResult(IDENTITY, CREDENTIALS),
    "result": AuthResult(CREDENTIALS),
    "session": amplify_federation.AuthSession(
        is_signed_in=True,
        identity_id_result=AuthResult(IDENTITY),
        credentials_result=AuthResult(CREDENTIALS),
        user_pool_tokens_result=AuthResult(UserPoolTokens(CANARY, CANARY)),
        user_sub_result=AuthResult(error=errors.SignedOutError("nobody")),
    ),
    "signed out with a guest": SignedOut(GRANT),
    "federated": Federated(GRANT, (LOGIN,)),
    "expired": Expired(IDENTITY, (LOGIN,)),
    "session record": SessionRecord(Federated(GRANT, (LOGIN,)), 1, "federation_id"),
    "answer": Answer(IDENTITY, CREDENTIALS, Secret(CANARY)),
}
# These hold secrets as bytes, on purpose; what shows them by accident must not.
SHOWN_ONLY = {
    "call": get_id(POOL, {GOOGLE: Secret(CANARY)}),
    "claims": peek(Secret(JWT)),
    "HTTP answer": Reply(200, {}, CANARY.encode()),
    "record": Record("1", CANARY.encode()),
    "sealed store": Sealed(MemoryStore(), key=CANARY.ljust(32).encode()),
    "file store": EncryptedFileStore("folder", key=CANARY.ljust(32).encode()),
    "key ring": KeyRing([CANARY.ljust(32).encode(), PassphraseKey(CANARY)]),
    "bearer": FederatedUsers(POOL, store=MemoryStore()).bearer(CANARY, GOOGLE),
    "passphrase": PassphraseKey(CANARY),
    "token source": OidcTokenSource(
        issuer="https://accounts.google.com", client_id="c", refresh_token=CANARY
    ),
    "control access": ControlAccess("http://127.0.0.1:1", CANARY),
}
HARMLESS = {
    "settings": AuthSettings(),
    "transport": LeanTransport(),
    "pool": IdentityPool(POOL),
    "classic flow": ClassicFlow("arn:aws:iam::123456789012:role/player"),
    "provider": GOOGLE,
    "event": AuthEvent(AuthEventKind.FEDERATED, "federated"),
    "user": AuthUser("sub", "alice"),
    "token request": TokenRequest(GOOGLE, IDENTITY, "token_expired"),
    "sign-in prompt": SignInPrompt("https://accounts.google.com", 300.0),
    "sign-out result": SignOutResult(Revocation.REVOKED, "revoked"),
    "key file": KeyFile("key"),
    "environment key": EnvironmentKey(),
    "keyring key": KeyringKey(),
    "memory store": MemoryStore(),
}
ERRORS = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, AuthError)
]


@pytest.mark.parametrize("value", HELD.values(), ids=HELD)
def test_a_value_that_holds_secrets_is_silent_in_every_way(value):
    for shown in renderings(value):
        assert_silent(shown)


@pytest.mark.parametrize("value", SHOWN_ONLY.values(), ids=SHOWN_ONLY)
def test_what_holds_bytes_or_keys_is_silent_where_it_is_shown(value):
    record = logging.LogRecord("x", logging.INFO, "x", 1, "%s %r", (value, value), None)
    for shown in (repr(value), str(value), f"{value}", pprint.pformat([value])):
        assert_silent(shown)
    assert_silent(logging.Formatter().format(record))


def test_every_public_value_and_store_is_among_the_rendered():
    rendered = {type(value) for group in (HELD, SHOWN_ONLY, HARMLESS) for value in group.values()}
    elsewhere = {"FederatedAuth", "FederatedUsers", "EventStream"}  # below
    for name in amplify_federation.__all__:
        kind = getattr(amplify_federation, name)
        if not isinstance(kind, type) or issubclass(kind, Exception | str):
            continue
        if getattr(kind, "_is_protocol", False) or name in elsewhere:
            continue
        assert kind in rendered, f"{name} is not rendered"


@pytest.mark.parametrize("value", HARMLESS.values(), ids=HARMLESS)
def test_what_holds_no_secret_can_be_shown_in_every_way(value):
    for shown in renderings(value):
        assert_silent(shown)


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_shows_what_it_was_told_and_no_more(kind):
    error = kind("what happened")
    for shown in renderings(error):
        assert_silent(shown)
    assert set(vars(error)) <= {
        "message", "recovery_suggestion", "__notes__", "operation", "code", "status", "request_id",
        "retryable",
    }  # fmt: skip


def our_locals(error):
    """Yield the locals of our frames in an error's traceback, and in those it drags along."""
    seen, left = set(), [error]
    while left:
        error = left.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        left += [error.__cause__, error.__context__, *getattr(error, "exceptions", ())]
        for frame, _ in traceback.walk_tb(error.__traceback__):
            module = frame.f_globals.get("__name__") or ""
            if not module.startswith("amplify_federation") or ".testing" in module:
                continue
            for local, value in frame.f_locals.items():
                with suppress(AttributeError):  # an object that was refused is half made
                    yield f"{frame.f_code.co_name}.{local} = {value!r}"


def everything_of(error):
    yield from our_locals(error)
    yield from renderings(error)
    yield from traceback.format_exception(error)
    yield repr(error.__cause__)
    yield repr(error.__context__)


class World:
    """A fake service, a user's token, and all that must not be seen."""

    def __init__(self):
        self.clock = ManualClock()
        self.fake = FakeCognito(clock=self.clock)
        self.pool = self.fake.create_identity_pool()
        self.token = self.fake.issue_token(GOOGLE, "alice")
        self.settings = AuthSettings(clock=self.clock, max_attempts=1)

    def auth(self, client, **more):
        arguments = {"store": MemoryStore(), "settings": self.settings, **more}
        return FederatedAuth(self.pool, http_client=client, **arguments)

    def users(self, client):
        return FederatedUsers(
            self.pool, store=MemoryStore(), http_client=client, settings=self.settings
        )

    def client(self, respond=None):
        transport = self.fake.transport if respond is None else httpx.MockTransport(respond)
        return httpx.AsyncClient(transport=transport)


@pytest.fixture
def world():
    return World()


async def failed(world, awaitable, kind=AuthError, *more):
    """Await what must fail, and look through everything of the failure."""
    with pytest.raises(kind) as caught:
        await awaitable
    for shown in everything_of(caught.value):
        assert_silent(shown, world.token, *more)
    return caught.value


@pytest.mark.parametrize("lifetime", [-1000.0, 3600.0])
@pytest.mark.parametrize("forged", [False, True])
async def test_a_refused_token_is_not_in_the_refusal(world, lifetime, forged):
    world.token = world.fake.issue_token(GOOGLE, "alice", lifetime=lifetime, forged=forged)
    provider = AuthProvider.APPLE if (lifetime > 0 and not forged) else GOOGLE
    async with world.client() as client, world.auth(client) as auth:
        await failed(world, auth.federate_to_identity_pool(world.token, provider))


@pytest.mark.parametrize("cut", [0, 1, 40])
@pytest.mark.parametrize("where", ["message", "__type", "x-amzn-requestid", "x-amzn-errortype"])
async def test_a_token_that_comes_back_is_blotted_out(world, where, cut):
    echo = world.token[: len(world.token) - cut]

    def respond(_request):
        body = {"__type": "NotAuthorizedException", "message": "said"}
        if where in body:
            return httpx.Response(400, json={**body, where: f"x {echo}..."})
        return httpx.Response(400, json={}, headers={where: echo})

    async with world.client(respond) as client, world.auth(client) as auth:
        await failed(world, auth.federate_to_identity_pool(world.token, GOOGLE))


ANSWERS = {
    "a page": httpx.Response(200, html="<html>"),
    "an empty object": httpx.Response(200, json={}),
    "a secret in the wrong place": httpx.Response(200, json={"IdentityId": CANARY}),
    "credentials without an end": httpx.Response(
        200,
        json={
            "IdentityId": "us-west-2:0",
            "Credentials": {"AccessKeyId": "A", "SecretKey": CANARY, "SessionToken": CANARY},
        },
    ),
    "credentials without a key": httpx.Response(
        200,
        json={
            "IdentityId": "us-west-2:0",
            "Credentials": {"SecretKey": CANARY, "SessionToken": CANARY, "Expiration": 1.8e9},
        },
    ),
    "half an object": httpx.Response(200, content=b'{"IdentityId": "' + CANARY.encode()),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_a_malformed_answer_is_not_shown(world, answer):
    def respond(_request):
        return httpx.Response(answer.status_code, content=answer.content)

    async with world.client(respond) as client, world.auth(client) as auth:
        call = auth.federate_to_identity_pool(world.token, GOOGLE)
        await failed(world, call, errors.MalformedResponseError, CANARY)


@pytest.mark.parametrize("kind", [httpx.ConnectError, httpx.ReadTimeout, ConnectionResetError])
async def test_trouble_with_the_network_does_not_show_what_was_sent(world, kind):
    def respond(request):
        message = f"while sending {request.content!r}"
        raise kind(message)

    async with world.client(respond) as client, world.auth(client) as auth:
        call = auth.federate_to_identity_pool(world.token, GOOGLE)
        await failed(world, call, errors.NetworkError)


async def test_the_lean_way_does_not_show_what_was_sent(world):
    pool = IdentityPool(world.pool, endpoint_url="http://127.0.0.1:9")
    async with FederatedAuth(pool, store=MemoryStore(), settings=world.settings) as auth:
        call = auth.federate_to_identity_pool(world.token, GOOGLE)
        await failed(world, call, errors.NetworkError)


@virtual_time
async def test_a_deadline_does_not_show_what_was_sent(world):
    async def respond(_request):
        await anyio.sleep_forever()

    async with world.client(respond) as client, world.auth(client) as auth:
        call = auth.federate_to_identity_pool(world.token, GOOGLE)
        await failed(world, call, errors.CallTimeoutError)


async def test_a_clear_in_between_does_not_show_the_token(world):
    gate = Gate()
    async with world.client(lambda _request: gate.wait()) as client, world.auth(client) as auth:
        call = failed(
            world, auth.federate_to_identity_pool(world.token, GOOGLE), errors.InvalidStateError
        )
        async with pending(call, at=gate) as overtaken:
            await auth.clear_federation_to_identity_pool()
            await overtaken.wait()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token + "\n",
        lambda token: token * 100,
        lambda token: token + "\u00e9",
        lambda token: token.encode(),
        lambda token: [token],
    ],
    ids=["line break", "too long", "not ASCII", "bytes", "list"],
)
@pytest.mark.parametrize(
    "call", ["federate_to_identity_pool", "link_login", "session_for", "sign_out", "bearer"]
)
async def test_a_token_that_is_refused_unsent_is_not_shown(world, spoil, call):
    async with (
        world.client() as client,
        world.auth(client) as auth,
        FederatedUsers(world.pool, store=MemoryStore(), http_client=client) as users,
    ):
        method = getattr(users if hasattr(users, call) else auth, call)

        async def ask():
            await method(spoil(world.token), GOOGLE)

        await failed(world, ask(), ValidationError)
    assert world.fake.calls == []


async def test_a_wrong_argument_beside_the_token_does_not_show_it(world):
    async with world.client() as client, world.auth(client) as auth:
        federate = auth.federate_to_identity_pool
        await failed(world, federate(world.token, "google"), ValidationError)
        await failed(world, federate(world.token, AuthProvider.DEVELOPER), ValidationError)
        wrong = federate(world.token, GOOGLE, developer_provided_identity_id="x")
        await failed(world, wrong, ValidationError)
        await failed(world, auth.link_login(world.token, "google"), ValidationError)
        await failed(world, auth.link_login(world.token, GOOGLE), errors.InvalidStateError)


async def test_a_call_at_the_wrong_time_does_not_show_the_token(world):
    async with world.client() as client:
        auth = world.auth(client)
        await auth.aclose()
        call = auth.federate_to_identity_pool(world.token, GOOGLE)
        await failed(world, call, errors.InvalidStateError)


def test_a_second_loop_does_not_show_the_token(world):
    auth = world.auth(httpx.AsyncClient(transport=world.fake.transport))

    async def first():
        await auth.fetch_auth_session()

    async def second():
        call = auth.federate_to_identity_pool(world.token, GOOGLE)
        await failed(world, call, errors.InvalidStateError)

    asyncio.run(first())
    asyncio.run(second())


class FullStore(MemoryStore):
    """A store without room."""

    async def compare_and_set(self, name, data, *, expected):
        del data
        raise StoreUnavailableError("no room")


async def test_a_store_that_fails_shows_neither_token_nor_credentials(world, tmp_path):
    (tmp_path / "file").touch()
    stores = [FullStore(), EncryptedFileStore(tmp_path / "file" / "folder", key=bytes(32))]
    for store in stores:
        async with world.client() as client:
            auth = world.auth(client, store=store)
            call = auth.federate_to_identity_pool(world.token, GOOGLE)
            await failed(world, call, errors.StoreError)
            await auth.aclose()


async def test_the_names_of_sessions_are_told_without_key_or_content(tmp_path, caplog):
    caplog.set_level(0)
    key = CANARY.ljust(32).encode()
    store = EncryptedFileStore(tmp_path, key=key)
    await store.compare_and_set("pool/alice", CANARY.encode(), expected=None)
    for each in (store, EncryptedFileStore(tmp_path, key=bytes(32))):
        assert_silent(repr(await each.names()))
    [record] = tmp_path.glob("*.session")
    assert_silent(repr(await store.label_of(record.read_bytes())))
    record.chmod(0o644)
    with pytest.raises(errors.UnsafePermissionsError) as caught:
        await store.names()
    for shown in (*everything_of(caught.value), caplog.text):
        assert_silent(shown)


def test_a_failure_of_the_network_shows_neither_request_nor_proxys_password(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{CANARY}@proxy.example:3128")
    error = failure_at("https://api.example.com", httpx.ConnectError(f"while sending {CANARY}"))
    for shown in everything_of(error):
        assert_silent(shown)
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{CANARY}@proxy.example:port")
    with pytest.raises(errors.ConfigurationError) as caught:
        failure_at("https://api.example.com", httpx.ConnectError("no"))
    for shown in everything_of(caught.value):
        assert_silent(shown)


def test_the_password_of_a_redis_is_not_shown():
    url = f"redis://user:{CANARY}@redis.example"
    store = RedisStore(url, key=bytes(32))
    for shown in (repr(store), repr(vars(store._client)), repr(Target(store_url=url))):
        assert_silent(shown)
    sentinels = f"redis+sentinel://redis.example/game?sentinel_password={CANARY}"
    assert_silent(repr(vars(RedisStore(sentinels, key=bytes(32))._client)))
    for wrong in (
        f"{url}:port", f"{url}/zero", f"{url}?socket_timeout=x", f"x{url}",
        f"{sentinels}&x=1", f"{sentinels}&db=x", sentinels.replace("+sentinel", ""),
    ):  # fmt: skip
        with pytest.raises(errors.ConfigurationError) as caught:
            RedisStore(wrong, key=bytes(32))
        for shown in everything_of(caught.value):
            assert_silent(shown)


async def test_a_record_of_the_future_is_not_shown(world):
    store = MemoryStore()
    async with world.client() as client, world.auth(client, store=store) as auth:
        result = await auth.federate_to_identity_pool(world.token, GOOGLE)
        [name] = store._records
        record = await store.read(name)
        members = {**json.loads(record.data), "v": 2}
        await store.compare_and_set(name, json.dumps(members).encode(), expected=record.version)
        del members, record
        secret = result.credentials.secret_access_key
        call = world.auth(client, store=store).fetch_auth_session()
        await failed(world, call, SessionFormatTooNewError, secret)


async def test_the_errors_in_the_fields_show_nothing(world):
    async with world.client() as client, world.auth(client) as auth:
        result = await auth.federate_to_identity_pool(world.token, GOOGLE)
        secrets = (result.credentials.secret_access_key, result.credentials.session_token)
        world.fake.advance(4000)
        session = await auth.fetch_auth_session()
        for field in ("identity_id", "credentials", "user_pool_tokens", "user_sub"):
            with pytest.raises(AuthError) as caught:
                getattr(session, field)
            for shown in everything_of(caught.value):
                assert_silent(shown, world.token, *secrets)


async def test_a_bearer_token_that_is_refused_is_not_shown(world):
    world.token = world.fake.issue_token(GOOGLE, "alice", forged=True)
    async with (
        world.client() as client,
        world.users(client) as users,
    ):
        for _ in range(2):  # asked, then remembered
            call = users.session_for(world.token, GOOGLE)
            await failed(world, call, errors.NotAuthorizedError)


async def test_a_bearer_token_that_was_signed_out_is_not_shown(world):
    async with (
        world.client() as client,
        world.users(client) as users,
    ):
        await users.sign_out(world.token, GOOGLE)
        await failed(world, users.session_for(world.token, GOOGLE), errors.SignedOutError)


async def test_a_token_source_that_gives_nonsense_is_not_quoted(world):
    given = world.fake.issue_token(GOOGLE, "alice") + "\n"

    async def source(_request):
        return given

    world.settings = attrs.evolve(world.settings, remember_token=False)
    async with world.client() as client, world.auth(client, token_source=source) as auth:
        await auth.federate_to_identity_pool(world.token, GOOGLE)
        world.fake.advance(4000)
        session = await auth.fetch_auth_session()
        error = session.credentials_result.error
        assert isinstance(error, errors.SessionExpiredError)
        for shown in everything_of(error):
            assert_silent(shown, world.token, given.strip())


async def test_a_session_at_work_shows_nothing_and_logs_nothing(world, caplog):
    store = MemoryStore()
    with caplog.at_level(logging.DEBUG):
        async with (
            world.client() as client,
            world.auth(client, store=store) as auth,
            auth.events() as stream,
        ):
            world.fake.fail_next("TooManyRequestsException")
            with pytest.raises(errors.TooManyRequestsError):
                await auth.federate_to_identity_pool(world.token, GOOGLE)
            result = await auth.federate_to_identity_pool(world.token, GOOGLE)
            session = await auth.fetch_auth_session()
            shown = [*renderings(result), *renderings(session), *renderings(auth.state)]
            shown += [repr(auth), str(auth), repr(stream), repr(store)]
            shown += renderings(await anext(stream))
            await auth.clear_federation_to_identity_pool()
    secrets = (result.credentials.secret_access_key, result.credentials.session_token)
    for text in (*shown, caplog.text, *(repr(vars(record)) for record in caplog.records)):
        assert_silent(text, world.token, *secrets)


async def test_users_and_their_handles_show_no_secret(world):
    async with (
        world.client() as client,
        world.users(client) as users,
    ):
        session = await users.session_for(world.token, GOOGLE)
        handle = users.auth("alice")
        for text in (repr(users), str(users), repr(handle), *renderings(session)):
            assert_silent(text, world.token, session.credentials.secret_access_key)


def test_credentials_made_by_hand_do_not_show_their_secrets_when_refused():
    refused = [
        ("A", CANARY, CANARY, datetime(2030, 1, 1)),  # noqa: DTZ001  # naive is the point
        ("A", CANARY.encode(), CANARY, LATER),
        ("A", CANARY, CANARY.encode(), LATER),
        ("A", CANARY, "", LATER),
    ]
    for arguments in refused:
        with pytest.raises(ValidationError) as caught:
            AWSCredentials(*arguments)
        for shown in everything_of(caught.value):
            assert_silent(shown)


def test_tokens_made_by_hand_do_not_show_when_refused():
    for arguments in [(CANARY.encode(),), (CANARY, CANARY.encode()), (CANARY, "")]:
        with pytest.raises(ValidationError) as caught:
            UserPoolTokens(*arguments)
        for shown in everything_of(caught.value):
            assert_silent(shown)


@pytest.mark.parametrize(
    "make",
    [
        lambda key: Sealed(MemoryStore(), key=key),
        lambda key: KeyRing([key]),
        lambda key: EncryptedFileStore("x", key=key),
    ],
)
@pytest.mark.parametrize("key", [CANARY.encode(), bytearray(CANARY.encode()), CANARY])
def test_a_malformed_key_is_not_shown(make, key):
    with pytest.raises(errors.ConfigurationError) as caught:
        make(key)
    for shown in everything_of(caught.value):
        assert_silent(shown)


def test_the_canary_would_be_found():
    ours = {"__name__": "amplify_federation.some.room"}
    exec("def sing(secret):\n    raise ValueError", ours)  # noqa: S102  # a frame of our own
    with pytest.raises(ValueError) as caught:
        ours["sing"](CANARY)
    assert [shown for shown in our_locals(caught.value) if CANARY in shown]
    wrapped = AuthError("x")
    wrapped.__cause__ = caught.value
    assert [shown for shown in everything_of(wrapped) if CANARY in shown]
    with pytest.raises(AssertionError):
        assert_silent(base64.b64encode(CANARY.encode()).decode())
