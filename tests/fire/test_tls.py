"""Servers whose TLS is wrong: one typed error, nothing sent, nothing left open."""

import socket
import ssl

import anyio
import pytest

from amplify_federation import AuthProvider, Federated, errors
from tests.concurrency import PATIENCE
from tests.fire.authority import Authority
from tests.fire.secrecy import leaks_of
from tests.fire.server import CREDENTIALS, good, good_answer
from tests.scripted_server import Peer, ScriptedServer

DEADLINE = 0.25  # seconds, where the deadline is what ends the call
GRACE = PATIENCE  # seconds beyond deadline + 10 % that a busy machine may take
pytestmark = [
    pytest.mark.usefixtures("nothing_leaks"),
    # httpx sends a request's body from a generator, and trio tells of one that is cut short.
    pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning"),
]


def url_of(server: ScriptedServer, host: str = "localhost") -> str:
    return f"https://{host}:{server.port}"


async def refused(way, previous, clock, url, **settings) -> errors.AuthError:
    """Federate in vain, and check that the session before is untouched."""
    store = await previous.store()
    async with way.auth(url, store=store, clock=clock, **settings) as auth:
        with pytest.raises(errors.AuthError) as caught:
            await auth.federate_to_identity_pool(previous.new_token, AuthProvider.GOOGLE)
        assert isinstance(auth.state, Federated)
    assert await previous.is_untouched_in(store)
    assert leaks_of(caught.value, previous.secrets) == []
    return caught.value


async def test_a_trusted_server_is_served(way, previous, manual_clock, authority):
    with ScriptedServer(good, tls=authority.server_context("localhost")) as server:
        async with way.auth(url_of(server), clock=manual_clock) as auth:
            result = await auth.federate_to_identity_pool(previous.token, AuthProvider.GOOGLE)
        assert server.accepted == 1
    assert result.credentials.access_key_id == CREDENTIALS["AccessKeyId"]


CERTIFICATES = {
    "self-signed": ({"self_signed": True}, "localhost"),
    "for another host": ({}, "elsewhere.test"),
    "over": ({"days": -1}, "localhost"),
    "not yet valid": ({"days": 30}, "localhost"),
}


@pytest.mark.parametrize(("wrong", "host"), CERTIFICATES.values(), ids=CERTIFICATES.keys())
async def test_a_wrong_certificate_is_refused_before_anything_is_sent(
    way, previous, manual_clock, authority, wrong, host
):
    with ScriptedServer(good, tls=authority.server_context(host, **wrong)) as server:
        error = await refused(way, previous, manual_clock, url_of(server))
        assert server.requests == []
    assert type(error) is errors.NetworkError
    assert "localhost" in str(error)
    assert error.retryable


async def test_an_authority_that_nobody_trusts_is_refused(
    way, previous, manual_clock, tmp_path_factory
):
    other = Authority(tmp_path_factory.mktemp("other"))
    with ScriptedServer(good, tls=other.server_context("localhost")) as server:
        error = await refused(way, previous, manual_clock, url_of(server))
        assert server.requests == []
    assert type(error) is errors.NetworkError


def farewell(peer: Peer) -> None:
    peer.connection.recv(1)
    peer.reset()


def plain_http(peer: Peer) -> None:
    peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    peer.wait_for_close()


NO_TLS = {
    "plain HTTP": plain_http,
    "close": lambda _peer: None,
    "reset": lambda peer: peer.reset(),
    "reset within the handshake": farewell,
    "garbage": lambda peer: peer.send(b"\x16\x03\x03\xff\xff" + b"\x00" * 100),
    "an alert": lambda peer: peer.send(b"\x15\x03\x03\x00\x02\x02\x28"),
}


@pytest.mark.parametrize("script", NO_TLS.values(), ids=NO_TLS.keys())
async def test_a_failed_handshake_is_a_network_error(way, previous, manual_clock, script):
    with ScriptedServer(script) as server:
        error = await refused(way, previous, manual_clock, url_of(server))
    assert type(error) is errors.NetworkError
    assert error.retryable


async def test_a_server_of_an_old_version_is_refused(way, previous, manual_clock, authority):
    context = authority.server_context("localhost")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with ScriptedServer(good, tls=context) as server:
        error = await refused(way, previous, manual_clock, url_of(server))
        assert server.requests == []
    assert type(error) is errors.NetworkError


SLOW = {
    "silence": lambda peer: peer.wait_for_close(),
    "endless records": lambda peer: peer.send_for_ever(b"\x16\x03\x03\x40\x00" + b"\x00" * 16_384),
    "drip": lambda peer: peer.drip([b"\x16", b"\x03", b"\x03", b"\x3f", b"\xff", *[b"\x00"] * 900]),
}


@pytest.mark.parametrize("script", SLOW.values(), ids=SLOW.keys())
async def test_a_slow_handshake_is_ended_by_the_deadline(way, previous, manual_clock, script):
    with anyio.fail_after(DEADLINE * 1.1 + GRACE), ScriptedServer(script) as server:
        error = await refused(way, previous, manual_clock, url_of(server), timeout=DEADLINE)
    assert type(error) is errors.CallTimeoutError
    assert error.retryable


def cut_within_the_body(peer: Peer) -> None:
    data = good_answer(peer.request())
    peer.send(data[:-20])
    peer.reset()


def cut_without_a_length(peer: Peer) -> None:
    """End an answer, that nothing but its stream ends, without TLS's own farewell."""
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\n\r\n" + b'{"IdentityId": "us-west-2:0badc0de"')
    peer.reset()


def garbage_after_the_handshake(peer: Peer) -> None:
    peer.request()
    raw = peer.connection.detach()
    with socket.socket(fileno=raw) as plain:
        plain.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        plain.shutdown(socket.SHUT_WR)
        while plain.recv(65_536):
            pass


CUTS = {
    "a cut body": cut_within_the_body,
    "a cut body without a length": cut_without_a_length,
    "plain text after the handshake": garbage_after_the_handshake,
    "TLS from within TLS": lambda peer: peer.send(peer.request() and b"\x16\x03\x03\x00\x01\x00"),
}


@pytest.mark.parametrize("script", CUTS.values(), ids=CUTS.keys())
async def test_an_answer_that_is_cut_under_tls_is_an_error(
    way, previous, manual_clock, authority, script
):
    with ScriptedServer(script, tls=authority.server_context("localhost")) as server:
        error = await refused(way, previous, manual_clock, url_of(server))
    assert isinstance(error, errors.NetworkError | errors.MalformedResponseError)
    assert type(error) is not errors.CallTimeoutError
