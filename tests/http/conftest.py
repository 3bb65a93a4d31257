"""A real server that misbehaves as told, in threads, so that it serves any loop."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest

from amplify_federation._http import connection as connection_module
from amplify_federation._http.parser import H11Parser

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Peer:
    """One accepted connection, as a script sees it."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.received = b""

    def request(self) -> bytes:
        """Read one request whole; empty if the client hung up."""
        while b"\r\n\r\n" not in self.received:
            if not self._more():
                return b""
        head, _, rest = self.received.partition(b"\r\n\r\n")
        length = next(
            int(line.partition(b":")[2])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        while len(rest) < length:
            if not self._more():
                return b""
            rest = self.received.partition(b"\r\n\r\n")[2]
        self.received = rest[length:]
        return head + b"\r\n\r\n" + rest[:length]

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def reset(self) -> None:
        """Hang up with a TCP reset."""
        linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()

    def wait_for_farewell(self) -> None:
        """Return once the client hung up."""
        with suppress(OSError):  # a reset is a farewell too
            while self._more():
                pass

    def _more(self) -> bool:
        data = self.connection.recv(65_536)
        self.received += data
        return bool(data)


Script = Callable[[Peer], None]


def answering(peer: Peer) -> None:
    """Answer every request, as a good server does."""
    while peer.request():
        peer.send(OK)


class ScriptedServer:
    """Plays one script per connection, the last one for all that follow."""

    def __init__(self, *scripts: Script, wrap: Callable[..., socket.socket] | None = None) -> None:
        self.scripts = list(scripts)
        self.accepted = 0
        self.requests: list[bytes] = []
        self._wrap = wrap
        self._connections: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            script = self.scripts[min(self.accepted, len(self.scripts) - 1)]
            self.accepted += 1
            self._connections.append(connection)
            thread = threading.Thread(target=self._play, args=(script, connection))
            self._threads.append(thread)
            thread.start()

    def _play(self, script: Script, connection: socket.socket) -> None:
        with suppress(OSError):  # the client hung up, or the test is over
            if self._wrap is not None:
                connection = self._wrap(connection, server_side=True)
            with connection:
                script(Peer(connection))
        connection.close()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for connection in self._connections:
            connection.close()


@pytest.fixture
def serve():
    servers = []

    def start(*scripts: Script, wrap=None) -> ScriptedServer:
        servers.append(ScriptedServer(*scripts, wrap=wrap))
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
