"""A server over raw sockets that does as its scripts say. It must not know our client.

Each connection has a thread of its own, so that it serves any event loop and never waits for one.
`ScriptedServer.close` ends every script and every thread.
"""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Self

PATIENCE = 30.0  # seconds until a thread that does not end fails the test


class Peer:
    """One accepted connection, as a script sees it."""

    def __init__(self, connection: socket.socket, over: threading.Event) -> None:
        self.connection = connection
        self._over = over
        self.received = b""

    def request(self) -> bytes:
        """Read one request whole; empty if the client closed."""
        while b"\r\n\r\n" not in self.received:
            if not self._more():
                return b""
        head, _, rest = self.received.partition(b"\r\n\r\n")
        lines = (line.partition(b":") for line in head.split(b"\r\n"))
        length = next(int(value) for name, _, value in lines if name.lower() == b"content-length")
        while len(rest) < length:
            if not self._more():
                return b""
            rest = self.received.partition(b"\r\n\r\n")[2]
        self.received = rest[length:]
        return head + b"\r\n\r\n" + rest[:length]

    def send(self, *pieces: bytes) -> None:
        """Send what follows, as far as the client takes it."""
        for piece in pieces:
            self.connection.sendall(piece)

    def send_for_ever(self, piece: bytes) -> None:
        """Send one piece again and again, as fast as it goes, until the client closes."""
        while not self._over.is_set():
            self.connection.sendall(piece)

    def drip(self, pieces: Iterable[bytes]) -> None:
        """Send piece by piece with a pause between, so that no read of the client ever waits."""
        for piece in pieces:
            self.connection.sendall(piece)
            if self._over.wait(0.01):
                return

    def wait(self, seconds: float) -> None:
        """Do nothing for a while."""
        self._over.wait(seconds)

    def wait_for_close(self) -> None:
        """Send nothing more until the client closes or resets, or the test is over."""
        with suppress(OSError):
            while self._more():
                pass

    def reset(self) -> None:
        """Close with a TCP reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _more(self) -> bool:
        data = self.connection.recv(65_536)
        self.received += data
        return bool(data)


Script = Callable[[Peer], None]


class ScriptedServer:
    """Runs one script for each connection, the last one for all that follow; a context manager."""

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None) -> None:
        self._scripts = scripts
        self.accepted = 0
        self.requests: list[bytes] = []
        self._tls = tls
        self._over = threading.Event()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        """The endpoint URL, by address."""
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """End all scripts and threads; a thread that hangs is an error."""
        self._over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(PATIENCE)  # it accepts nothing more
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a script of the server hangs"
        for connection in self._open:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            script = self._scripts[min(self.accepted, len(self._scripts) - 1)]
            self.accepted += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._run, args=(script, connection), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, script: Script, connection: socket.socket) -> None:
        plain = connection
        with suppress(OSError):  # the client closed, or the test is over
            if self._tls is not None:
                connection = self._tls.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
                self._open.append(connection)
                connection.do_handshake()
            with connection:
                peer = _Recorded(connection, self._over, self.requests)
                script(peer)
                if connection.fileno() >= 0:
                    # A close with unread bytes would be a reset: the client must see an end.
                    connection.shutdown(socket.SHUT_WR)
                    peer.wait_for_close()
        plain.close()


class _Recorded(Peer):
    def __init__(
        self, connection: socket.socket, over: threading.Event, requests: list[bytes]
    ) -> None:
        super().__init__(connection, over)
        self._requests = requests

    def request(self) -> bytes:
        request = super().request()
        if request:
            self._requests.append(request)
        return request
