import socket
import traceback

import anyio.to_thread
import httpx
import pytest

from amplify_federation._cognito.requests import TARGET_PREFIX, Call
from amplify_federation._http.senders import ClientSender
from amplify_federation._model.values import Secret
from amplify_federation._version import __version__
from amplify_federation.errors import ConfigurationError, NetworkError
from tests.http.served import Reply, serving

CANARY = b"canary-of-a-token"
CALL = Call("GetId", CANARY, (Secret(CANARY.decode()),))
MARKS = ("an-invocation", "attempt=1; max=3")


@pytest.fixture(params=["httpx", "httpx2"])
def library(request):
    return pytest.importorskip(request.param)


@pytest.fixture
def serve():
    stack = []

    def start(*replies):
        stack.append(serving(*replies))
        return stack[-1].__enter__()

    yield start
    for each in stack:
        each.__exit__(None, None, None)


async def posted(library, url, **client_arguments):
    async with library.AsyncClient(**client_arguments) as client:
        sender = ClientSender(client, url, owned=False)
        try:
            return await sender.send(CALL, MARKS, None)
        finally:
            await sender.aclose()
            assert not client.is_closed


async def failure(library, url, **client_arguments):
    with pytest.raises(NetworkError) as caught:
        await posted(library, url, **client_arguments)
    return caught.value


async def test_bytes_go_out_and_bytes_come_back(library, serve):
    server = serve(Reply(201, b"answer", {"X-Amzn-RequestId": "r-1"}))
    answer = await posted(library, server.url)
    assert (answer.status, answer.body) == (201, b"answer")
    assert answer.headers["x-amzn-requestid"] == "r-1"
    [asked] = server.asked
    assert (asked.method, asked.path, asked.body) == ("POST", "/", CANARY)
    sent = {name.lower(): value for name, value in asked.headers.items()}
    assert sent.pop("host")
    assert sent == {
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": f"{TARGET_PREFIX}GetId",
        "accept": "*/*",
        "accept-encoding": "identity",
        "cache-control": "no-store",
        "user-agent": f"amplify_federation/{__version__}",
        "amz-sdk-invocation-id": MARKS[0],
        "amz-sdk-request": MARKS[1],
        "content-length": str(len(CANARY)),
    }


async def test_a_callers_client_lends_none_of_its_defaults(library, serve):
    server = serve()
    await posted(
        library,
        server.url,
        headers={"Authorization": "Bearer other", "X-Mine": "1", "User-Agent": "mine"},
        cookies={"session": "mine"},
        params={"q": "mine"},
        auth=("user", "password"),
        base_url="http://127.0.0.1:1/base",
        follow_redirects=True,
    )
    [asked] = server.asked
    assert asked.path == "/"
    for name in ("authorization", "cookie", "x-mine"):
        assert name not in asked.headers
    assert asked.headers["user-agent"] != "mine"


async def test_a_callers_client_lends_its_transport_and_its_hooks(library):
    seen = []

    def respond(request):
        seen.append(request.url.path)
        return library.Response(200, content=b"from the transport")

    async def hook(message):
        seen.append(type(message).__name__)

    answer = await posted(
        library,
        "https://cognito.example.com",
        transport=library.MockTransport(respond),
        event_hooks={"request": [hook], "response": [hook]},
    )
    assert answer.body == b"from the transport"
    assert seen == ["Request", "/", "Response"]


async def test_a_callers_client_lends_its_timeouts(library):
    seen = []

    def respond(request):
        seen.append(request.extensions["timeout"]["read"])
        return library.Response(200)

    await posted(library, "https://x.test", transport=library.MockTransport(respond), timeout=7.5)
    assert seen == [7.5]


async def test_a_redirect_is_not_followed(library, serve):
    elsewhere = serve()
    server = serve(Reply(307, b"", {"Location": elsewhere.url}))
    answer = await posted(library, server.url, follow_redirects=True)
    assert answer.status == 307
    assert elsewhere.asked == []


async def test_a_connection_that_is_cut_is_trouble_with_the_network(library, serve):
    error = await failure(library, serve(Reply(cut=True)).url)
    assert "RemoteProtocolError" in error.message
    assert "127.0.0.1" in error.message
    assert error.retryable


async def test_an_answer_that_breaks_off_is_trouble_with_the_network(library, serve):
    error = await failure(library, serve(Reply(200, b"half", lie=10)).url)
    assert error.retryable


async def test_a_port_that_nobody_listens_on_is_trouble_with_the_network(library):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    error = await failure(library, f"http://127.0.0.1:{port}")
    assert error.message == f"ConnectError from 127.0.0.1:{port}: Connection refused."


async def test_an_error_prints_neither_the_request_nor_its_cause(library):
    def fail(request):
        raise library.ConnectError("canary-of-a-token", request=request)

    error = await failure(library, "https://x.test", transport=library.MockTransport(fail))
    assert error.__cause__ is None
    assert "canary" not in "".join(traceback.format_exception(error))


async def test_a_handshake_that_is_cancelled_leaves_no_socket_open(library):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def greeted():
            connection, _ = listener.accept()
            connection.settimeout(10)
            assert connection.recv(1)  # the client's hello; nobody answers
            return connection

        def farewell(connection):
            with connection:
                while connection.recv(65_536):
                    pass
            return True

        async with library.AsyncClient(trust_env=False) as client:
            url = f"https://127.0.0.1:{listener.getsockname()[1]}"
            sender = ClientSender(client, url, owned=False)
            async with anyio.create_task_group() as group:
                group.start_soon(sender.send, CALL, MARKS, None)
                connection = await anyio.to_thread.run_sync(greeted)
                group.cancel_scope.cancel()
            assert await anyio.to_thread.run_sync(farewell, connection)


async def test_what_is_no_fault_of_the_network_comes_through(library):
    def fail(_request):
        raise LookupError("a mock's complaint")

    with pytest.raises(LookupError, match="complaint"):
        await posted(library, "https://x.test", transport=library.MockTransport(fail))


async def test_a_client_of_ours_is_closed_and_a_lent_one_is_not(library):
    for owned in (True, False):
        async with library.AsyncClient() as client:
            await ClientSender(client, "https://x.test", owned=owned).aclose()
            assert client.is_closed is owned


def test_a_clients_subclass_serves():
    class AsyncClient(httpx.AsyncClient):
        pass

    assert ClientSender(AsyncClient(), "https://x.test", owned=False)


class AsyncClient:
    """Not httpx's."""


@pytest.mark.parametrize("client", [object(), "client", AsyncClient(), httpx.Timeout(1)])
def test_what_is_no_client_is_refused(client):
    with pytest.raises(ConfigurationError, match="AsyncClient"):
        ClientSender(client, "https://x.test", owned=False)


def test_a_client_that_blocks_is_refused():
    with httpx.Client() as client, pytest.raises(ConfigurationError, match="AsyncClient"):
        ClientSender(client, "https://x.test", owned=False)


async def test_a_closed_client_is_told_as_such_and_not_as_a_fault_of_the_network(library):
    client = library.AsyncClient()
    await client.aclose()
    sender = ClientSender(client, "http://127.0.0.1:9", owned=False)
    with pytest.raises(ConfigurationError, match="is closed"):
        await sender.send(CALL, MARKS, None)
