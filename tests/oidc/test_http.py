"""Requests to a provider: bounded, not redirected, over a proxy where there is one."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import anyio
import anyio.from_thread
import httpx
import pytest

from amplify_federation import ConfigurationError, NetworkError
from amplify_federation._model.values import Secret
from amplify_federation._oidc.http import provider_http
from amplify_federation._oidc.library import Form
from tests.cycles import frames_in_cycles
from tests.fire.authority import Authority
from tests.fire.secrecy import leaks_of
from tests.http.conftest import OK
from tests.scripted_server import ScriptedServer

URL = "https://p.example.com/x"


async def answer_to(respond, form=None):
    async with (
        httpx.AsyncClient(
            transport=httpx.MockTransport(respond), headers={"x-own": "1"}, cookies={"c": "1"}
        ) as client,
        provider_http(client, URL) as http,
    ):
        outcome = await (http.get(URL) if form is None else http.post(URL, form))
        assert not client.is_closed
        return outcome


async def test_a_request_carries_nothing_of_the_callers_client():
    asked = []

    def respond(request):
        asked.append(request)
        return httpx.Response(200, json={"a": 1}, headers={"date": "now"})

    form = Form(Secret("a=b"), {"Content-Type": "application/x-www-form-urlencoded"})
    answer = await answer_to(respond, form)
    assert (answer.status, answer.members, answer.date) == (200, {"a": 1}, "now")
    (request,) = asked
    assert request.content == b"a=b"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert "x-own" not in request.headers
    assert "cookie" not in request.headers


async def test_a_redirect_is_an_answer():
    asked = []

    def respond(request):
        asked.append(request)
        return httpx.Response(302, headers={"location": "https://elsewhere.example.com"})

    assert (await answer_to(respond)).status == 302
    assert len(asked) == 1


@pytest.mark.parametrize(
    "body", [b"<html>", b"[1]", b'"x"', b"", b"[" * 100_000, b'{"a":"' + b"x" * 300_000 + b'"}']
)
async def test_what_is_no_object_has_no_members(body):
    answer = await answer_to(lambda _request: httpx.Response(200, content=body))
    assert answer.members is None


@pytest.mark.parametrize(
    "fault",
    [httpx.ConnectError("no"), httpx.ReadTimeout("no"), ConnectionResetError(), RuntimeError()],
)
async def test_a_fault_of_the_network_names_the_host_and_no_secret(fault):
    def respond(_request):
        raise fault

    with pytest.raises(NetworkError, match=r"p\.example\.com") as caught:
        await answer_to(respond, Form(Secret("code=canary"), {}))
    assert caught.value.__cause__ is None


async def test_a_provider_that_hangs_is_a_network_error(monkeypatch):
    monkeypatch.setattr("amplify_federation._oidc.http.ATTEMPT", 0.05)

    async def respond(_request):
        await anyio.sleep_forever()

    with pytest.raises(NetworkError, match=r"within 0\.05 s"):
        await answer_to(respond)


async def test_a_failed_request_leaves_nothing_to_the_garbage_collector():
    def fail(request):
        raise httpx.ConnectError("down", request=request)

    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(fail)) as client,
        provider_http(client, URL) as http,
    ):
        with frames_in_cycles() as frames, pytest.raises(NetworkError):
            await http.get(URL)
    assert frames == []


async def test_a_client_of_httpx2_serves_as_well():
    httpx2 = pytest.importorskip("httpx2")

    def respond(request):
        return httpx2.Response(200, json={"method": request.method}, headers={"date": "now"})

    async with (
        httpx2.AsyncClient(transport=httpx2.MockTransport(respond)) as client,
        provider_http(client, URL) as http,
    ):
        answer = await http.post(URL, Form(Secret("a=b"), {}))
    assert (answer.members, answer.date) == ({"method": "POST"}, "now")


async def test_a_client_of_another_kind_is_refused():
    with pytest.raises(ConfigurationError, match=r"httpx\.AsyncClient"):
        async with provider_http(object(), URL):
            pass


async def test_a_proxy_of_the_environment_is_asked_for_the_provider(monkeypatch):
    connects = []
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610  # not Django's

    async def proxy(stream):
        async with stream:
            connects.append((await stream.receive()).partition(b"\r\n")[0])
            await stream.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, proxy)
        async with provider_http(None, URL) as http:
            with pytest.raises(NetworkError, match=rf"through the proxy 127\.0\.0\.1:{port}: 403"):
                await http.get(URL)
        group.cancel_scope.cancel()
    assert connects == [b"CONNECT p.example.com:443 HTTP/1.1"]


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "8")
        self.end_headers()
        self.wfile.write(b'{"a": 1}')

    def log_message(self, *_):
        """Keep the test's output quiet."""


class QuietServer(HTTPServer):
    def handle_error(self, *_):
        """Pass over a client that hangs up."""


async def test_certificates_are_checked_against_the_authorities_of_the_environment(
    tmp_path, monkeypatch
):
    authority = Authority(tmp_path)
    with QuietServer(("127.0.0.1", 0), Page) as server:
        context = authority.server_context("localhost")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"https://localhost:{server.server_port}/"
        async with provider_http(None, url) as http:
            with pytest.raises(NetworkError, match=r"localhost:.*: .*certificate"):
                await http.get(url)
        monkeypatch.setenv("SSL_CERT_FILE", authority.path)
        async with provider_http(None, url) as http:
            assert (await http.get(url)).members == {"a": 1}
        server.shutdown()


@pytest.fixture
def serve():
    servers = []

    def start(script):
        servers.append(ScriptedServer(script))
        return servers[-1].url

    yield start
    for server in servers:
        server.close()


async def test_no_proxy_is_asked_for_a_provider_on_loopback(serve, monkeypatch):
    def answering(peer):
        peer.request()
        peer.send(OK)

    def refusing(peer):
        peer.send(b"HTTP/1.1 502 Proxy\r\nContent-Length: 0\r\n\r\n")

    monkeypatch.setenv("HTTP_PROXY", serve(refusing))
    url = serve(answering)
    for transport in ("lean", "httpx"):
        monkeypatch.setenv("AMPLIFY_FEDERATION_TRANSPORT", transport)
        async with provider_http(None, url) as http:
            assert (await http.post(url, Form(Secret("a=b"), {}))).status == 200


@pytest.mark.parametrize("transport", ["lean", "httpx"])
async def test_a_request_that_is_cancelled_leaves_no_frame_with_its_secrets(
    serve, monkeypatch, transport
):
    monkeypatch.setenv("AMPLIFY_FEDERATION_TRANSPORT", transport)
    here, asked, caught = anyio.lowlevel.current_token(), anyio.Event(), []

    def silent(peer):
        peer.request()
        anyio.from_thread.run_sync(asked.set, token=here)
        peer.wait_for_close()

    async def post():
        try:
            async with provider_http(None, url) as http:
                await http.post(url, Form(Secret("code=canary-of-a-code"), {}))
        except anyio.get_cancelled_exc_class() as error:
            caught.append(error)
            raise

    url = serve(silent)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(post)
        await asked.wait()
        tasks.cancel_scope.cancel()
    assert leaks_of(caught[0], ("canary-of-a-code",)) == []
