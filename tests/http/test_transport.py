"""Calls over real sockets, to servers that behave and to servers that do not."""

import asyncio
import datetime as dt
import errno
import gc
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import suppress

import anyio
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from amplify_federation._http import asyncio_connection
from amplify_federation._http import pool as pool_module
from amplify_federation._http import transport as transport_module
from amplify_federation._http.connection import TransportFailure
from amplify_federation._http.transport import REPEATABLE
from amplify_federation.transport import LeanTransport
from tests.concurrency import PATIENCE
from tests.fire.authority import Authority, key_usage
from tests.fire.secrecy import leaks_of

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CANARY = b"the-token-that-nobody-may-see"

pytestmark = pytest.mark.usefixtures("parser")


class Caller:
    """A client of httpx over a `LeanTransport`, for POSTs to one URL."""

    def __init__(self, url, context=None):
        self.transport = LeanTransport(verify=True if context is None else context)
        self._client = httpx.AsyncClient(transport=self.transport, timeout=None)  # noqa: S113
        self._url = url

    async def __aenter__(self):
        return self

    async def __aexit__(self, *args):
        await self.aclose()

    async def aclose(self):
        await self._client.aclose()

    async def post(self, headers, body):
        return await self._client.post(
            self._url, headers=headers, content=body, extensions={REPEATABLE: True}
        )


@pytest.fixture
def open_caller():
    return Caller


def answering(peer):
    while peer.request():
        peer.send(OK)


async def post(caller, body=b"{}"):
    with anyio.fail_after(PATIENCE):
        return await caller.post({"X-Amz-Target": "Service.Operation"}, body)


async def failure_of(caller):
    with pytest.raises(httpx.TransportError) as caught:
        await post(caller, CANARY)
    return caught.value


async def test_a_call_brings_the_answer(serve, open_caller):
    seen = []

    def script(peer):
        seen.append(peer.request())
        peer.send(b"HTTP/1.1 400 Bad\r\nX-Amzn-RequestId: r\r\nContent-Length: 2\r\n\r\n{}")

    server = serve(script)
    async with open_caller(server.url + "/base/") as caller:
        answer = await post(caller, b"hello")
    assert (answer.status_code, answer.content) == (400, b"{}")
    assert answer.headers["x-amzn-requestid"] == "r"
    assert seen[0].startswith(b"POST /base/ HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % server.port)
    assert seen[0].endswith(b"\r\n\r\nhello")


async def test_calls_in_turn_share_one_connection(serve, open_caller):
    server = serve(answering)
    async with open_caller(server.url) as caller:
        for _ in range(5):
            await post(caller)
    assert server.accepted == 1


async def test_a_request_that_says_so_is_the_last_of_its_connection(serve, open_caller):
    server = serve(answering)
    async with open_caller(server.url) as caller:
        for _ in range(2):
            await caller.post({"Connection": "close"}, b"{}")
        assert "0 open" in repr(caller.transport)
    assert server.accepted == 2


async def test_many_calls_at_once_all_succeed(serve, open_caller):
    server = serve(answering)
    answers = []
    async with open_caller(server.url) as caller, anyio.create_task_group() as group:

        async def call():
            answers.append(await caller.post({}, b"{}"))

        for _ in range(300):
            group.start_soon(call)
    assert [answer.status_code for answer in answers] == [200] * 300
    assert server.accepted <= 256


async def test_a_large_request_goes_out_whole(serve, open_caller):
    lengths = []

    def script(peer):
        lengths.append(len(peer.request().partition(b"\r\n\r\n")[2]))
        peer.send(OK)

    async with open_caller(serve(script).url) as caller:
        await post(caller, b"x" * 5_000_000)
    assert lengths == [5_000_000]


async def test_redirects_are_answers_and_never_followed(serve, open_caller):
    def script(peer):
        peer.request()
        peer.send(b"HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")

    async with open_caller(serve(script).url) as caller:
        assert (await post(caller)).status_code == 307


@pytest.mark.parametrize("goodbye", ["close", "reset"])
async def test_a_kept_connection_that_the_server_left_is_replaced(serve, open_caller, goodbye):
    left = threading.Event()

    def leaving(peer):
        peer.request()
        peer.send(OK)
        if goodbye == "reset":
            peer.reset()
        else:
            peer.connection.close()
        left.set()

    server = serve(leaving, answering)
    async with open_caller(server.url) as caller:
        await post(caller)
        assert await anyio.to_thread.run_sync(left.wait, PATIENCE)
        assert (await post(caller)).status_code == 200
    assert server.accepted == 2


async def test_a_call_that_meets_the_servers_goodbye_is_made_again_once(serve, open_caller):
    def leaving(peer):
        peer.request()
        peer.send(OK)
        peer.request()  # read, and never answered

    server = serve(leaving, leaving, answering)
    async with open_caller(server.url) as caller:
        await post(caller)
        assert (await post(caller)).status_code == 200
    assert server.accepted == 2


async def test_a_new_connection_without_an_answer_is_an_error_at_once(serve, open_caller):
    server = serve(lambda peer: peer.request())
    async with open_caller(server.url) as caller:
        error = await failure_of(caller)
    assert type(error) is httpx.RemoteProtocolError
    assert server.accepted == 1


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    ],
    ids=["short body", "short chunk", "short head", "garbage", "two lengths"],
)
async def test_half_an_answer_is_a_network_error(serve, open_caller, data):
    def script(peer):
        peer.request()
        peer.send(data)

    async with open_caller(serve(script).url) as caller:
        error = await failure_of(caller)
    assert type(error) is httpx.RemoteProtocolError


async def test_a_reset_within_an_answer_is_a_network_error(serve, open_caller):
    def script(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}")
        peer.reset()

    async with open_caller(serve(script).url) as caller:
        error = await failure_of(caller)
    assert type(error) in {httpx.ReadError, httpx.RemoteProtocolError}


async def test_an_answer_that_ends_with_its_stream_is_taken(serve, open_caller):
    def script(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n{}")

    server = serve(script)
    async with open_caller(server.url) as caller:
        for _ in range(2):
            assert (await post(caller)).content == b"{}"
    assert server.accepted == 2


async def test_an_early_answer_to_a_request_not_read_is_taken(serve, open_caller):
    def script(peer):
        peer.connection.recv(1)  # an answer before its request is refused
        peer.send(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")
        peer.wait_for_close()

    async with open_caller(serve(script).url) as caller:
        assert (await post(caller, b"x" * 9_000_000)).status_code == 413


class Endless(httpx.AsyncByteStream):
    """A body without an end."""

    def __init__(self, piece, pause=None):
        self.piece = piece
        self.pause = pause

    def request(self, url, **extensions):
        """Return a request with it; httpx does not close what it is given as `content`."""
        headers = {"Host": "server.test", "Transfer-Encoding": "chunked", "Token": CANARY}
        return httpx.Request("POST", url, headers=headers, stream=self, extensions=extensions)

    async def __aiter__(self):
        while True:
            yield self.piece
            if self.pause is not None:
                await anyio.sleep(self.pause)


EARLY = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize(
    "body",
    [
        Endless(b"x"),
        Endless(b"x", pause=0.001),
        Endless(b"x" * 65_536),
    ],
    ids=["small", "slow", "large"],
)
@pytest.mark.parametrize("secure", [True, False], ids=["TLS", "plain"])
async def test_an_early_answer_ends_a_body_without_end(serve, open_caller, authority, body, secure):
    def early(peer):
        peer.connection.recv(1_000)
        peer.send(EARLY)
        if not secure:
            peer.connection.shutdown(socket.SHUT_WR)
        peer.wait_for_close()

    context, tls = (trusting(authority), server_context(authority)) if secure else (None, None)
    server = serve(early, answering, tls=tls)
    async with open_caller(server.url.replace("127.0.0.1", "localhost"), context) as caller:
        with anyio.fail_after(PATIENCE):
            assert (await caller._client.send(body.request(caller._url))).status_code == 413
        # The server would read a second request on this connection as the rest of the first.
        assert (await post(caller)).status_code == 200
    assert server.accepted == 2


async def test_a_cancelled_call_ends_its_connection_and_no_other(serve, open_caller):
    asked, hung_up = threading.Event(), threading.Event()

    def hanging(peer):
        peer.request()
        asked.set()
        peer.wait_for_close()
        hung_up.set()

    server = serve(hanging, answering)
    async with open_caller(server.url) as caller:
        async with anyio.create_task_group() as group:
            group.start_soon(caller.post, {}, b"{}")
            assert await anyio.to_thread.run_sync(asked.wait, PATIENCE)
            group.cancel_scope.cancel()
        assert await anyio.to_thread.run_sync(hung_up.wait, PATIENCE)
        assert (await post(caller)).status_code == 200
        assert "1 open, 1 idle" in repr(caller.transport)


def hearing_none(peer):
    peer.wait(10)


def request_with(body):
    return lambda url: httpx.Request("POST", url, headers={"Token": CANARY}, content=body)


@pytest.mark.parametrize(
    ("script", "make"),
    [
        (lambda peer: peer.wait_for_close(), request_with(CANARY)),
        (hearing_none, request_with(CANARY * 300_000)),
        (hearing_none, Endless(CANARY * 3_000).request),
    ],
    ids=["while the answer is awaited", "while it is sent", "while its stream is sent"],
)
async def test_a_cancelled_call_shows_nothing_of_its_request(serve, open_caller, script, make):
    async with open_caller(serve(script).url) as caller:
        request = make(caller._url)
        with anyio.move_on_after(0.1):
            with pytest.raises(anyio.get_cancelled_exc_class()) as caught:
                await caller.transport.handle_async_request(request)
            assert leaks_of(caught.value, (CANARY.decode(),)) == []
            raise caught.value


async def test_an_error_of_a_streamed_body_is_its_own(serve, open_caller):
    async def broken():
        yield b"a piece"
        raise ValueError("of the application")

    async with open_caller(serve(lambda peer: peer.wait_for_close()).url) as caller:
        with pytest.raises(ValueError, match="of the application") as caught:
            await caller.post({"Token": CANARY}, broken())
        assert caught.traceback[-1].name == "broken"
        assert leaks_of(caught.value, (CANARY.decode(),)) == []
        assert "0 open" in repr(caller.transport)


async def test_a_refused_connection_names_the_host_and_not_the_request(open_caller):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    async with open_caller(f"http://127.0.0.1:{port}") as caller:
        error = await failure_of(caller)
    assert type(error) is httpx.ConnectError


async def test_an_unknown_host_is_a_network_error(open_caller):
    async with open_caller("http://nowhere.invalid") as caller:
        assert type(await failure_of(caller)) is httpx.ConnectError


@pytest.mark.parametrize("url", ["http://name.test", "https://127.0.0.1:1"])
def test_where_no_thread_can_be_started_no_connection_can_be_made(run_without_threads, url):
    async def call():
        async with httpx.AsyncClient(transport=LeanTransport()) as client:
            await client.get(url)

    with pytest.raises(httpx.ConnectError, match="can start no further thread") as caught:
        run_without_threads(call)
    assert caught.value.__cause__.errno == errno.EAGAIN


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the loop that ended before the client
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_second_event_loop_has_connections_of_its_own(serve, backend):
    server = serve(answering)
    client = httpx.AsyncClient(transport=LeanTransport())

    async def call():
        return (await client.post(server.url, content=b"{}")).status_code

    assert [anyio.run(call, backend=backend) for _ in range(2)] == [200, 200]
    anyio.run(client.aclose, backend=backend)
    assert server.accepted == 2
    gc.collect()


FORKING = """
import asyncio, os, sys, httpx
from amplify_federation.transport import LeanTransport

client = httpx.AsyncClient(transport=LeanTransport())

async def call():
    assert (await client.post(sys.argv[1], content=b"{}")).status_code == 200

async def main():
    await call()
    child = os.fork()
    if not child:
        asyncio.run(call())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    await call()
    await client.aclose()

asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_forked_process_has_connections_of_its_own(serve):
    server = serve(answering)
    subprocess.run([sys.executable, "-c", FORKING, server.url], check=True, timeout=PATIENCE)
    assert server.accepted == 2


async def test_a_host_that_cannot_be_a_name_is_a_network_error(open_caller):
    async with open_caller(f"http://{'a' * 70}.invalid") as caller:
        assert type(await failure_of(caller)) is httpx.ConnectError


async def test_a_header_that_breaks_out_of_its_line_is_never_sent(serve, open_caller):
    server = serve(answering)
    async with open_caller(server.url) as caller:
        with pytest.raises(httpx.LocalProtocolError):
            await caller.post({"X": "a\r\nY: b"}, b"{}")
    assert server.accepted == 0


async def test_nothing_is_left_open_after_closing(serve, open_caller):
    def script(peer):
        peer.request()
        peer.send(OK)
        peer.wait_for_close()

    caller = open_caller(serve(script).url)
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(post, caller)
    await caller.aclose()
    gc.collect()  # an unclosed socket would warn, and the warning fail the test
    assert "0 open" in repr(caller.transport)


async def test_a_plain_answer_that_nobody_asked_for_is_nobodys(serve, open_caller):
    def forging(peer):
        peer.request()
        peer.send(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
        peer.wait_for_close()

    server = serve(forging, answering)
    async with open_caller(server.url) as caller:
        for _ in range(2):
            assert (await post(caller)).content == b"{}"
    assert server.accepted == 2


async def test_calls_survive_a_server_that_drops_kept_connections(serve, open_caller):
    def dropping(peer):
        for _ in range(4):
            if not peer.request():
                return
            peer.send(OK)
        peer.request()  # the fifth is read and never answered

    server = serve(dropping)
    statuses = []
    async with open_caller(server.url) as caller, anyio.create_task_group() as group:

        async def call():
            statuses.extend([(await post(caller)).status_code for _ in range(10)])

        for _ in range(20):
            group.start_soon(call)
    assert statuses == [200] * 200


async def test_a_connection_that_was_idle_too_long_is_not_reused(serve, open_caller, monkeypatch):
    server = serve(answering)
    async with open_caller(server.url) as caller:
        await post(caller)
        monkeypatch.setattr("amplify_federation._http.pool.MAX_IDLE", 0.0)
        await post(caller)
    assert server.accepted == 2


async def test_a_large_answer_is_streamed(serve, open_caller):
    def script(peer):
        peer.connection.recv(65_536)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n")
        for _ in range(9):
            peer.send(b"x" * 1_000_000)
        answering(peer)

    server = serve(script)
    async with open_caller(server.url) as caller:
        length = 0
        async with caller._client.stream("GET", server.url) as response:
            async for chunk in response.aiter_bytes():
                length += len(chunk)
        assert length == 9_000_000
        assert (await post(caller)).status_code == 200
    assert server.accepted == 1


async def test_a_body_that_is_a_stream_is_sent_in_chunks(serve, open_caller):
    seen = []

    def script(peer):
        while b"0\r\n\r\n" not in peer.received:
            peer._more()
        seen.append(peer.received)
        peer.send(OK)

    async def body():
        for _ in range(3):
            yield b"abc"

    async with open_caller(serve(script).url) as caller:
        assert (await caller.post({}, body())).content == b"{}"
    assert seen[0].endswith(b"3\r\nabc\r\n" * 3 + b"0\r\n\r\n")


async def test_an_answer_to_head_has_no_body(serve, open_caller):
    def script(peer):
        peer.connection.recv(65_536)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
        answering(peer)

    server = serve(script)
    async with open_caller(server.url) as caller:
        assert (await caller._client.head(server.url)).headers["content-length"] == "99"
        assert (await post(caller)).status_code == 200
    assert server.accepted == 1


@pytest.mark.parametrize(
    ("name", "kind"), [("read", httpx.ReadTimeout), ("pool", httpx.PoolTimeout)]
)
async def test_httpxs_timeouts_count(serve, open_caller, monkeypatch, name, kind):
    monkeypatch.setattr(
        "amplify_federation._http.pool.Pool._has_room", lambda _self: name == "read"
    )
    server = serve(lambda peer: peer.wait_for_close())
    async with open_caller(server.url) as caller:
        timeout = httpx.Timeout(None, **{name: 0.05})
        with pytest.raises(kind):
            await caller._client.get(server.url, timeout=timeout)


@pytest.mark.parametrize("streamed", [False, True], ids=["bytes", "stream"])
async def test_a_server_that_does_not_read_ends_by_the_write_timeout(serve, open_caller, streamed):
    over = threading.Event()
    server = serve(lambda _peer: over.wait(2 * PATIENCE))
    timeout = {"write": 0.05}
    if streamed:
        request = Endless(b"x" * 100_000).request(server.url, timeout=timeout)
    else:
        content = b"x" * 20_000_000
        request = httpx.Request(
            "POST", server.url, content=content, extensions={"timeout": timeout}
        )
    async with open_caller(server.url) as caller:
        with anyio.fail_after(PATIENCE), pytest.raises(httpx.WriteTimeout):
            await caller._client.send(request)
        assert "0 open" in repr(caller.transport)
    over.set()


async def test_the_pool_timeout_does_not_count_while_connecting(serve, open_caller, monkeypatch):
    dialled = []
    real = transport_module._dial_of_the_loop

    def slow_dial():
        async def dial(*where):
            await anyio.sleep(0.1)
            dialled.append(where)
            return await real()(*where)

        return dial

    monkeypatch.setattr(transport_module, "_dial_of_the_loop", slow_dial)
    server = serve(answering)
    async with open_caller(server.url) as caller:
        timeout = httpx.Timeout(None, pool=0.01)
        response = await caller._client.post(server.url, content=b"", timeout=timeout)
    assert response.status_code == 200
    assert len(dialled) == 1


async def test_a_host_is_looked_up_under_the_name_that_its_request_bears(open_caller, monkeypatch):
    dialled = []

    def recording_dial():
        async def dial(host, *_):
            dialled.append(host)
            kind, detail = "ConnectError", "not tried"
            raise TransportFailure(kind, detail)

        return dial

    monkeypatch.setattr(transport_module, "_dial_of_the_loop", recording_dial)
    async with open_caller("http://stra\N{LATIN SMALL LETTER SHARP S}e.test") as caller:
        await failure_of(caller)
    assert dialled == ["xn--strae-oqa.test"]  # IDNA 2003 would ask for strasse.test


@pytest.mark.parametrize("length", ["1", "9"])
@pytest.mark.parametrize("streamed", [False, True], ids=["bytes", "stream"])
async def test_a_body_of_another_length_than_its_header_is_never_the_next_request(
    serve, open_caller, length, streamed
):
    class Body(httpx.AsyncByteStream):
        def __init__(self):
            self.left = [b"{}"]

        def __aiter__(self):
            return self

        async def __anext__(self):
            if self.left:
                return self.left.pop()
            raise StopAsyncIteration

    server = serve(answering)
    async with open_caller(server.url) as caller:
        with pytest.raises(httpx.LocalProtocolError), anyio.fail_after(PATIENCE):
            await caller.post({"Content-Length": length}, Body() if streamed else b"{}")
        assert (await post(caller)).status_code == 200


async def test_a_scheme_of_its_own_is_refused(open_caller):
    async with open_caller("ftp://127.0.0.1") as caller:
        with pytest.raises(httpx.UnsupportedProtocol):
            await post(caller)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return make_authority(tmp_path_factory.mktemp("tls"))


def trusting(authority):
    context = ssl.create_default_context(cafile=authority["ca"])
    context.set_alpn_protocols(["http/1.1"])
    return context


def server_context(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority["cert"], authority["key"])
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


class TestTls:
    async def test_calls_go_over_tls_and_keep_the_connection(self, serve, open_caller, authority):
        protocols = []

        def script(peer):
            protocols.append(peer.connection.selected_alpn_protocol())
            answering(peer)

        server = serve(script, tls=server_context(authority))
        url = f"https://localhost:{server.port}"
        async with open_caller(url, trusting(authority)) as caller:
            for _ in range(3):
                assert (await post(caller, b"x" * 200_000)).status_code == 200
        assert server.accepted == 1
        assert protocols == ["http/1.1"]

    async def test_an_untrusted_certificate_is_refused_before_anything_is_sent(
        self, serve, open_caller, authority
    ):
        seen = []
        server = serve(lambda peer: seen.append(peer.request()), tls=server_context(authority))
        async with open_caller(
            f"https://localhost:{server.port}", ssl.create_default_context()
        ) as caller:
            error = await failure_of(caller)
        assert type(error) is httpx.ConnectError
        assert "certificate" in str(error)
        assert not any(seen)

    async def test_a_certificate_for_another_host_is_refused(self, serve, open_caller, authority):
        server = serve(answering, tls=server_context(authority))
        url = f"https://127.0.0.1:{server.port}"
        async with open_caller(url, trusting(authority)) as caller:
            error = await failure_of(caller)
        assert type(error) is httpx.ConnectError

    async def test_a_server_without_tls_is_a_network_error(self, serve, open_caller, authority):
        server = serve(lambda peer: peer.send(b"HTTP/1.1 400 Bad\r\n\r\n"))
        url = f"https://localhost:{server.port}"
        async with open_caller(url, trusting(authority)) as caller:
            assert type(await failure_of(caller)) is httpx.ConnectError

    async def test_an_answer_that_nobody_asked_for_is_nobodys(self, serve, open_caller, authority):
        def forging(peer):
            peer.request()
            peer.send(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
            peer.wait_for_close()

        server = serve(forging, answering, tls=server_context(authority))
        url = f"https://localhost:{server.port}"
        async with open_caller(url, trusting(authority)) as caller:
            for _ in range(2):
                assert (await post(caller)).content == b"{}"
        assert server.accepted == 2

    @pytest.mark.skipif(not hasattr(socket, "TCP_CORK"), reason="TCP_CORK is Linux's")
    async def test_an_answer_that_nobody_asked_for_is_not_given_to_the_next_in_line(
        self, serve, open_caller, authority, monkeypatch
    ):
        monkeypatch.setattr(pool_module, "MAX_OPEN", 1)

        def forging(peer):
            peer.request()
            # Two records of TLS in one segment.
            peer.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
            peer.send(OK)
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
            peer.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
            peer.wait_for_close()

        server = serve(forging, answering, tls=server_context(authority))
        url = f"https://localhost:{server.port}"
        contents = []
        async with open_caller(url, trusting(authority)) as caller:

            async def call():
                contents.append((await post(caller)).content)

            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(call)
        assert contents == [b"{}"] * 3
        assert server.accepted == 2

    async def test_a_late_answer_that_nobody_asked_for_is_nobodys(
        self, serve, open_caller, authority
    ):
        sent = threading.Event()

        def forging(peer):
            peer.request()
            peer.send(OK)
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
            sent.set()
            peer.wait_for_close()

        server = serve(forging, answering, tls=server_context(authority))
        url = f"https://localhost:{server.port}"
        async with open_caller(url, trusting(authority)) as caller:
            assert (await post(caller)).content == b"{}"
            assert await anyio.to_thread.run_sync(sent.wait, PATIENCE)
            assert (await post(caller)).content == b"{}"
        assert server.accepted == 2

    async def test_a_cancelled_handshake_leaves_nothing_open(self, serve, open_caller, authority):
        met, hung_up = threading.Event(), threading.Event()

        def silent(peer):
            peer.connection.recv(1)
            met.set()
            peer.wait_for_close()
            hung_up.set()

        server = serve(silent)
        url = f"https://localhost:{server.port}"
        async with open_caller(url, trusting(authority)) as caller:
            async with anyio.create_task_group() as group:
                group.start_soon(caller.post, {}, b"{}")
                assert await anyio.to_thread.run_sync(met.wait, PATIENCE)
                group.cancel_scope.cancel()
            assert await anyio.to_thread.run_sync(hung_up.wait, PATIENCE)
            assert "0 open" in repr(caller.transport)


def make_authority(folder):
    """Make an authority and a certificate for `localhost` that it signed."""

    def name(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def certificate(subject, issuer, key, signer, *, ca):
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            # Python 3.13 verifies strictly after RFC 5280, which asks for all three.
            .add_extension(key_usage(ca=ca), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
                critical=False,
            )
        )
        if not ca:
            names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(signer, hashes.SHA256())

    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    pem = serialization.Encoding.PEM
    files = {part: str(folder / f"{part}.pem") for part in ("ca", "cert", "key")}
    authority = certificate("test ca", "test ca", ca_key, ca_key, ca=True)
    leaf = certificate("localhost", "test ca", key, ca_key, ca=False)
    contents = {
        "ca": authority.public_bytes(pem),
        "cert": leaf.public_bytes(pem),
        "key": key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    }
    for part, content in contents.items():
        (folder / f"{part}.pem").write_bytes(content)
    return files


@pytest.fixture
def addresses(monkeypatch):
    """Have a host name stand for addresses of the test's choosing, on asyncio."""

    def stand_for(*ports):
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", p)) for p in ports]

        async def lookup(_host, _port):
            return found

        monkeypatch.setattr(asyncio_connection, "_addresses", lookup)

    return stand_for


@pytest.fixture
def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


class TestSeveralAddresses:
    @pytest.fixture
    def anyio_backend(self):
        return "asyncio"

    async def test_an_address_that_refuses_is_passed_over(
        self, serve, open_caller, addresses, closed_port
    ):
        server = serve(answering)
        addresses(closed_port, server.port)
        async with open_caller("http://cognito.test") as caller:
            assert (await post(caller)).status_code == 200

    async def test_an_address_that_is_silent_is_overtaken_by_the_next(
        self, serve, open_caller, addresses, monkeypatch
    ):
        server = serve(answering)
        addresses(1, server.port)
        connect = asyncio_connection._connect

        async def silent_first(address):
            if address[4][1] == 1:
                await anyio.sleep_forever()
            return await connect(address)

        monkeypatch.setattr(asyncio_connection, "_connect", silent_first)
        monkeypatch.setattr(asyncio_connection, "HEAD_START", 0.01)
        async with open_caller("http://cognito.test") as caller:
            assert (await post(caller)).status_code == 200

    async def test_addresses_that_all_refuse_are_an_error(
        self, open_caller, addresses, closed_port
    ):
        addresses(closed_port, closed_port)
        async with open_caller("http://cognito.test") as caller:
            assert type(await failure_of(caller)) is httpx.ConnectError

    async def test_a_cancelled_race_leaves_nothing_open(self, open_caller, addresses, monkeypatch):
        async def silent(_address):
            await anyio.sleep_forever()

        monkeypatch.setattr(asyncio_connection, "_connect", silent)
        addresses(1, 2)
        async with open_caller("http://cognito.test") as caller:
            with anyio.move_on_after(0.05) as scope:
                await post(caller)
            assert scope.cancelled_caught
            assert "0 open" in repr(caller.transport)


async def test_a_reader_that_is_slow_is_waited_for(serve, open_caller):
    def script(peer):
        peer.connection.recv(65_536)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n")
        for _ in range(20):
            peer.send(b"x" * 1_000_000)
        answering(peer)

    async with open_caller(serve(script).url) as caller:
        length = 0
        async with caller._client.stream("GET", caller._url) as response:
            async for chunk in response.aiter_raw():
                length += len(chunk)
                if length < 2_000_000:
                    await anyio.sleep(0.01)  # meanwhile more comes than is kept
        assert length == 20_000_000


async def test_a_server_that_is_slow_to_read_is_waited_for(serve, open_caller):
    received = []

    def script(peer):
        while b"0\r\n\r\n" not in peer.received[-5:]:
            time.sleep(0.001)
            peer._more()
        received.append(len(peer.received))
        peer.send(OK)

    async def body():
        for _ in range(100):
            yield b"x" * 100_000

    async with open_caller(serve(script).url) as caller:
        assert (await caller.post({}, body())).status_code == 200
    assert received[0] > 10_000_000


async def test_a_stream_that_is_left_closes_its_connection(serve, open_caller):
    hung_up = threading.Event()

    def script(peer):
        peer.connection.recv(65_536)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nabc")
        peer.wait_for_close()
        hung_up.set()

    async with open_caller(serve(script).url) as caller:
        async with caller._client.stream("GET", caller._url) as response:
            assert response.status_code == 200
        assert await anyio.to_thread.run_sync(hung_up.wait, PATIENCE)


async def test_a_stream_that_is_cut_is_httpxs_error(serve, open_caller):
    def script(peer):
        peer.connection.recv(65_536)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nabc")

    async with open_caller(serve(script).url) as caller:
        with pytest.raises(httpx.RemoteProtocolError):
            await caller._client.get(caller._url)


async def test_the_target_and_the_name_in_tls_may_be_given_by_extensions(serve, tmp_path):
    authority = Authority(tmp_path)
    asked = []

    def remember(peer):
        asked.append(peer.request())
        peer.send(OK)
        peer.wait_for_close()

    context = authority.server_context("named.test")
    server = serve(remember, tls=context)
    trusting = ssl.create_default_context(cafile=authority.path)
    async with httpx.AsyncClient(transport=LeanTransport(verify=trusting)) as client:
        url = f"https://127.0.0.1:{server.port}/path"
        extensions = {"sni_hostname": "named.test", "target": b"/another?as=is"}
        with anyio.fail_after(PATIENCE):
            response = await client.get(url, headers={"content-length": "0"}, extensions=extensions)
            assert response.status_code == 200
            with pytest.raises(httpx.ConnectError, match="IP address mismatch"):
                await client.get(url)
    assert asked[0].startswith(b"GET /another?as=is HTTP/1.1\r\n")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("declared", [True, False], ids=["measured", "chunked"])
async def test_a_body_that_is_cut_short_by_an_early_answer_is_closed(serve, declared):
    closed = anyio.Event()

    class Body(httpx.AsyncByteStream):
        async def __aiter__(self):
            try:
                while True:
                    yield b"x" * 65_536
            finally:
                closed.set()

    def early(peer):
        peer.connection.recv(1_000)
        peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        peer.connection.shutdown(socket.SHUT_WR)
        time.sleep(0.05)
        peer.reset()

    server = serve(early)
    framing = ("Content-Length", str(1 << 40)) if declared else ("Transfer-Encoding", "chunked")
    headers = [("Host", "server.test"), framing]
    async with httpx.AsyncClient(transport=LeanTransport(), timeout=PATIENCE) as client:
        with anyio.fail_after(PATIENCE), suppress(httpx.TransportError):
            await client.send(httpx.Request("POST", server.url, headers=headers, stream=Body()))
        assert closed.is_set()
    gc.collect()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_connection_whose_transport_closed_after_a_last_flush_can_be_closed():
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.setblocking(False)
        _, connection = await asyncio.get_running_loop().create_connection(
            asyncio_connection.AsyncioConnection, sock=ours
        )
        connection._transport.write(b"x" * 10_000_000)
        theirs.shutdown(socket.SHUT_WR)
        data = None
        while data != b"":
            try:
                data = theirs.recv(1_000_000)
            except BlockingIOError:
                await asyncio.sleep(0)
            if data and not connection.closed:
                await asyncio.sleep(0)
    connection.close()
    assert connection.closed
