"""The exchange that all connections share, without sockets; over sockets it is `test_transport`."""

import errno

import anyio
import pytest

from amplify_federation._async.worker_thread import NoThreadError
from amplify_federation._http.connection import (
    HttpConnection,
    SerializedRequest,
    TransportFailure,
    dialling_failure,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"
END = None

pytestmark = pytest.mark.usefixtures("parser")


class ScriptedConnection(HttpConnection):
    """Receives one piece of its script after another; without any it waits for ever."""

    def __init__(self, *script, sends=99):
        super().__init__()
        self.script = list(script)
        self.sends = sends
        self.sent = []

    def usable(self):
        return not self.closed

    def close(self):
        self.closed = True

    async def _send(self, data, seconds):
        del seconds
        self.sent.append(data)
        return len(self.sent) < self.sends

    async def _receive(self, seconds):
        del seconds
        if not self.script:
            await anyio.sleep_forever()
        data = self.script.pop(0)
        if data is END:
            self._feed_end()
        else:
            self._feed(memoryview(data))


async def ask(connection, method="POST", body=None):
    request = SerializedRequest(method, b"head", body)
    return await connection.request(request, read_timeout=None, write_timeout=None)


async def pieces():
    for piece in (b"one", b"two", b"three"):
        yield piece


async def test_an_answer_is_read_as_it_arrives_and_the_connection_serves_again():
    connection = ScriptedConnection(OK[:9], OK[9:-2], OK[-2:], OK)
    for _ in range(2):
        head = await ask(connection)
        body = b""
        while not connection.complete:
            body += b"".join(await connection.more(None))
        body += b"".join(connection.finish())
        assert (head.status, body) == (200, b"body")
    assert not connection.closed


async def test_a_body_in_pieces_is_sent_until_that_is_of_no_use():
    connection = ScriptedConnection(OK, sends=3)
    await ask(connection, body=pieces())
    assert connection.sent == [b"head", b"one", b"two"]
    await connection.more(None)
    connection.finish()
    assert connection.closed  # the next request would be read as the third piece


async def test_a_connection_whose_answer_ends_it_is_closed():
    connection = ScriptedConnection(b"HTTP/1.1 200 OK\r\n\r\nbody", END)
    await ask(connection)
    await connection.more(None)
    assert await connection.more(None) == []
    connection.finish()
    assert connection.closed


async def test_only_a_connection_used_before_that_ends_in_silence_is_stale():
    connection = ScriptedConnection(END)
    with pytest.raises(TransportFailure, match="before the answer was whole") as caught:
        await ask(connection)
    assert not caught.value.stale
    for rest, stale in ((b"", True), (b"HTTP/1.1", False)):
        connection = ScriptedConnection(OK, *([rest] if rest else []), END)
        await ask(connection)
        connection.finish()
        with pytest.raises(TransportFailure) as caught:
            await ask(connection)
        assert (caught.value.stale, connection.closed) == (stale, True)


async def test_what_is_no_answer_closes_the_connection():
    connection = ScriptedConnection(b"no HTTP\r\n\r\n")
    with pytest.raises(TransportFailure) as caught:
        await ask(connection)
    assert (caught.value.kind, connection.closed) == ("RemoteProtocolError", True)


@pytest.mark.parametrize("received", [(), (OK[:-4],)])
async def test_an_exchange_that_is_cancelled_closes_its_connection(received):
    connection = ScriptedConnection(*received)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await ask(connection)
        await connection.more(None)
    assert connection.closed


@pytest.mark.parametrize(
    ("error", "detail", "out_of_resources"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files", True),
        (ExceptionGroup("", [ConnectionRefusedError(111, "refused")] * 2), "refused", False),
        (UnicodeError("secret.example"), "the host name is not one", False),
        (NoThreadError(), "the process can start no further thread", True),
    ],
)
def test_a_connection_that_could_not_be_made_says_why(error, detail, out_of_resources):
    failure = dialling_failure(error)
    assert (failure.kind, failure.detail) == ("ConnectError", detail)
    assert failure.out_of_resources is out_of_resources
