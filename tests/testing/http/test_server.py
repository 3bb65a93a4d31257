"""The fake on loopback HTTP."""

import json
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import anyio
import httpx
import pytest

from amplify_federation import AuthProvider
from amplify_federation.testing._http.messages import Response
from amplify_federation.testing._http.server import HttpServer


@pytest.fixture
def seen():
    return []


@pytest.fixture
def server(seen):
    def answer(request):
        seen.append(request)
        return Response(200, {"content-length": "2", "x-one": "é"}, b"ok")

    return HttpServer(answer)


def test_server_told_to_stop_before_it_runs_does_not_run(server):
    listener = socket.create_server(("127.0.0.1", 0))
    server.stop()
    server.run([listener])
    assert listener.fileno() == -1


def test_request_comes_whole_with_lower_case_header_names(server, seen):
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        with socket.create_connection(listener.getsockname()) as client:
            client.sendall(
                b"POST /path?q=1 HTTP/1.1\r\nHost: cognito.test\r\nX-One: 1\r\n"
                b"Content-Length: 4\r\nConnection: close\r\n\r\nbo"
            )
            client.sendall(b"dy")
            received = b"".join(iter(lambda: client.recv(4096), b""))
    finally:
        server.stop()
        thread.join()
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert "x-one: é\r\n".encode("latin-1") in received
    assert received.endswith(b"\r\n\r\nok")
    [request] = seen
    assert (request.method, request.host, request.path) == ("POST", "cognito.test", "/path")
    assert request.headers["x-one"] == "1"
    assert request.body == b"body"


HEADERS = {
    "Content-Type": "application/x-amz-json-1.1",
    "X-Amz-Target": "AWSCognitoIdentityService.GetId",
}


def ask(url, pool):
    body = json.dumps({"IdentityPoolId": pool}).encode()
    request = urllib.request.Request(url + "/", body, HEADERS)  # noqa: S310  # loopback
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  # loopback
        return answer.status, json.load(answer), dict(answer.headers)


async def test_server_answers_as_the_transport_does(fake, pool):
    async with fake.serve() as url, httpx.AsyncClient() as client:
        answer = await client.post(url + "/", headers=HEADERS, json={"IdentityPoolId": pool})
        assert answer.status_code == 200
        assert answer.headers["date"] == "Fri, 15 Jan 2027 08:00:00 GMT"
        assert answer.headers["x-amzn-requestid"] == fake.calls[0].request_id
        assert "server" not in answer.headers
        answer = await client.post(url + "/", headers=HEADERS, content=b"{")
        assert answer.json() == {"__type": "SerializationException"}
        page = await client.get(url + "/accounts.google.com/.well-known/openid-configuration")
        keys = await client.get(page.json()["jwks_uri"])
        assert keys.json() == fake.jwks(AuthProvider.GOOGLE)


def test_blocking_clients_are_served_by_a_plain_with(fake, pool):
    with fake.serve() as url:
        status, body, headers = ask(url, pool)
    assert status == 200
    assert body["IdentityId"].startswith("us-west-2:")
    assert len(headers.keys() & {"date", "Date"}) == 1


async def test_stopped_server_is_gone_and_leaves_no_thread(fake, pool):
    async with fake.serve() as url, httpx.AsyncClient() as client:
        await client.post(url + "/", headers=HEADERS, json={"IdentityPoolId": pool})
        assert any(thread.name == "fake-cognito" for thread in threading.enumerate())
    assert not any(thread.name == "fake-cognito" for thread in threading.enumerate())
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(url)


async def test_server_is_stopped_when_the_test_fails_or_is_cancelled(fake):
    with anyio.CancelScope() as scope:
        async with fake.serve():
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert not any(thread.name == "fake-cognito" for thread in threading.enumerate())


async def test_cut_connection_is_cut_on_the_socket(fake, pool):
    fake.fail_next(cut_connection=True)
    async with fake.serve() as url, httpx.AsyncClient() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post(url + "/", headers=HEADERS, json={"IdentityPoolId": pool})
        answer = await client.post(url + "/", headers=HEADERS, json={"IdentityPoolId": pool})
        assert answer.status_code == 200


async def test_late_answer_does_not_hold_up_others_nor_the_end(fake, pool):
    fake.fail_next(delay=3600)
    async with fake.serve() as url, httpx.AsyncClient() as client, anyio.create_task_group() as tg:

        async def wait():
            await client.post(
                url + "/", headers=HEADERS, json={"IdentityPoolId": pool}, timeout=None
            )

        tg.start_soon(wait)
        while not fake.calls:  # noqa: ASYNC110  # the call comes in another thread
            await anyio.sleep(0.001)
        answer = await client.post(url + "/", headers=HEADERS, json={"IdentityPoolId": pool})
        assert answer.status_code == 200
        tg.cancel_scope.cancel()


def test_many_threads_are_answered_one_by_one(fake, pool):
    with fake.serve() as url, ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: ask(url, pool), range(40)))
    assert len({body["IdentityId"] for _, body, _ in answers}) == 40
    assert len(fake.calls) == 40


def test_big_body_comes_whole(fake):
    pool = fake.create_identity_pool()
    body = {"IdentityPoolId": pool, "Logins": {"accounts.google.com": "t" * 50_000}}
    with fake.serve() as url:
        request = urllib.request.Request(  # noqa: S310  # loopback
            url + "/", json.dumps(body).encode(), HEADERS
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=10)  # noqa: S310  # loopback
        with refused.value as answer:
            assert json.load(answer)["__type"] == "NotAuthorizedException"


def test_port_may_be_chosen_and_a_taken_one_is_an_error(fake):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError), fake.serve(port=port):
            pass
    with fake.serve(port=port) as url:
        assert url == f"http://127.0.0.1:{port}"


def test_body_of_a_response_does_not_wait_for_the_acknowledgement_of_its_head(fake):
    # uvloop would set the option anyway, asyncio does not.
    with (
        fake.serve()._listen() as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_host_may_be_an_ipv6_address(fake, pool):
    with fake.serve(host="::1") as url, httpx.Client() as client:
        assert url.startswith("http://[::1]:")
        assert ask(url, pool)[0] == 200
        fake.fail_next(cut_connection=True)
        with pytest.raises(httpx.RemoteProtocolError):
            client.post(url, headers=HEADERS)


def test_missing_uvicorn_names_the_extra(fake, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "amplify_federation.testing._http.server", raising=False)
    with pytest.raises(ModuleNotFoundError, match=r"amplify-federation\[testing\]"), fake.serve():
        pass


SERVE = """
from amplify_federation.testing import FakeCognito
fake = FakeCognito()
pool = fake.create_identity_pool(guest_access=True)
fake.serve_forever(on_ready=lambda url: print(url, pool, flush=True))
print("ended")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
def test_server_in_the_foreground_serves_until_it_is_interrupted():
    with subprocess.Popen(
        [sys.executable, "-c", SERVE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            url, pool = server.stdout.readline().split()
            assert ask(url, pool)[0] == 200
        finally:
            server.send_signal(signal.SIGINT)
        output, errors = server.communicate(timeout=30)
    assert (output, errors, server.returncode) == ("ended\n", "", 0)
