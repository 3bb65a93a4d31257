"""FederatedAuth as an application holds it: arguments, its life, and the whole way over HTTP."""

import gc
import pickle
import socket
import subprocess
import sys
import warnings

import anyio
import httpx
import pytest

from amplify_federation import (
    AuthProvider,
    AuthSettings,
    ConfigurationError,
    EncryptedFileStore,
    Expired,
    Federated,
    FederatedAuth,
    FederatedUsers,
    IdentityPool,
    InvalidStateError,
    MemoryStore,
    NetworkError,
    NotAuthorizedError,
    SessionExpiredError,
    SignedOut,
    StoreError,
    ValidationError,
)

POOL_ID = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768"
GOOGLE = AuthProvider.GOOGLE


def test_constructing_does_nothing_that_is_seen(tmp_path):
    auth = FederatedAuth(POOL_ID, store=EncryptedFileStore(tmp_path / "s"))
    assert isinstance(auth.state, SignedOut)
    assert not (tmp_path / "s").exists()
    assert POOL_ID in repr(auth)
    assert "SignedOut" in repr(auth)


async def test_bad_input_sends_and_writes_nothing(fake, tmp_path):
    folder = tmp_path / "s"
    client = httpx.AsyncClient(transport=fake.transport)
    auth = FederatedAuth(
        fake.create_identity_pool(), store=EncryptedFileStore(folder), http_client=client
    )
    for token, provider in (("", GOOGLE), ("x" * 50_001, GOOGLE), ("t", "google")):
        with pytest.raises(ValidationError) as raised:
            await auth.federate_to_identity_pool(token, provider)
        assert raised.value.recovery_suggestion
    await auth.aclose()
    assert fake.calls == []
    assert not folder.exists()


# Life


async def test_a_client_of_the_callers_is_never_closed(fake):
    async with httpx.AsyncClient(transport=fake.transport) as client:
        async with FederatedAuth(
            fake.create_identity_pool(), store=MemoryStore(), http_client=client
        ) as auth:
            await auth.federate_to_identity_pool(fake.issue_token(GOOGLE, "alice"), GOOGLE)
        assert not client.is_closed


async def test_it_works_without_async_with(fake):
    client = httpx.AsyncClient(transport=fake.transport)
    auth = FederatedAuth(fake.create_identity_pool(), store=MemoryStore(), http_client=client)
    await auth.federate_to_identity_pool(fake.issue_token(GOOGLE, "alice"), GOOGLE)
    assert (await auth.fetch_auth_session()).is_signed_in
    await auth.aclose()
    await auth.aclose()


async def test_leaving_under_cancellation_closes_what_was_opened(fake):
    fake_pool = fake.create_identity_pool()
    async with fake.serve() as url:
        with anyio.CancelScope() as scope:
            async with FederatedAuth(
                IdentityPool(fake_pool, endpoint_url=url), store=MemoryStore()
            ) as auth:
                await auth.federate_to_identity_pool(fake.issue_token(GOOGLE, "a"), GOOGLE)
                scope.cancel()
                await anyio.lowlevel.checkpoint()
        with pytest.raises(InvalidStateError):
            await auth.fetch_auth_session()
        with warnings.catch_warnings():
            warnings.simplefilter("error", ResourceWarning)
            del auth
            gc.collect()


def test_a_handle_outside_an_event_loop_says_so():
    auth = FederatedAuth(POOL_ID, store=MemoryStore())
    coroutine = auth.fetch_auth_session()
    with pytest.raises(InvalidStateError, match="event loop"):
        coroutine.send(None)


# The whole way over HTTP


async def test_the_main_job_over_loopback_http(fake, clock, tmp_path):
    pool_id = fake.create_identity_pool()
    token = fake.issue_token(GOOGLE, "alice")
    store, settings = EncryptedFileStore(tmp_path / "s"), AuthSettings(clock=clock)

    def operations():
        return [call.operation for call in fake.calls]

    async with fake.serve() as url:
        pool = IdentityPool(pool_id, endpoint_url=url)
        async with FederatedAuth(pool, store=store, settings=settings) as auth:
            result = await auth.federate_to_identity_pool(token, GOOGLE)
            assert operations() == ["GetId", "GetCredentialsForIdentity"]
            assert all("authorization" not in call.headers for call in fake.calls)
            session = await auth.fetch_auth_session()
            assert session.credentials == result.credentials
            fake.advance(3595)
            renewed = await auth.fetch_auth_session()
            assert renewed.identity_id == result.identity_id
            assert renewed.credentials != result.credentials
            assert operations()[2:] == ["GetCredentialsForIdentity"]
            fake.advance(3700)
            over = await auth.fetch_auth_session()
            assert not over.is_signed_in
            assert isinstance(over.credentials_result.error, SessionExpiredError)
            assert isinstance(auth.state, Expired)
        async with FederatedAuth(pool, store=store, settings=settings) as again:
            assert isinstance(again.state, Expired)
            new = fake.issue_token(GOOGLE, "alice")
            assert (
                await again.federate_to_identity_pool(new, GOOGLE)
            ).identity_id == result.identity_id
            assert isinstance(again.state, Federated)
            await again.clear_federation_to_identity_pool()
            assert isinstance(again.state, SignedOut)


async def test_a_refused_token_over_http_is_not_authorized(fake):
    pool_id = fake.create_identity_pool()
    async with fake.serve() as url:
        pool = IdentityPool(pool_id, endpoint_url=url)
        async with FederatedAuth(pool, store=MemoryStore()) as auth:
            with pytest.raises(NotAuthorizedError) as raised:
                await auth.federate_to_identity_pool(
                    fake.issue_token(GOOGLE, "alice", forged=True), GOOGLE
                )
            error = raised.value
            assert (error.operation, error.code) == ("GetId", "NotAuthorizedException")
            assert error.request_id
            assert str(error.reason) == "token_signature"
            assert not error.retryable
            assert pickle.loads(pickle.dumps(error)).message == error.message  # noqa: S301  # ours


def test_a_session_that_is_pickled_says_what_to_do():
    auth = FederatedAuth(IdentityPool(POOL_ID), store=MemoryStore())
    for session in (auth, FederatedUsers(IdentityPool(POOL_ID), store=MemoryStore())):
        with pytest.raises(TypeError, match="over the same store"):
            pickle.dumps(session)


async def test_a_server_that_is_gone_is_a_network_error(fake, unused_tcp_port_url):
    pool = IdentityPool(POOL_ID, endpoint_url=unused_tcp_port_url)
    settings = AuthSettings(max_attempts=1)
    async with FederatedAuth(pool, store=MemoryStore(), settings=settings) as auth:
        with pytest.raises(NetworkError, match=r"127\.0\.0\.1"):
            await auth.federate_to_identity_pool("a-token", GOOGLE)


@pytest.fixture
def unused_tcp_port_url():
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    return f"http://127.0.0.1:{port}"


# Against something not written here


@pytest.fixture(scope="module")
def moto_url():
    pytest.importorskip("moto.server", reason="moto[server] is not installed")
    program = (
        "import logging, sys; from moto.server import ThreadedMotoServer; "
        "logging.disable(); server = ThreadedMotoServer('127.0.0.1', port=0, verbose=False); "
        "server.start(); print(server.get_host_and_port()[1], flush=True); sys.stdin.read(); "
        "server.stop()"
    )
    # In a process of its own: moto patches boto3, and its import takes seconds.
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.stdin.close()
        process.wait(timeout=60)


def create_pool_at(moto_url):
    body = {"IdentityPoolName": "p", "AllowUnauthenticatedIdentities": False}
    target = "AWSCognitoIdentityService.CreateIdentityPool"
    # Signed for us-east-1, where moto makes its identities; it does not look at the signature.
    signature = (
        "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/cognito-identity/aws4_request, "
        "SignedHeaders=host, Signature=0"
    )
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": target,
        "Authorization": signature,
    }
    answer = httpx.post(f"{moto_url}/", json=body, headers=headers, timeout=60)
    return answer.json()["IdentityPoolId"]


async def test_motos_server_answers_the_two_calls(tmp_path, moto_url):
    pool_id = await anyio.to_thread.run_sync(create_pool_at, moto_url)
    pool = IdentityPool(pool_id, endpoint_url=moto_url)
    async with FederatedAuth(pool, store=EncryptedFileStore(tmp_path / "s")) as auth:
        result = await auth.federate_to_identity_pool("any-token", GOOGLE)
        assert result.identity_id.startswith("us-east-1:")
        assert result.credentials.access_key_id
        session = await auth.fetch_auth_session()
        assert session.credentials == result.credentials
        renewed = await auth.fetch_auth_session(force_refresh=True)
        assert renewed.identity_id == result.identity_id
        assert renewed.is_signed_in
        assert renewed.renewal_error is None


@pytest.mark.parametrize("kind", [FederatedAuth, FederatedUsers])
@pytest.mark.parametrize("trouble", ["key", "folder"])
async def test_a_key_or_folder_that_does_not_serve_is_found_on_entering(
    tmp_path, monkeypatch, kind, trouble
):
    folder = tmp_path / "sessions"
    if trouble == "key":
        monkeypatch.setenv("AMPLIFY_FEDERATION_KEY", "")
    else:
        (tmp_path / "sessions").write_text("a file in the folder's place")
    said = "AMPLIFY_FEDERATION_KEY is set, but empty" if trouble == "key" else "sessions"
    with pytest.raises((ConfigurationError, StoreError), match=said):
        async with kind(POOL_ID, store=EncryptedFileStore(folder)):
            pass


async def test_a_session_that_was_stored_needs_no_room_to_be_entered(fake, clock, tmp_path):
    pool_id = fake.create_identity_pool()
    settings = AuthSettings(clock=clock)
    async with httpx.AsyncClient(transport=fake.transport) as client:
        stored = {"http_client": client, "store": EncryptedFileStore(tmp_path / "sessions")}
        async with FederatedAuth(pool_id, settings=settings, **stored) as auth:
            await auth.federate_to_identity_pool(fake.issue_token(GOOGLE, "alice"), GOOGLE)
        before = sorted(each.stat().st_mtime_ns for each in (tmp_path / "sessions").iterdir())
        async with FederatedAuth(pool_id, settings=settings, **stored) as auth:
            assert isinstance(auth.state, Federated)
        after = sorted(each.stat().st_mtime_ns for each in (tmp_path / "sessions").iterdir())
        assert after == before
