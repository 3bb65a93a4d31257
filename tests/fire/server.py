"""A server over raw sockets that misbehaves as its script says. It must not know our client.

Each connection has a thread of its own, so that it serves any event loop and never waits for one.
`BadServer.close` ends every script and every thread.
"""

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Self

CREDENTIALS = {
    "AccessKeyId": "ASIAFROMTHEBADSERVER",
    "SecretKey": "secret-key-of-the-bad-server",
    "SessionToken": "session-token-of-the-bad-server",
    "Expiration": 1_800_003_600.0,
}
IDENTITY_ID = "us-west-2:0badc0de-0000-4000-8000-000000000000"
_PATIENCE = 5.0  # seconds until a thread that does not end fails the test


class Peer:
    """One accepted connection, as a script sees it."""

    def __init__(self, connection: socket.socket, over: threading.Event) -> None:
        self.connection = connection
        self._over = over
        self._received = b""

    def request(self) -> bytes:
        """Read one request whole; empty if the client hung up."""
        while b"\r\n\r\n" not in self._received:
            if not self._more():
                return b""
        head, _, rest = self._received.partition(b"\r\n\r\n")
        lines = (line.partition(b":") for line in head.split(b"\r\n"))
        length = next(int(value) for name, _, value in lines if name.lower() == b"content-length")
        while len(rest) < length:
            if not self._more():
                return b""
            rest = self._received.partition(b"\r\n\r\n")[2]
        self._received = rest[length:]
        return head + b"\r\n\r\n" + rest[:length]

    def send(self, *pieces: bytes) -> None:
        """Send what follows, as far as the client takes it."""
        for piece in pieces:
            self.connection.sendall(piece)

    def send_for_ever(self, piece: bytes) -> None:
        """Send one piece again and again, as fast as it goes, until the client hangs up."""
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

    def hang(self) -> None:
        """Say nothing more until the client hangs up or the test is over."""
        while self._more():
            pass

    def reset(self) -> None:
        """Hang up with a TCP reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _more(self) -> bool:
        data = self.connection.recv(65_536)
        self._received += data
        return bool(data)


Script = Callable[[Peer], None]


class BadServer:
    """Plays one script per connection, the last one for all that follow; a context manager."""

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None) -> None:
        self._scripts = scripts
        self.connections = 0
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
        for listener_or_connection in [self._listener, *self._open]:
            with suppress(OSError):
                listener_or_connection.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(_PATIENCE)
            assert not thread.is_alive(), "a script of the bad server hangs"
        for connection in self._open:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            script = self._scripts[min(self.connections, len(self._scripts) - 1)]
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._play, args=(script, connection), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _play(self, script: Script, connection: socket.socket) -> None:
        plain = connection
        with suppress(OSError):  # the client hung up, or the test is over
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            with connection:
                peer = _Recorded(connection, self._over, self.requests)
                script(peer)
                if connection.fileno() >= 0:
                    # A close with unread bytes would be a reset: the client must see an end.
                    connection.shutdown(socket.SHUT_WR)
                    peer.hang()
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


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """Return a well-formed answer."""
    lines = [b"HTTP/1.1 " + status, *headers, b"Content-Length: %d" % len(body), b"", body]
    return b"\r\n".join(lines)


def good_answer(request: bytes) -> bytes:
    """Return what Cognito would answer."""
    if b"GetCredentialsForIdentity" in request.partition(b"\r\n\r\n")[0]:
        return answer(_json({"IdentityId": IDENTITY_ID, "Credentials": CREDENTIALS}))
    return answer(_json({"IdentityId": IDENTITY_ID}))


def good(peer: Peer) -> None:
    """Answer every request as Cognito would."""
    while request := peer.request():
        peer.send(good_answer(request))


def always(data: bytes) -> Script:
    """Return a script that reads a request, sends this, and hangs up."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(data)

    return script


def saying(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> Script:
    """Return a script that answers every request with this, well-formed."""

    def script(peer: Peer) -> None:
        while peer.request():
            peer.send(answer(body, *headers, status=status))

    return script


def saying_credentials(members: object) -> Script:
    """Return a script that gives an identity, and then these members in place of credentials."""

    def script(peer: Peer) -> None:
        while request := peer.request():
            if b"GetCredentialsForIdentity" in request:
                peer.send(answer(members if isinstance(members, bytes) else _json(members)))
            else:
                peer.send(good_answer(request))

    return script


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
