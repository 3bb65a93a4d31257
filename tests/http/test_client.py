"""The client as sessions know it: over which transport a call goes, and what is shared."""

import asyncio
import http.client
import json
import logging
import socket
import sys
import threading
from contextlib import contextmanager

import anyio
import anyio.from_thread
import httpx
import pytest

from amplify_federation import (
    AuthError,
    AuthProvider,
    AuthSettings,
    CallTimeoutError,
    ConfigurationError,
    FederatedAuth,
    IdentityPool,
    InternalServiceError,
    MemoryStore,
    NetworkError,
    NotAuthorizedError,
    UnknownServiceError,
)
from amplify_federation._cognito.decoding import MAX_BODY
from amplify_federation._cognito.requests import get_id
from amplify_federation._http.calls import Calls
from amplify_federation._http.client import CognitoClient
from amplify_federation._http.senders import ClientSender, TransportSender, default_sender
from amplify_federation._model.values import Secret
from amplify_federation.testing import FakeCognito
from tests.concurrency import PATIENCE
from tests.cycles import frames_in_cycles
from tests.fire.authority import Authority

GOOGLE = AuthProvider.GOOGLE
POOL_ID = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768"
CANARY = "canary-token-that-nobody-sees"
REFUSAL = (
    b"HTTP/1.1 400 Bad Request\r\nx-amzn-errortype: NotAuthorizedException:\r\n"
    b"Content-Length: 2\r\n\r\n{}"
)


def flow():
    return (yield get_id(POOL_ID, {GOOGLE: Secret(CANARY)}))


async def failure_of(client):
    with pytest.raises(AuthError) as caught:
        await client.call(flow())
    assert caught.value.__cause__ is caught.value.__context__ is None  # they carry the request
    return caught.value


def client_for(url, http_client=None, **settings):
    return CognitoClient(url, http_client, AuthSettings(**settings))


@pytest.fixture
async def served():
    fake = FakeCognito()
    async with fake.serve() as url:
        yield fake, IdentityPool(fake.create_identity_pool(), endpoint_url=url)


@pytest.mark.parametrize("transport", ["", "httpx"])
async def test_first_calls_at_once_share_one_sender_and_the_others_are_closed(
    monkeypatch, transport
):
    monkeypatch.setenv("AMPLIFY_FEDERATION_TRANSPORT", transport)
    made = []

    async def slow(url):
        sender = await default_sender(url)
        made.append(sender)
        await anyio.lowlevel.checkpoint()
        return sender

    monkeypatch.setattr("amplify_federation._http.senders.default_sender", slow)
    closed = []
    for kind in (TransportSender, ClientSender):

        async def close(self, close=kind.aclose):
            closed.append(self)
            await close(self)

        monkeypatch.setattr(kind, "aclose", close)
    client = client_for("http://127.0.0.1:9")
    used = []

    async def ask():
        used.append(await client.sender())

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(ask)
    await client.aclose()
    assert len(made) == 3
    assert len(set(map(id, used))) == 1
    assert set(map(id, closed)) == set(map(id, made))


async def test_a_default_client_goes_over_the_lean_transport(caplog):
    client = client_for("http://127.0.0.1:9")
    with caplog.at_level(logging.DEBUG, "amplify_federation"):
        assert isinstance(await client.sender(), TransportSender)
    [record] = caplog.records
    assert (record.event, record.transport) == ("transport_chosen", "LeanTransport")
    await client.aclose()


@pytest.mark.parametrize(
    ("name", "value"),
    [("AMPLIFY_FEDERATION_TRANSPORT", "httpx"), ("HTTP_PROXY", "http://127.0.0.1:9")],
)
async def test_it_goes_over_httpx_where_that_is_asked_for(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    client = client_for("http://cognito.test")
    assert isinstance(await client.sender(), ClientSender)
    await client.aclose()


async def test_sessions_of_one_loop_share_connections_until_the_last_closes():
    first, second = client_for("http://a.test"), client_for("http://b.test")
    one, two = await first.sender(), await second.sender()
    assert one._transport is two._transport
    assert first.quota is second.quota
    await first.aclose()
    await first.aclose()  # a second time closes nobody else's
    third = client_for("http://c.test")
    assert (await third.sender())._transport is two._transport
    await second.aclose()
    await third.aclose()
    fourth = client_for("http://d.test")
    assert (await fourth.sender())._transport is not one._transport
    await fourth.aclose()


async def test_a_call_that_opens_connections_while_its_client_is_closed_closes_them(
    served, monkeypatch
):
    _, pool = served
    opened, closed, made = anyio.Event(), anyio.Event(), []

    async def slow(url):
        made.append(await default_sender(url))
        opened.set()
        await closed.wait()
        return made[0]

    monkeypatch.setattr("amplify_federation._http.senders.default_sender", slow)
    client = client_for(pool.endpoint, max_attempts=1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(failure_of, client)  # the token is refused
        await opened.wait()
        await client.aclose()
        closed.set()
    assert made[0].shared.users == 0


async def test_what_is_no_client_is_refused_at_once():
    with pytest.raises(ConfigurationError, match=r"httpx\.AsyncClient"):
        client_for("http://a.test", object())


async def test_more_federations_than_connections_wait_in_line(served):
    fake, pool = served
    tokens = [fake.issue_token(GOOGLE, f"user-{number}") for number in range(150)]
    limits, timeout = httpx.Limits(max_connections=4), httpx.Timeout(PATIENCE, pool=0.001)
    async with httpx.AsyncClient(limits=limits, timeout=timeout) as http_client:

        async def federate(number):
            auth = FederatedAuth(
                pool, store=MemoryStore(), http_client=http_client, session_name=f"s{number}"
            )
            await auth.federate_to_identity_pool(tokens[number], GOOGLE)

        async with anyio.create_task_group() as tasks:
            for number in range(len(tokens)):
                tasks.start_soon(federate, number)
    assert len(fake.calls) == 2 * len(tokens)


async def test_the_retry_quota_is_shared_by_all_sessions_over_one_client():
    transport = httpx.MockTransport(lambda _request: httpx.Response(500))
    async with httpx.AsyncClient(transport=transport) as http_client:
        clients = [client_for(f"https://{host}.test", http_client) for host in ("a", "b")]
        clients[0].quota.left = 14 + 13
        for each in clients:
            assert type(await failure_of(each)) is InternalServiceError
        assert clients[0].quota is clients[1].quota
        assert clients[0].quota.left == 13


async def test_a_refusal_over_http_is_typed_and_shows_no_token():
    def respond(request):
        token = json.loads(request.content)["Logins"]["accounts.google.com"]
        body = {"__type": "NotAuthorizedException", "message": f"Bad {token}"}
        return httpx.Response(400, json=body, headers={"x-amzn-requestid": "r-1"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as http_client:
        error = await failure_of(client_for("https://x.test", http_client))
    assert isinstance(error, NotAuthorizedError)
    assert error.message == "GetId: Bad [secure]"
    assert error.request_id == "r-1"
    assert frames_below(error) == ["call"]


@pytest.mark.usefixtures("no_jitter")
@pytest.mark.parametrize(
    ("transport", "url"),
    [
        *((transport, "http://name.test") for transport in ("lean", "httpx", "own")),
        *((transport, "https://127.0.0.1:1") for transport in ("lean", "httpx")),
    ],
)
def test_where_no_thread_can_be_started_the_error_says_what_to_do(
    run_without_threads, monkeypatch, transport, url
):
    monkeypatch.setenv("AMPLIFY_FEDERATION_TRANSPORT", transport.replace("own", "lean"))
    monkeypatch.setattr("amplify_federation._http.trust._built", {})

    async def call():
        own = httpx.AsyncClient() if transport == "own" else None
        client = client_for(url, own)
        try:
            return await failure_of(client)
        finally:
            await client.aclose()
            if own is not None:
                await own.aclose()

    error = run_without_threads(call)
    assert isinstance(error, NetworkError)
    assert "can start no further thread" in error.message
    assert "ulimit -u" in error.recovery_suggestion


@pytest.mark.usefixtures("no_jitter")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # trio makes cycles of its own
@pytest.mark.parametrize("transport", ["lean", "httpx"])
@pytest.mark.parametrize("answer", ["refusal", "none", "cancelled"])
async def test_a_failed_call_leaves_nothing_to_the_garbage_collector(
    serve, monkeypatch, transport, answer
):
    if (transport, answer) == ("httpx", "none") and sys.version_info >= (3, 12):
        pytest.skip("httpx's own frames are a cycle with the error of a broken connection")
    monkeypatch.setenv("AMPLIFY_FEDERATION_TRANSPORT", transport)
    scopes, token = [], anyio.lowlevel.current_token()

    def script(peer):
        while answer != "none" and peer.request():
            if answer == "refusal":
                peer.send(REFUSAL)
            else:
                anyio.from_thread.run_sync(scopes.pop().cancel, token=token)

    client = client_for(serve(script).url)

    async def fail():
        with anyio.CancelScope() as scope:
            scopes.append(scope)
            try:
                await client.call(flow())
            except AuthError as error:
                return type(error)

    await fail()  # what is made once is no matter
    with frames_in_cycles() as frames:
        expected = {"refusal": NotAuthorizedError, "none": NetworkError, "cancelled": None}
        assert await fail() is expected[answer]
    await client.aclose()
    assert frames == []


@pytest.mark.parametrize("transport", ["lean", "httpx"])
async def test_a_call_that_is_cancelled_leaves_no_frame_with_the_token(
    serve, monkeypatch, transport
):
    monkeypatch.setenv("AMPLIFY_FEDERATION_TRANSPORT", transport)
    asked = anyio.Event()

    def silent(peer):
        peer.request()
        anyio.from_thread.run_sync(asked.set, token=token)
        peer.wait_for_close()

    token = anyio.lowlevel.current_token()
    client = client_for(serve(silent).url)
    caught = []

    async def call():
        try:
            await client.call(flow())
        except anyio.get_cancelled_exc_class() as error:
            caught.append(error)
            raise

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        await asked.wait()
        tasks.cancel_scope.cancel()
    await client.aclose()
    assert frames_below(caught[0]) == ["call"]


def frames_below(error):
    """Return the functions of the package that a traceback passes."""
    names = []
    trace = error.__traceback__
    while trace is not None:
        if "/amplify_federation/" in trace.tb_frame.f_code.co_filename.replace("\\", "/"):
            names.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    return names


async def test_a_refusal_that_a_hook_raises_is_a_refusal():
    async def raising(response):
        response.raise_for_status()

    def respond(_request):
        return httpx.Response(
            400, headers={"x-amzn-errortype": "NotAuthorizedException:"}, stream=Unread()
        )

    transport = httpx.MockTransport(respond)
    async with httpx.AsyncClient(
        transport=transport, event_hooks={"response": [raising]}
    ) as http_client:
        outcome = await failure_of(client_for("http://a.test", http_client))
    assert type(outcome) is NotAuthorizedError
    assert outcome.status == 400


async def test_a_page_that_a_hook_read_and_raised_is_over_the_cap_too():
    async def raising(response):
        await response.aread()
        response.raise_for_status()

    page = b'{"__type": "NotAuthorizedException", "message": "%s"}' % (b"x" * MAX_BODY)
    transport = httpx.MockTransport(lambda _request: httpx.Response(400, content=page))
    async with httpx.AsyncClient(
        transport=transport, event_hooks={"response": [raising]}
    ) as http_client:
        outcome = await failure_of(client_for("http://a.test", http_client))
    assert type(outcome) is UnknownServiceError


async def test_a_page_that_a_hook_raises_names_the_hook():
    async def raising(response):
        response.raise_for_status()

    transport = httpx.MockTransport(lambda _request: httpx.Response(403, stream=Unread()))
    async with httpx.AsyncClient(
        transport=transport, event_hooks={"response": [raising]}
    ) as http_client:
        outcome = await failure_of(client_for("http://a.test", http_client))
    assert type(outcome) is UnknownServiceError
    assert "response hook" in outcome.recovery_suggestion


class Unread(httpx.AsyncByteStream):
    async def __aiter__(self):
        yield b"never read"


async def test_an_error_of_a_hook_comes_out_without_the_request():
    async def broken(request):
        assert request.content
        raise LookupError("a hook's bug")

    transport = httpx.MockTransport(lambda _request: httpx.Response(200))
    async with httpx.AsyncClient(
        transport=transport, event_hooks={"request": [broken]}
    ) as http_client:
        with pytest.raises(LookupError) as caught:
            await client_for("http://a.test", http_client).call(flow())
    frames = []
    trace = caught.value.__traceback__.tb_next
    while trace is not None:
        frames.append(trace.tb_frame.f_locals)
        trace = trace.tb_next
    assert CANARY not in str(frames)
    assert "broken" in str(caught.value.__notes__)  # where to look


@contextmanager
def proxy(answer):
    """Run a proxy that answers each CONNECT in its own way."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65_536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


async def test_a_proxy_that_wants_a_password_says_so(monkeypatch):
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    with proxy(refusal) as address:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:{CANARY}@{address}")
        client = client_for("https://cognito.test", max_attempts=1)
        outcome = await failure_of(client)
        await client.aclose()
    assert type(outcome) is NetworkError
    assert "407 Proxy Authentication Required" in outcome.message
    assert f"through the proxy {address}" in outcome.message
    assert CANARY not in outcome.message


async def test_a_dead_proxy_is_named(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    client = client_for("https://cognito.test", max_attempts=1)
    outcome = await failure_of(client)
    await client.aclose()
    assert f"through the proxy 127.0.0.1:{port}: Connection refused" in outcome.message


async def test_a_file_of_authorities_that_is_missing_is_not_retried(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    client = client_for("https://cognito.test")
    outcome = await failure_of(client)
    assert type(outcome) is ConfigurationError
    assert "SSL_CERT_FILE" in outcome.message


def relaying(url, answers=1_000):
    """Return a script that passes requests on to a server; after so many answers it is silent."""

    def script(peer):
        upstream = http.client.HTTPConnection(url.removeprefix("http://"))
        for _ in range(answers):
            head, _, body = peer.request().partition(b"\r\n\r\n")
            if not head:
                break
            headers = dict(line.decode().split(": ", 1) for line in head.split(b"\r\n")[1:])
            upstream.request("POST", "/", body, headers)
            answer = upstream.getresponse()
            content = answer.read()
            date = f"Date: {answer.headers['Date']}\r\nContent-Length: {len(content)}\r\n\r\n"
            peer.send(f"HTTP/1.1 {answer.status} X\r\n{date}".encode() + content)
        else:
            peer.wait_for_close()
        upstream.close()

    return script


@pytest.mark.parametrize("transport", ["lean", "httpx"])
async def test_a_kept_connection_that_went_silent_leaves_time_for_a_fresh_one(
    served, serve, monkeypatch, transport
):
    monkeypatch.setenv("AMPLIFY_FEDERATION_TRANSPORT", transport)
    fake, pool = served
    relay = serve(relaying(pool.endpoint, 2), relaying(pool.endpoint))
    there = IdentityPool(pool.identity_pool_id, endpoint_url=relay.url)
    async with FederatedAuth(there, store=MemoryStore()) as auth:
        token = fake.issue_token(GOOGLE, "alice")
        await auth.federate_to_identity_pool(token, GOOGLE)
        # The share of the first attempt, without the wait that it is of a user's deadline.
        monkeypatch.setattr(Calls, "_bound", lambda _, attempt: 0.05 if attempt == 1 else None)
        session = await auth.fetch_auth_session(force_refresh=True)
        assert session.renewal_error is None
    assert relay.accepted == 2


async def test_a_server_that_is_silent_on_every_connection_ends_with_the_deadline():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pool = IdentityPool(POOL_ID, endpoint_url=f"http://127.0.0.1:{listener.getsockname()[1]}")
        settings = AuthSettings(timeout=1.0)
        async with FederatedAuth(pool, store=MemoryStore(), settings=settings) as auth:
            with anyio.fail_after(PATIENCE), pytest.raises((CallTimeoutError, NetworkError)):
                await auth.federate_to_identity_pool(CANARY, GOOGLE)


@pytest.mark.parametrize("transport", ["lean", "httpx"])
async def test_a_certificate_that_is_not_trusted_is_told_in_its_own_words(
    tmp_path, monkeypatch, serve, transport
):
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
    ours, theirs = Authority(tmp_path / "ours"), Authority(tmp_path / "theirs")
    server = serve(lambda peer: peer.request(), tls=ours.server_context("localhost"))
    monkeypatch.setenv("SSL_CERT_FILE", theirs.path)
    monkeypatch.setenv("AMPLIFY_FEDERATION_TRANSPORT", transport)
    client = client_for(f"https://localhost:{server.port}", max_attempts=1)
    outcome = await failure_of(client)
    await client.aclose()
    assert type(outcome) is NetworkError
    assert "unable to get local issuer certificate" in outcome.message


def run_everywhere(main):
    """Run on uvloop, and under eager tasks where the Python has them."""
    anyio.run(main, backend_options={"use_uvloop": True})
    if hasattr(asyncio, "eager_task_factory"):

        async def eager():
            asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
            await main()

        anyio.run(eager)


@pytest.mark.parametrize("tls", [False, True])
def test_federation_works_on_uvloop_and_with_eager_tasks(tmp_path, monkeypatch, serve, tls):
    pytest.importorskip("uvloop", reason="uvloop is not installed")
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", authority.path)
    fake = FakeCognito()
    pool_id = fake.create_identity_pool()
    with fake.serve() as url:
        context = authority.server_context("localhost") if tls else None
        relay = serve(relaying(url), tls=context)
        scheme = "https" if tls else "http"
        pool = IdentityPool(pool_id, endpoint_url=f"{scheme}://localhost:{relay.port}")

        async def main():
            async with FederatedAuth(pool, store=MemoryStore()) as auth:
                for number in range(3):
                    token = fake.issue_token(GOOGLE, f"user-{number}")
                    await auth.federate_to_identity_pool(token, GOOGLE)

        run_everywhere(main)
