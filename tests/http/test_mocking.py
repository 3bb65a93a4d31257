"""A default session is intercepted by whatever an application's tests mock httpx with.

The styles stand in a test file of their own, which a child pytest runs with the package's plugin
and no setting at all.
"""

import os
import subprocess
import sys

STYLES = """
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anyio
import httpx
import pytest
import respx
import vcr

from amplify_federation import AuthProvider, FederatedAuth, IdentityPool, MemoryStore

pytestmark = pytest.mark.anyio
POOL_ID = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768"
URL = "https://cognito-identity.us-west-2.amazonaws.com/"
IDENTITY = "us-west-2:11111111-2222-3333-4444-555555555555"
BODY = {
    "IdentityId": IDENTITY,
    "Credentials": {
        "AccessKeyId": "ASIA", "SecretKey": "s", "SessionToken": "t", "Expiration": 4e9,
    },
}


def session(**arguments):
    return FederatedAuth(arguments.pop("pool", POOL_ID), store=MemoryStore(), **arguments)


async def federate(auth):
    result = await auth.federate_to_identity_pool("a-token-of-google", AuthProvider.GOOGLE)
    assert result.identity_id == IDENTITY


async def once():
    async with session() as auth:
        await federate(auth)


async def test_respx_fixture(respx_mock):
    route = respx_mock.post(URL).respond(200, json=BODY)
    await once()
    assert route.call_count == 2


@pytest.mark.respx(base_url=URL, assert_all_called=True)
async def test_respx_marker_with_a_base_url(respx_mock):
    respx_mock.post("/").respond(200, json=BODY)
    await once()


@respx.mock
async def test_respx_decorator():
    respx.post(URL).respond(200, json=BODY)
    await once()


@respx.mock(base_url=URL, assert_all_called=False)
async def test_respx_decorator_with_arguments(respx_mock):
    respx_mock.post("/").respond(200, json=BODY)
    await once()


async def test_respx_context():
    with respx.mock:
        respx.post(URL).mock(return_value=httpx.Response(200, json=BODY))
        await once()


async def test_respx_async_context():
    async with respx.mock() as router:
        router.post(host="cognito-identity.us-west-2.amazonaws.com").respond(200, json=BODY)
        await once()


async def test_respx_pattern_and_side_effect():
    def answer(request):
        assert json.loads(request.content)
        return httpx.Response(200, json=BODY)

    with respx.mock() as router:
        target = {"x-amz-target": "AWSCognitoIdentityService.GetId"}
        router.route(method="POST", headers__contains=target)
        router.post(URL).mock(side_effect=answer)
        router.routes[0].mock(side_effect=answer)
        await once()


@pytest.mark.parametrize("using", ["httpcore", "httpx"])
async def test_respx_using_either_library(using):
    with respx.mock(using=using) as router:
        router.post(URL).respond(200, json=BODY)
        await once()


async def test_respx_started_after_the_session_was_made():
    auth = session()
    with respx.mock() as router:
        router.post(URL).respond(200, json=BODY)
        async with auth:
            await federate(auth)


async def test_respx_network_error_is_retried():
    with respx.mock() as router:
        route = router.post(URL)
        route.side_effect = [httpx.ConnectError("down"), *[httpx.Response(200, json=BODY)] * 2]
        await once()
        assert route.call_count == 3


class Cognito(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps(BODY).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Cognito)
    httpd.daemon_threads = True
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_address[1]}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.mark.parametrize("using", ["httpcore", "httpx"])
async def test_respx_started_after_a_warm_connection(server, using):
    async with session(pool=IdentityPool(POOL_ID, endpoint_url=server)) as auth:
        await federate(auth)
        with respx.mock(using=using) as router:
            route = router.post(f"{server}/")
            route.respond(400, json={"__type": "LimitExceededException"})
            with pytest.raises(Exception, match="LimitExceeded"):
                await federate(auth)
            assert route.called
        await federate(auth)


async def test_pytest_httpx(httpx_mock):
    httpx_mock.add_response(url=URL, json=BODY, is_reusable=True)
    await once()
    assert len(httpx_mock.get_requests()) == 2


async def test_pytest_httpx_callback_and_exception(httpx_mock):
    httpx_mock.add_exception(httpx.ReadTimeout("slow"))
    httpx_mock.add_callback(lambda request: httpx.Response(200, json=BODY), is_reusable=True)
    await once()


async def test_mock_transport():
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=BODY))
    async with httpx.AsyncClient(transport=transport) as client:
        async with session(http_client=client) as auth:
            await federate(auth)


async def test_vcrpy_records_and_plays(server, tmp_path):
    pool = IdentityPool(POOL_ID, endpoint_url=server)
    cassette = str(tmp_path / "cassette.yaml")
    for mode in ("once", "none"):
        with vcr.use_cassette(cassette, record_mode=mode) as tape:
            async with session(pool=pool) as auth:
                await federate(auth)
            assert len(tape) == 2
"""


def test_a_default_session_is_intercepted_in_every_style(tmp_path):
    (tmp_path / "test_styles.py").write_text(STYLES, encoding="utf-8")
    (tmp_path / "conftest.py").write_text(
        "import pytest\n\n\n@pytest.fixture(params=['asyncio', 'trio'])\n"
        "def anyio_backend(request):\n    return request.param\n",
        encoding="utf-8",
    )
    environment = dict(os.environ)
    environment.pop("AMPLIFY_FEDERATION_TRANSPORT", None)  # the plugin sets it
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert "34 passed" in done.stdout, done.stdout[-300:]
