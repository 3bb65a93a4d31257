import socket

import pytest

from amplify_federation.testing._wire.http_server import HttpServer
from amplify_federation.testing._wire.messages import WireAnswer


@pytest.fixture
def seen():
    return []


@pytest.fixture
def server(seen):
    def answer(request):
        seen.append(request)
        return WireAnswer(200, {"content-length": "2", "x-one": "é"}, b"ok")

    return HttpServer(answer)


def test_server_told_to_stop_before_it_runs_does_not_run(server):
    listener = socket.create_server(("127.0.0.1", 0))
    server.stop()
    server.run([listener])
    assert listener.fileno() == -1


def test_request_comes_whole_with_lower_case_header_names(server, seen):
    import threading  # noqa: PLC0415  # only here

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
