"""LeanExchange: POSTs to one endpoint at the least cost per call.

This file owns the life of one call over the pool: which wire, and when a second one. It must not
know Cognito, retries or deadlines; whoever calls brings those, as an anyio cancel scope around it.
"""

import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING

from anyio.lowlevel import cancel_shielded_checkpoint, current_token

from amplify_federation._cognito.exchange import HttpAnswer
from amplify_federation._http.lean.pool import Pool, Wire
from amplify_federation._http.lean.request import endpoint_of
from amplify_federation._http.lean_gate import httpx_is_untouched
from amplify_federation._http.reading.answer import AnswerReader, NoAnswer, no_connection
from amplify_federation.errors import NetworkError

if TYPE_CHECKING:
    from ssl import SSLContext


class LeanExchange:
    """An `Exchange` for one http or https URL; calls go to its path plus `/`.

    `ssl_context_factory` is awaited once, when the first https connection is dialled.
    """

    def __init__(
        self, endpoint_url: str, *, ssl_context_factory: "Callable[[], Awaitable[SSLContext]]"
    ) -> None:
        self._endpoint = endpoint_of(endpoint_url)
        self._make_context = ssl_context_factory
        self._context: SSLContext | None = None
        self._pool = Pool(self._dial)
        self.holders = 1

    is_unwatched = staticmethod(httpx_is_untouched)

    def __repr__(self) -> str:
        return f"<LeanExchange with {self._endpoint.host}: {self._pool!r}>"

    async def post(self, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """Send a request and return the whole answer; see `Exchange`."""
        request = b""
        try:
            request = self._endpoint.request(headers, body)
            return await self._ask(request)
        except NoAnswer as error:
            failure = NetworkError(f"{error.kind} from {self._endpoint.host}: {error.detail}.")
            failure.retryable = error.kind != "LocalProtocolError"
        del headers, body, request  # this frame stands in the traceback
        raise failure

    async def aclose(self) -> None:
        """Let go; the last holder's closes all idle connections, and others when they are done."""
        self.holders -= 1
        if self.holders > 0:
            return
        self._pool.close()
        await cancel_shielded_checkpoint()  # the loop closes sockets on its next turn

    async def _ask(self, request: bytes) -> HttpAnswer:
        pool = self._pool
        wire = pool.idle() or await pool.fresh()
        try:
            return await wire.ask(request)
        except NoAnswer as error:
            if not error.stale:
                raise
        finally:
            pool.give_back(wire)
        # The server closed a kept connection before the first byte of an answer, which nearly
        # always means that it never read the request. The retries above would repeat it anyway;
        # here it costs neither a pause nor one of them.
        wire = await pool.fresh()
        try:
            return await wire.ask(request)
        finally:
            pool.give_back(wire)

    async def _dial(self) -> Wire:
        endpoint = self._endpoint
        if endpoint.tls and self._context is None:
            self._context = await self._made_context()
        reader = _reader_class()()
        if _on_asyncio():
            from amplify_federation._http.lean import asyncio_wire  # noqa: PLC0415  # see there

            return await asyncio_wire.dial(endpoint, self._context, reader)
        from amplify_federation._http.lean import anyio_wire  # noqa: PLC0415  # not on asyncio

        return await anyio_wire.dial(endpoint, self._context, reader)

    async def _made_context(self) -> "SSLContext":
        try:
            return await self._make_context()
        except OSError as error:
            reason = f"the certificate authorities are not readable ({error.strerror or error})"
        raise no_connection(OSError(reason))


@cache
def _reader_class() -> Callable[[], AnswerReader]:
    try:
        from amplify_federation._http.reading.fast_reader import (  # noqa: PLC0415  # an extra
            FastReader,
        )
    except ImportError:
        from amplify_federation._http.reading.plain_reader import (  # noqa: PLC0415  # the fallback
            PlainReader,
        )

        return PlainReader
    return FastReader


def _on_asyncio() -> bool:
    asyncio = sys.modules.get("asyncio")  # loaded if it is the loop
    return asyncio is not None and isinstance(
        current_token().native_token, asyncio.AbstractEventLoop
    )
