"""A server that misbehaves: one typed error, in time, and the session as it was."""

import gzip
import socket
import threading
import tracemalloc
from contextlib import ExitStack, suppress

import anyio
import pytest

from amplify_federation import AuthProvider, Expired, Federated, SignedOut, errors
from tests.concurrency import PATIENCE
from tests.fire.cases import (
    BAD_CREDENTIALS,
    CHUNKED,
    IDENTITY,
    QUICK,
    SLOW,
    TOO_LARGE,
    Case,
    gzip_bomb,
    hang_after,
    ok,
    reset_after,
)
from tests.fire.paths import open_descriptors
from tests.fire.secrecy import leaks_of
from tests.fire.server import CREDENTIALS, IDENTITY_ID, always, answer, good, good_answer, saying
from tests.scripted_server import Peer, ScriptedServer

DEADLINE = 0.15  # seconds, where the deadline is what ends the call
GRACE = PATIENCE  # seconds beyond deadline + 10 % that a busy machine may take
MAX_COST = 8 * 1024 * 1024  # bytes of memory that an answer may cost


pytestmark = [
    pytest.mark.usefixtures("nothing_leaks"),
    # httpx sends a request's body from a generator, and trio tells of one that is cut short.
    pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning"),
]


async def federate(auth, previous):
    return await auth.federate_to_identity_pool(previous.new_token, AuthProvider.GOOGLE)


async def refused(auth, previous) -> errors.AuthError:
    with pytest.raises(errors.AuthError) as caught:
        await federate(auth, previous)
    return caught.value


def check(error: errors.AuthError, case: Case, previous) -> None:
    allowed = case.error if isinstance(case.error, tuple) else (case.error,)
    assert type(error) in allowed, f"{case}: {type(error).__name__}: {error}"
    several = len(allowed) > 1
    assert error.retryable is (
        isinstance(error, errors.NetworkError) if several else case.retryable
    )
    assert leaks_of(error, previous.secrets) == []


async def prove(case: Case, way, previous, clock, **settings) -> None:
    """Federate and renew at the bad server; check the errors, and the session."""
    store = await previous.store()
    with ScriptedServer(case.script) as server:
        async with way.auth(server.url, store=store, clock=clock, **settings) as auth:
            check(await refused(auth, previous), case, previous)
            assert isinstance(auth.state, Federated)
            session = await auth.fetch_auth_session(force_refresh=True)
            assert session.is_signed_in
            assert session.credentials == previous.result.credentials
            assert session.identity_id == previous.result.identity_id
            check(session.renewal_error, case, previous)
            assert await previous.is_untouched_in(store)


@pytest.mark.parametrize("case", QUICK, ids=str)
async def test_a_bad_answer_is_one_typed_error_and_the_session_stays(
    way, case, previous, manual_clock
):
    await prove(case, way, previous, manual_clock)


async def test_credentials_that_are_none_are_one_typed_error_and_the_session_stays(
    way, previous, manual_clock
):
    for case in BAD_CREDENTIALS:
        await prove(case, way, previous, manual_clock)


async def test_slow_servers_are_ended_by_the_deadline(way, previous, manual_clock):
    with anyio.fail_after(2 * DEADLINE * 1.1 + GRACE):
        async with anyio.create_task_group() as group:
            for case in SLOW:
                group.start_soon(_prove_within_the_deadline, case, way, previous, manual_clock)


async def _prove_within_the_deadline(case, way, previous, clock):
    await prove(case, way, previous, clock, timeout=DEADLINE, max_attempts=3)


@pytest.mark.parametrize("case", TOO_LARGE, ids=str)
async def test_an_answer_without_measure_costs_little_memory(way, case, previous, manual_clock):
    gzip_bomb()  # the server's share
    store = await previous.store()
    with ScriptedServer(case.script) as server:
        async with way.auth(server.url, store=store, clock=manual_clock) as auth:
            check(await refused(auth, previous), case, previous)  # loads what there is to load
            tracemalloc.start()
            try:
                before, _ = tracemalloc.get_traced_memory()
                error = await refused(auth, previous)
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            check(error, case, previous)
            assert peak - before < MAX_COST
            assert await previous.is_untouched_in(store)


async def test_a_refused_connection_is_a_network_error(way, previous, manual_clock):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    async with way.auth(url, clock=manual_clock) as auth:
        check(await refused(auth, previous), Case("refused", good), previous)
        assert isinstance(auth.state, SignedOut)


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 70 + ".invalid"])
async def test_a_host_that_is_not_found_is_a_network_error(way, previous, manual_clock, host):
    async with way.auth(f"http://{host}", clock=manual_clock) as auth:
        error = await refused(auth, previous)
        assert type(error) is errors.NetworkError
        assert host in str(error)
        assert leaks_of(error, previous.secrets) == []


async def test_a_server_that_accepts_nobody_is_ended_by_the_deadline(way, previous, manual_clock):
    with ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)  # the socket's own word
            with suppress(BlockingIOError):
                waiting.connect(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        with anyio.fail_after(DEADLINE * 1.1 + GRACE):
            async with way.auth(url, clock=manual_clock, timeout=DEADLINE) as auth:
                error = await refused(auth, previous)
    # Some systems refuse what the backlog does not hold.
    assert isinstance(error, errors.NetworkError)
    assert leaks_of(error, previous.secrets) == []


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
async def test_a_redirect_to_another_host_is_an_error_and_never_followed(
    way, previous, manual_clock, status
):
    with ScriptedServer(good) as other:
        to_other = b"Location: %s/" % other.url.encode()
        case = Case(
            "redirect",
            saying(b"", to_other, b"Refresh: 0; url=/", status=b"%d Moved" % status),
            errors.UnknownServiceError,
            retryable=False,
        )
        await prove(case, way, previous, manual_clock, max_attempts=3)
        assert other.accepted == 0


def late(peer: Peer) -> None:
    peer.wait(0.05)
    good(peer)


def answering(*, before: bytes = b"", after: bytes = b"", version: bytes = b"HTTP/1.1"):
    def script(peer: Peer) -> None:
        while request := peer.request():
            peer.send(before + good_answer(request).replace(b"HTTP/1.1", version, 1) + after)

    return script


def reframed(*headers: bytes, pack=lambda body: body):
    """Answer as Cognito would, framed otherwise, and hang up."""

    def script(peer: Peer) -> None:
        body = good_answer(peer.request()).partition(b"\r\n\r\n")[2]
        peer.send(ok(b"Connection: close", *headers) + pack(body))

    return script


def chunked(body: bytes) -> bytes:
    return b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\nA-Trailer: 1\r\n\r\n"


HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
ODD_AND_GOOD = {
    "late": late,
    "after 100": answering(before=b"HTTP/1.1 100 Continue\r\n\r\n"),
    "after nine hints": answering(before=HINTS * 9),
    "HTTP/1.0": answering(version=b"HTTP/1.0"),
    "ended by the stream": reframed(),
    "in chunks of one byte": reframed(CHUNKED, pack=chunked),
    "under gzip": reframed(b"Content-Encoding: gzip", pack=gzip.compress),
    "with ninety headers": reframed(*(b"X-%d: y" % number for number in range(90))),
    "with foreign bytes in a header": reframed(b"X-Name: \xe4\xf6\xfc\xff"),
}


@pytest.mark.parametrize("script", ODD_AND_GOOD.values(), ids=ODD_AND_GOOD.keys())
async def test_an_odd_but_lawful_answer_is_taken(way, previous, manual_clock, script):
    with ScriptedServer(script) as server:
        async with way.auth(server.url, clock=manual_clock) as auth:
            result = await federate(auth, previous)
    assert result.identity_id == IDENTITY_ID
    assert result.credentials.access_key_id == CREDENTIALS["AccessKeyId"]


FORGED = good_answer(b"GetCredentialsForIdentity\r\n\r\n").replace(b"ASIAFROM", b"ASIAEVIL")


async def test_an_answer_that_comes_along_with_another_is_never_taken(
    lean_way, previous, manual_clock
):
    # httpx, whose parser keeps what lies beyond an answer for the next, takes it.
    def smuggling(peer: Peer) -> None:
        peer.request()
        peer.send(answer(IDENTITY) + FORGED)
        peer.wait_for_close()

    with ScriptedServer(smuggling, good) as server:
        async with lean_way.auth(server.url, clock=manual_clock) as auth:
            result = await federate(auth, previous)
        assert server.accepted == 2
    assert result.credentials.access_key_id == CREDENTIALS["AccessKeyId"]


async def test_bytes_that_nobody_asked_for_end_a_kept_connection(way, previous, manual_clock):
    answered, sent = threading.Event(), threading.Event()

    def talkative(peer: Peer) -> None:
        peer.send(good_answer(peer.request()))
        peer.send(good_answer(peer.request()))
        answered.wait(PATIENCE)
        peer.send(FORGED)
        peer.wait(0.05)  # until it has arrived
        sent.set()
        peer.wait_for_close()

    with ScriptedServer(talkative, good) as server:
        async with way.auth(server.url, clock=manual_clock) as auth:
            await federate(auth, previous)
            answered.set()
            assert await anyio.to_thread.run_sync(sent.wait, PATIENCE)
            session = await auth.fetch_auth_session(force_refresh=True)
        assert server.accepted == 2
    assert session.credentials.access_key_id == CREDENTIALS["AccessKeyId"]


@pytest.mark.parametrize(
    "farewell",
    [
        always(b""),
        reset_after(),
        reset_after(b"HTTP/1.1 2"),
        always(b"garbage\r\n\r\n"),
        always(ok(b"Content-Length: 9") + b"{"),
    ],
    ids=["close", "reset", "reset in the head", "garbage", "short body"],
)
async def test_a_kept_connection_that_goes_bad_is_one_typed_error(
    way, previous, manual_clock, farewell
):
    def turning_bad(peer: Peer) -> None:
        peer.send(good_answer(peer.request()))
        farewell(peer)

    with ScriptedServer(turning_bad, farewell) as server:
        async with way.auth(server.url, clock=manual_clock) as auth:
            check(await refused(auth, previous), Case("kept", turning_bad), previous)
            assert isinstance(auth.state, SignedOut)


async def test_failures_in_a_row_pile_up_no_connections(way, previous, manual_clock):
    async def count(auth) -> int | None:
        await refused(auth, previous)
        found = open_descriptors()
        return None if found is None else len(found)

    for case in QUICK[:: len(QUICK) // 5]:
        with ScriptedServer(case.script) as server:
            async with way.auth(server.url, clock=manual_clock) as auth:
                first = await count(auth)
                for _ in range(10):
                    last = await count(auth)
        # The server's side, in this same process, may linger: one connection and its wrapper.
        assert first is None or last - first <= 10, case


async def test_a_call_that_fails_twice_and_then_succeeds_is_a_success(
    way, previous, manual_clock, no_jitter
):
    fault = always(answer(b"<p>", b"Connection: close", status=b"503 X"))
    with ScriptedServer(reset_after(), fault, good) as server:
        async with way.auth(server.url, clock=manual_clock, max_attempts=3) as auth:
            await federate(auth, previous)
    heads = [request.partition(b"\r\n\r\n")[0].lower() for request in server.requests]
    attempts = [head.partition(b"amz-sdk-request: ")[2].split(b"\r\n")[0] for head in heads]
    invocations = [head.partition(b"invocation-id: ")[2].split(b"\r\n")[0] for head in heads]
    assert attempts[:3] == [b"attempt=%d; max=3" % number for number in (1, 2, 3)]
    assert len(set(invocations[:3])) == 1
    assert len(set(invocations)) == 2


ATTEMPTS = {
    "reset after the request": 3,
    "garbage status line": 3,
    "503 with a page": 3,
    "429 with a page": 3,
    "200 with HTML": 1,
    "204": 1,
    "403 with a page": 1,
    "999 with a page": 1,
}


@pytest.mark.parametrize("case", [case for case in QUICK if case.name in ATTEMPTS], ids=str)
async def test_only_what_a_retry_may_help_is_retried(way, previous, manual_clock, case, no_jitter):
    with ScriptedServer(case.script) as server:
        async with way.auth(server.url, clock=manual_clock, max_attempts=3) as auth:
            check(await refused(auth, previous), case, previous)
        assert len(server.requests) == ATTEMPTS[case.name]


OUTAGES = {"200 with HTML", "reset after the request", "403 with a page", "503 with a page"}


@pytest.mark.parametrize("case", [case for case in QUICK if case.name in OUTAGES], ids=str)
async def test_an_outage_never_looks_like_signed_out_and_ends_by_itself(
    way, previous, manual_clock, case
):
    store = await previous.store()
    manual_clock.advance(3595)  # over, by the margin
    with ScriptedServer(case.script, good) as server:
        async with way.auth(server.url, store=store, clock=manual_clock) as auth:
            session = await auth.fetch_auth_session()
            assert session.is_signed_in
            check(session.credentials_result.error, case, previous)
            check(session.identity_id_result.error, case, previous)
            assert isinstance(auth.state, Federated)
            assert await previous.is_untouched_in(store)
            if case.name.startswith("reset"):  # the next connection is the good one
                session = await auth.fetch_auth_session()
                assert session.identity_id == IDENTITY_ID
    assert not isinstance(auth.state, Expired)


async def test_a_client_that_hangs_within_its_own_timeout_is_a_network_error(
    previous, manual_clock, own_client
):
    with ScriptedServer(hang_after()) as server:
        async with own_client(server.url, clock=manual_clock, client_timeout=DEADLINE) as auth:
            error = await refused(auth, previous)
    assert type(error) is errors.NetworkError
    assert "ReadTimeout" in str(error)
    assert error.retryable
