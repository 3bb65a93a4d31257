"""A real server that misbehaves as told, in threads, so that it serves any loop."""

import pytest

from amplify_federation._http import connection as connection_module
from amplify_federation._http.parser import H11Parser
from tests.scripted_server import Peer, Script, ScriptedServer

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def answering(peer: Peer) -> None:
    """Answer every request, as a good server does."""
    while peer.request():
        peer.send(OK)


@pytest.fixture
def serve():
    servers = []

    def start(*scripts: Script, tls=None) -> ScriptedServer:
        servers.append(ScriptedServer(*scripts, tls=tls))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(params=["httptools", "h11"])
def parser(request, monkeypatch):
    """Run the test over both parsers."""
    if request.param == "httptools":
        pytest.importorskip("httptools", reason="the extra `fast` is not installed")
    else:
        monkeypatch.setattr(connection_module, "parser_class", lambda: H11Parser)
    return request.param
