"""The stand-in for nginx: a bare asyncio protocol, run as `python -m ... PORT DELAY`.

It reads requests only as far as it must: to the end of each head, and over its body.
"""

import asyncio
import re
import sys
from email.utils import formatdate
from typing import ClassVar

from benchmarks.rig.server import CONTENT_TYPE, answers

_TARGET = re.compile(rb"x-amz-target: *AWSCognitoIdentityService\.(\w+)", re.IGNORECASE)
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def _response(body: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}x-amzn-RequestId: 6f0c5f0a-4f8c-4a53-a6a5-7d3bcd1c0b5e\r\n\r\n{body}".encode()


class _Server(asyncio.Protocol):
    delay = 0.0
    responses: ClassVar[dict[bytes, bytes]] = {
        name.encode(): _response(body) for name, body in answers().items()
    }

    def __init__(self) -> None:
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # TCP gives a full transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end]
            length = _LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._received) < whole:
                return
            self._received = self._received[whole:]
            target = _TARGET.search(head)
            self._answer(self.responses[target[1] if target else b"GetId"])

    def _answer(self, response: bytes) -> None:
        assert self._transport is not None
        date = formatdate(usegmt=True).encode()
        dated = response.replace(b"\r\n", b"\r\nDate: " + date + b"\r\n", 1)
        if self.delay:
            asyncio.get_running_loop().call_later(self.delay, self._transport.write, dated)
        else:
            self._transport.write(dated)


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Server, "127.0.0.1", port, backlog=4096, reuse_port=True)
    await server.serve_forever()


if __name__ == "__main__":
    _Server.delay = float(sys.argv[2])
    asyncio.run(_serve(int(sys.argv[1])))
