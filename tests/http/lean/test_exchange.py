"""Calls over real sockets, to servers that behave and to servers that do not."""

import datetime as dt
import gc
import socket
import ssl
import threading
import traceback

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from amplify_federation._http.lean.exchange import LeanExchange
from amplify_federation.errors import NetworkError
from tests.fire.authority import key_usage

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CANARY = b"the-token-that-nobody-may-see"

pytestmark = pytest.mark.usefixtures("parser")


async def no_context():
    raise AssertionError("plain http needs no TLS context")


@pytest.fixture
def open_exchange():
    """Make an exchange; the test closes it with `async with`."""

    class Closing(LeanExchange):
        async def __aenter__(self):
            return self

        async def __aexit__(self, *args):
            await self.aclose()

    return lambda url, factory=no_context: Closing(url, ssl_context_factory=factory)


def answering(peer):
    while peer.request():
        peer.send(OK)


async def post(exchange, body=b"{}"):
    with anyio.fail_after(10):
        return await exchange.post({"X-Amz-Target": "Service.Operation"}, body)


async def failure_of(exchange):
    with pytest.raises(NetworkError) as caught:
        await post(exchange, CANARY)
    return caught.value


async def test_a_call_brings_the_answer(serve, open_exchange):
    seen = []

    def script(peer):
        seen.append(peer.request())
        peer.send(b"HTTP/1.1 400 Bad\r\nX-Amzn-RequestId: r\r\nContent-Length: 2\r\n\r\n{}")

    server = serve(script)
    async with open_exchange(server.url + "/base") as exchange:
        answer = await post(exchange, b"hello")
    assert (answer.status, answer.body) == (400, b"{}")
    assert answer.headers["x-amzn-requestid"] == "r"
    assert seen[0].startswith(b"POST /base/ HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % server.port)
    assert seen[0].endswith(b"\r\n\r\nhello")


async def test_calls_in_turn_share_one_connection(serve, open_exchange):
    server = serve(answering)
    async with open_exchange(server.url) as exchange:
        for _ in range(5):
            await post(exchange)
    assert server.accepted == 1


async def test_many_calls_at_once_all_succeed(serve, open_exchange):
    server = serve(answering)
    answers = []
    async with open_exchange(server.url) as exchange, anyio.create_task_group() as group:

        async def call():
            answers.append(await exchange.post({}, b"{}"))

        for _ in range(300):
            group.start_soon(call)
    assert [answer.status for answer in answers] == [200] * 300
    assert server.accepted <= 256


async def test_a_large_request_goes_out_whole(serve, open_exchange):
    lengths = []

    def script(peer):
        lengths.append(len(peer.request().partition(b"\r\n\r\n")[2]))
        peer.send(OK)

    async with open_exchange(serve(script).url) as exchange:
        await post(exchange, b"x" * 5_000_000)
    assert lengths == [5_000_000]


async def test_redirects_are_answers_and_never_followed(serve, open_exchange):
    def script(peer):
        peer.request()
        peer.send(b"HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")

    async with open_exchange(serve(script).url) as exchange:
        assert (await post(exchange)).status == 307


@pytest.mark.parametrize("goodbye", ["close", "reset"])
async def test_a_kept_connection_that_the_server_left_is_replaced(serve, open_exchange, goodbye):
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
    async with open_exchange(server.url) as exchange:
        await post(exchange)
        await anyio.to_thread.run_sync(left.wait, 5)
        assert (await post(exchange)).status == 200
    assert server.accepted == 2


async def test_a_call_that_meets_the_servers_goodbye_is_made_again_once(serve, open_exchange):
    def leaving(peer):
        peer.request()
        peer.send(OK)
        peer.request()  # read, and never answered

    server = serve(leaving, leaving, answering)
    async with open_exchange(server.url) as exchange:
        await post(exchange)
        assert (await post(exchange)).status == 200
    assert server.accepted == 2


async def test_a_new_connection_without_an_answer_is_an_error_at_once(serve, open_exchange):
    server = serve(lambda peer: peer.request())
    async with open_exchange(server.url) as exchange:
        error = await failure_of(exchange)
    assert str(error).startswith("RemoteProtocolError from 127.0.0.1")
    assert error.retryable
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
async def test_half_an_answer_is_a_network_error(serve, open_exchange, data):
    def script(peer):
        peer.request()
        peer.send(data)

    async with open_exchange(serve(script).url) as exchange:
        error = await failure_of(exchange)
    assert str(error).startswith("RemoteProtocolError from 127.0.0.1")


async def test_a_reset_within_an_answer_is_a_network_error(serve, open_exchange):
    def script(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}")
        peer.reset()

    async with open_exchange(serve(script).url) as exchange:
        error = await failure_of(exchange)
    assert "Error from 127.0.0.1" in str(error)


async def test_an_answer_that_ends_with_its_stream_is_taken(serve, open_exchange):
    def script(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n{}")

    server = serve(script)
    async with open_exchange(server.url) as exchange:
        for _ in range(2):
            assert (await post(exchange)).body == b"{}"
    assert server.accepted == 2


async def test_an_answer_over_the_cap_has_no_body_and_ends_its_connection(serve, open_exchange):
    hung_up = threading.Event()

    def script(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 400_000)
        peer.wait_for_farewell()
        hung_up.set()

    async with open_exchange(serve(script).url) as exchange:
        assert (await post(exchange)).body is None
        assert await anyio.to_thread.run_sync(hung_up.wait, 5)


async def test_an_early_answer_to_a_request_not_read_is_taken(serve, open_exchange):
    def script(peer):
        peer.send(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")
        peer.wait_for_farewell()

    async with open_exchange(serve(script).url) as exchange:
        assert (await post(exchange, b"x" * 9_000_000)).status == 413


async def test_a_cancelled_call_ends_its_connection_and_no_other(serve, open_exchange):
    asked, hung_up = threading.Event(), threading.Event()

    def hanging(peer):
        peer.request()
        asked.set()
        peer.wait_for_farewell()
        hung_up.set()

    server = serve(hanging, answering)
    async with open_exchange(server.url) as exchange:
        async with anyio.create_task_group() as group:
            group.start_soon(exchange.post, {}, b"{}")
            await anyio.to_thread.run_sync(asked.wait, 5)
            group.cancel_scope.cancel()
        assert await anyio.to_thread.run_sync(hung_up.wait, 5)
        assert (await post(exchange)).status == 200
        assert "1 open, 1 idle" in repr(exchange)


async def test_a_refused_connection_names_the_host_and_not_the_request(open_exchange):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    async with open_exchange(f"http://127.0.0.1:{port}") as exchange:
        error = await failure_of(exchange)
    assert str(error).startswith("ConnectError from 127.0.0.1: ")
    assert error.retryable


async def test_an_unknown_host_is_a_network_error(open_exchange):
    async with open_exchange("http://nowhere.invalid") as exchange:
        assert str(await failure_of(exchange)).startswith("ConnectError from nowhere.invalid")


async def test_a_host_that_cannot_be_a_name_is_a_network_error(open_exchange):
    async with open_exchange(f"http://{'a' * 70}.invalid") as exchange:
        assert str(await failure_of(exchange)).startswith("ConnectError")


async def test_a_header_that_breaks_out_of_its_line_is_never_sent(serve, open_exchange):
    server = serve(answering)
    async with open_exchange(server.url) as exchange:
        with pytest.raises(NetworkError, match="LocalProtocolError") as caught:
            await exchange.post({"X": "a\r\nY: b"}, b"{}")
    assert not caught.value.retryable
    assert server.accepted == 0


async def test_no_error_carries_the_request(serve, open_exchange):
    def script(peer):
        peer.request()
        peer.reset()

    async with open_exchange(serve(script).url) as exchange:
        error = await failure_of(exchange)
    assert error.__cause__ is None
    assert error.__context__ is None
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    ours = [frame for frame in shown.stack if "_http" in frame.filename]
    assert ours
    assert CANARY.decode() not in str([frame.locals for frame in ours])


async def test_nothing_is_left_open_after_closing(serve, open_exchange):
    def script(peer):
        peer.request()
        peer.send(OK)
        peer.wait_for_farewell()

    exchange = open_exchange(serve(script).url)
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(post, exchange)
    await exchange.aclose()
    gc.collect()  # an unclosed socket would warn, and the warning fail the test
    assert "0 open" in repr(exchange)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return make_authority(tmp_path_factory.mktemp("tls"))


class TestTls:
    def trusting(self, authority):
        async def factory():
            context = ssl.create_default_context(cafile=authority["ca"])
            context.set_alpn_protocols(["http/1.1"])
            return context

        return factory

    def wrap(self, authority):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority["cert"], authority["key"])
        context.set_alpn_protocols(["h2", "http/1.1"])
        return context.wrap_socket

    async def test_calls_go_over_tls_and_keep_the_connection(self, serve, open_exchange, authority):
        protocols = []

        def script(peer):
            protocols.append(peer.connection.selected_alpn_protocol())
            answering(peer)

        server = serve(script, wrap=self.wrap(authority))
        url = f"https://localhost:{server.port}"
        async with open_exchange(url, self.trusting(authority)) as exchange:
            for _ in range(3):
                assert (await post(exchange, b"x" * 200_000)).status == 200
        assert server.accepted == 1
        assert protocols == ["http/1.1"]

    async def test_an_untrusted_certificate_is_refused_before_anything_is_sent(
        self, serve, open_exchange, authority
    ):
        async def distrusting():
            return ssl.create_default_context()

        seen = []
        server = serve(lambda peer: seen.append(peer.request()), wrap=self.wrap(authority))
        async with open_exchange(f"https://localhost:{server.port}", distrusting) as exchange:
            error = await failure_of(exchange)
        assert str(error).startswith("ConnectError from localhost: ")
        assert "certificate" in str(error)
        assert not any(seen)

    async def test_authorities_that_cannot_be_read_are_a_network_error(self, open_exchange):
        async def broken():
            raise FileNotFoundError(2, "No such file or directory")

        async with open_exchange("https://localhost:1", broken) as exchange:
            error = await failure_of(exchange)
        assert "authorities are not readable (No such file or directory)" in str(error)

    async def test_a_certificate_for_another_host_is_refused(self, serve, open_exchange, authority):
        server = serve(answering, wrap=self.wrap(authority))
        url = f"https://127.0.0.1:{server.port}"
        async with open_exchange(url, self.trusting(authority)) as exchange:
            error = await failure_of(exchange)
        assert "ConnectError from 127.0.0.1" in str(error)

    async def test_a_server_without_tls_is_a_network_error(self, serve, open_exchange, authority):
        server = serve(lambda peer: peer.send(b"HTTP/1.1 400 Bad\r\n\r\n"))
        url = f"https://localhost:{server.port}"
        async with open_exchange(url, self.trusting(authority)) as exchange:
            assert str(await failure_of(exchange)).startswith("ConnectError from localhost")

    async def test_a_cancelled_handshake_leaves_nothing_open(self, serve, open_exchange, authority):
        met, hung_up = threading.Event(), threading.Event()

        def silent(peer):
            peer.connection.recv(1)
            met.set()
            peer.wait_for_farewell()
            hung_up.set()

        server = serve(silent)
        url = f"https://localhost:{server.port}"
        async with open_exchange(url, self.trusting(authority)) as exchange:
            async with anyio.create_task_group() as group:
                group.start_soon(exchange.post, {}, b"{}")
                await anyio.to_thread.run_sync(met.wait, 5)
                group.cancel_scope.cancel()
            assert await anyio.to_thread.run_sync(hung_up.wait, 5)
            assert "0 open" in repr(exchange)


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
