"""A real HTTP server on loopback that answers as it is told, and remembers what it was asked."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from attrs import define, field, frozen


@frozen
class Asked:
    """One request as it came in."""

    method: str
    path: str
    headers: Message
    body: bytes


@frozen
class Reply:
    """What to answer. `cut` hangs up in place of it; `lie` promises more bytes than come."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(factory=dict)
    cut: bool = False
    lie: int = 0


@define
class Served:
    """The server: its URL, its requests, and the replies to come; the last one stays."""

    replies: list[Reply]
    url: str = ""
    asked: list[Asked] = field(factory=list)

    def next_reply(self) -> Reply:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


def _handler(served: Served) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            served.asked.append(Asked(self.command, self.path, self.headers, body))
            reply = served.next_reply()
            if reply.cut:
                self.close_connection = True
                return
            self.send_response_only(reply.status)
            self.send_header("content-length", str(len(reply.body) + reply.lie))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)
            self.close_connection = bool(reply.lie)

        do_GET = do_POST  # noqa: N815  # the server's own spelling

        def log_message(self, *_: object) -> None:
            pass

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients hang up in the middle, as they are meant to."""


@contextmanager
def serving(*replies: Reply) -> Iterator[Served]:
    """Serve these replies, one a request."""
    served = Served(list(replies) or [Reply()])
    with _Server(("127.0.0.1", 0), _handler(served)) as server:
        served.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()
