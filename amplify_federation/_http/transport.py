"""LeanTransport: an httpx transport for many requests to few origins, over HTTP/1.1.

This file owns one request over a pool: its connection, a second one where the first was stale, and
which of httpx's exceptions a failure becomes.
"""

import ssl
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import anyio
import httpx
from anyio.lowlevel import cancel_shielded_checkpoint

from amplify_federation._async.loop_guard import LoopGuard, is_asyncio
from amplify_federation._async.worker_thread import NoThreadError, in_thread
from amplify_federation._http.connection import (
    SerializedRequest,
    TransportFailure,
    dialling_failure,
)
from amplify_federation._http.pool import Pool

if TYPE_CHECKING:
    from amplify_federation._http.anyio_connection import AnyioConnection
    from amplify_federation._http.asyncio_connection import AsyncioConnection

    AnyConnection = AnyioConnection | AsyncioConnection

_PORTS = {"http": 80, "https": 443}
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})  # RFC 9110, 9.2.2
# A request extension: the request may be sent again if a reused connection ended before any answer.
REPEATABLE = "amplify_federation.repeatable"
MAX_REPEATS = 2  # the next idle connection may be dead, too


class LeanTransport(httpx.AsyncBaseTransport):
    """An HTTP/1.1 transport whose cost for a request does not grow with those under way.

    Give it to a client: `httpx.AsyncClient(transport=LeanTransport())`. It runs on asyncio, uvloop
    and trio, keeps up to 256 connections to each origin, and reuses none that was idle for 20 s or
    that received bytes without a request. Requests beyond 256 wait; httpx's `pool` timeout ends
    that, `connect`, `read` and `write` what their names say. In another event loop, or in a forked
    process, it opens connections of its own. There are no proxies, no HTTP/2, no redirects.
    httptools parses where it is installed (extra `fast`), else h11.

    Of httpx's request extensions it knows `timeout`, `sni_hostname` and `target`. It calls no
    `trace`, and its answers have no `network_stream`: there is no upgrade to another protocol.

    A request over a reused connection that the server has just closed is sent again, if
    its method is idempotent (RFC 9110).

    Args:
        verify: an `ssl.SSLContext`, or what `httpx.create_ssl_context` takes: `True` for the
            authorities of `SSL_CERT_FILE` or `SSL_CERT_DIR`, else certifi's; `False` for none.
    """

    def __init__(self, *, verify: ssl.SSLContext | bool = True) -> None:
        self._verify = verify if isinstance(verify, bool) else True
        self._context = None if isinstance(verify, bool) else verify
        self._pools: dict[tuple[str, str, int | None, str | None], Pool[AnyConnection]] = {}
        self._loop_guard = LoopGuard("LeanTransport")

    def __repr__(self) -> str:
        return f"<LeanTransport: {list(self._pools.values())}>"

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return its answer, whose body is read as it is iterated.

        Raises httpx's `TransportError`s.
        """
        self._leave_other_loops()
        url = request.url
        name: str | None = request.extensions.get("sni_hostname")
        pool = self._pools.get((url.scheme, url.host, url.port, name))
        if pool is None:
            pool = self._pool_for(request, name)
        error: BaseException
        try:
            return await self._exchange(pool, request)
        except TransportFailure as failure:
            if failure.kind == "ReadTimeout":
                pool.close_idle()
            error = _httpx_error(failure, request)
        except BaseException as other:
            if isinstance(other, Exception) and not isinstance(request.stream, httpx.ByteStream):
                raise  # of the caller's stream, whose traceback is wanted
            error = other
            error.__cause__ = error.__context__ = None
        try:
            # Without the frames so far, which bind the bytes of the request.
            raise error.with_traceback(None)
        finally:
            del error  # a frame and the exception in it would keep each other alive

    async def aclose(self) -> None:
        """Close idle connections now, and those in use once their answers are read."""
        self._leave_other_loops()
        for pool in self._pools.values():
            pool.close()
        await cancel_shielded_checkpoint()  # the loop closes sockets on its next turn

    def _leave_other_loops(self) -> None:
        """Forget the connections of a loop that ended, or of the process before a fork.

        They can be neither used nor closed here: a forked process shares their sockets.
        """
        if self._loop_guard.follow():
            self._pools = {}

    async def _exchange(
        self, pool: "Pool[AnyConnection]", request: httpx.Request
    ) -> httpx.Response:
        serialized = _serialized(request)
        timeouts: dict[str, float | None] = request.extensions.get("timeout", _NO_TIMEOUTS)
        waits = timeouts.get("connect"), timeouts.get("pool")
        connection = pool.idle() or await pool.fresh(*waits)
        repeatable = serialized.body is None and (
            request.method in _IDEMPOTENT or REPEATABLE in request.extensions
        )
        repeats = 0
        while True:
            try:
                head = await connection.request(
                    serialized,
                    read_timeout=timeouts.get("read"),
                    write_timeout=timeouts.get("write"),
                )
            except TransportFailure as failure:
                pool.give_back(connection)
                if not failure.stale or not repeatable or repeats == MAX_REPEATS:
                    raise
            except BaseException:
                pool.give_back(connection)
                raise
            else:
                break
            # The server closed a reused connection before the first byte of an answer, which nearly
            # always means that it never read the request.
            repeats += 1
            connection = await pool.fresh(*waits)
        extensions = {"http_version": b"HTTP/" + head.version, "reason_phrase": head.reason}
        stream: httpx.AsyncByteStream
        if connection.complete:
            stream = httpx.ByteStream(b"".join(connection.finish()))
            pool.give_back(connection)
        else:
            stream = _Body(pool, connection, request, timeouts.get("read"))
        return httpx.Response(
            head.status, headers=head.headers, stream=stream, extensions=extensions
        )

    def _pool_for(self, request: httpx.Request, name: str | None) -> "Pool[AnyConnection]":
        url = request.url
        if url.scheme not in _PORTS:
            message = f"The URL must begin with http:// or https://, not {url.scheme!r}."
            raise httpx.UnsupportedProtocol(message, request=request)
        if not url.host:
            message = "The URL has no host."
            raise httpx.UnsupportedProtocol(message, request=request)
        port = url.port or _PORTS[url.scheme]
        # As httpx encodes it (IDNA 2008); the standard library's IDNA 2003 may name another host.
        host = url.raw_host.decode("ascii")

        async def dial(seconds: float | None) -> "AnyConnection":
            try:
                context = await self._tls() if url.scheme == "https" else None
            except NoThreadError as error:
                raise dialling_failure(error) from None
            with anyio.move_on_after(seconds):
                return await _dial_of_the_loop()(host, port, context, name or host)
            kind, detail = "ConnectTimeout", "the server is silent"
            raise TransportFailure(kind, detail)

        pool = self._pools[url.scheme, url.host, url.port, name] = Pool(dial)
        return pool

    async def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            # 25 to 45 ms of parsing certificates, during which the loop would stand still.
            verify = self._verify
            self._context = await in_thread(lambda: _ssl_context(verify=verify))
        return self._context


class _Body(httpx.AsyncByteStream):
    """The rest of an answer, read from its connection."""

    def __init__(
        self,
        pool: "Pool[AnyConnection]",
        connection: "AnyConnection",
        request: httpx.Request,
        timeout: float | None,
    ) -> None:
        self._pool = pool
        self._connection: AnyConnection | None = connection
        self._request = request
        self._timeout = timeout

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (connection := self._connection) is not None:
            try:
                chunks = await connection.more(self._timeout)
            except TransportFailure as failure:
                error = _httpx_error(failure, self._request)
            else:
                if connection.complete:
                    chunks += connection.finish()
                    self._release()
                for chunk in chunks:
                    yield chunk
                continue
            await self.aclose()
            try:
                raise error
            finally:
                del error  # as above

    async def aclose(self) -> None:
        """Close the connection, unless its answer is whole."""
        if self._connection is not None:
            self._connection.close()
            self._release()

    def _release(self) -> None:
        if self._connection is not None:
            self._pool.give_back(self._connection)
            self._connection = None


_NO_TIMEOUTS: dict[str, float | None] = {}
_LOCAL_ERROR = "LocalProtocolError"  # httpx's class


def _serialized(request: httpx.Request) -> SerializedRequest:
    """Return a request as it is sent; raises `TransportFailure` if it cannot be."""
    method = request.method
    if method == "CONNECT":
        kind, detail = "UnsupportedProtocol", "There are no tunnels here."
        raise TransportFailure(kind, detail)
    pairs = request.headers.raw
    target: bytes = request.extensions.get("target") or request.url.raw_path
    parts = [method.encode("ascii"), b" ", target, b" HTTP/1.1\r\n"]
    declared: bytes | None = None
    chunked = last = False
    for name, value in pairs:
        parts += (name, b": ", value, b"\r\n")
        lowered = name.lower()
        if lowered == b"content-length":
            declared = value
        elif lowered == b"transfer-encoding":
            chunked = True
        elif lowered == b"connection":
            last = b"close" in value.lower()  # RFC 9112, 9.6
    head = b"".join(parts)
    lines = len(pairs) + 1
    if head.count(b"\n") != lines or head.count(b"\r") != lines or b"\x00" in head:
        kind, detail = _LOCAL_ERROR, "A header has characters that no header has."
        raise TransportFailure(kind, detail)
    if isinstance(request.stream, httpx.ByteStream) and not chunked:
        body = b"".join(request.stream)
        if declared != b"%d" % len(body) and (body or declared is not None):
            # Bytes beyond the declared length would be read as the next request.
            raise _false_length()
        return SerializedRequest(method, b"".join((head, b"\r\n", body)), last=last)
    pieces = _framed(request.stream, declared, chunked=chunked)
    return SerializedRequest(method, head + b"\r\n", pieces, last=last)


def _framed(
    stream: httpx.AsyncByteStream | httpx.SyncByteStream, declared: bytes | None, *, chunked: bool
) -> AsyncGenerator[bytes]:
    if not isinstance(stream, AsyncIterable):
        kind, detail = _LOCAL_ERROR, "The body must be bytes or an asynchronous stream."
        raise TransportFailure(kind, detail)
    if chunked and declared is None:
        return _chunked(stream)
    if chunked or declared is None or not declared.isdigit():
        raise _false_length()
    return _measured(stream, int(declared))


def _false_length() -> TransportFailure:
    return TransportFailure(_LOCAL_ERROR, "The body is not as long as its headers say.")


async def _closed(pieces: AsyncIterable[bytes]) -> None:
    """Close a generator that may not have run to its end, or trio warns."""
    close: Callable[[], Awaitable[None]] | None = getattr(pieces, "aclose", None)
    if close is not None:
        with anyio.CancelScope(shield=True):
            await close()


async def _measured(stream: AsyncIterable[bytes], length: int) -> AsyncGenerator[bytes]:
    pieces = aiter(stream)
    try:
        async for piece in pieces:
            length -= len(piece)
            if length < 0:
                break
            yield piece
    finally:
        await _closed(pieces)
    if length:
        raise _false_length()


async def _chunked(stream: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
    pieces = aiter(stream)
    try:
        async for piece in pieces:
            if piece:
                yield b"%x\r\n%b\r\n" % (len(piece), piece)
    finally:
        await _closed(pieces)
    yield b"0\r\n\r\n"


def _httpx_error(failure: TransportFailure, request: httpx.Request) -> httpx.TransportError:
    kind: type[httpx.TransportError] = getattr(httpx, failure.kind)
    error = kind(f"{failure.detail}", request=request)
    error.__cause__ = failure.cause
    return error


def _ssl_context(*, verify: bool) -> ssl.SSLContext:
    context = httpx.create_ssl_context(verify=verify)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _dial_of_the_loop() -> (
    "Callable[[str, int, ssl.SSLContext | None, str], Awaitable[AnyConnection]]"
):
    # Lazy: asyncio takes 16 ms to load and anyio's streams 9 ms, and a process needs one of them.
    if is_asyncio():
        from amplify_federation._http import asyncio_connection  # noqa: PLC0415  # see above

        return asyncio_connection.dial
    from amplify_federation._http import anyio_connection  # noqa: PLC0415  # see above

    return anyio_connection.dial
