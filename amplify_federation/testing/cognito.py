"""FakeCognito: an Amazon Cognito Identity in memory that checks what the service checks.

This file holds the public methods alone: the rules of the service are in `_service`, HTTP is in
`_http`, the OpenID providers are in `_openid`.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from amplify_federation.testing._http.endpoint import Endpoint
from amplify_federation.testing._http.faults import Fault, Quotas
from amplify_federation.testing._http.messages import Call, ProviderCall
from amplify_federation.testing.administration import PoolAdministration
from amplify_federation.testing.clock import ServerClock, TimeSource

if TYPE_CHECKING:
    import httpx
    import respx

    from amplify_federation.testing._http.in_process import InProcessTransport
    from amplify_federation.testing._http.server import LoopbackServer


class FakeCognito(PoolAdministration):
    """An embedded Cognito Identity for tests.

    `region`: where its pools are, unless a pool says otherwise. `clock`: anything with `time()`,
    such as a `ManualClock` shared with the session under test; by default the machine's clock,
    which `advance` moves for the fake alone. `quotas`: calls per second by operation, none by
    default; `AWS_QUOTAS` has those of AWS. `check_signatures`: whether an administrator's
    operations need the form of an AWS signature (never verified: any access key will do).

    `calls` lists every call of an operation as a `Call`, `provider_calls` every request to an
    embedded OpenID provider as a `ProviderCall`; clear them when a load test would make them long.
    `on_call` is called with each of both, in the thread that serves the request.
    """

    def __init__(
        self,
        *,
        region: str = "us-west-2",
        clock: TimeSource | None = None,
        quotas: Mapping[str, float] | None = None,
        check_signatures: bool = True,
        on_call: Callable[[Call | ProviderCall], None] | None = None,
    ) -> None:
        self._clock = ServerClock(clock)
        super().__init__(region=region, clock=self._clock)
        self.calls: list[Call] = []
        self.provider_calls: list[ProviderCall] = []
        self._on_call = on_call
        self._quotas = Quotas(quotas or {}, self._clock)
        self._endpoint = Endpoint(
            self._operations,
            self._provider,
            self._quotas,
            self._lock,
            self._record,
            check_signatures=check_signatures,
            region=region,
        )

    def _record(self, call: Call | ProviderCall) -> None:
        if isinstance(call, Call):
            self.calls.append(call)
        else:
            self.provider_calls.append(call)
        if self._on_call is not None:
            self._on_call(call)

    def __repr__(self) -> str:
        return f"<FakeCognito {self.region}: {len(self._pools)} pools, {len(self.calls)} calls>"

    def fail_next(  # noqa: PLR0913  # the fields of a fault, each with a default
        self,
        code: str | None = None,
        *,
        operation: str | None = None,
        times: int = 1,
        status: int | None = None,
        retry_after_ms: object = None,
        delay: float = 0.0,
        cut_connection: bool = False,
        message: str | None = None,
    ) -> None:
        """Have the next `times` calls (of `operation`) fail; several faults queue up.

        `operation` may be an endpoint of the embedded OpenID providers as well, by the last part of
        its URL: `authorize`, `token`, `device_authorization`, `device`, `revoke`, `userinfo`,
        `logout`, `openid-configuration`, `jwks.json`; `code` is an OAuth error then.
        `code` is the error code; `status` the HTTP status (alone: an answer without a code);
        `retry_after_ms` the header `x-amz-retry-after`; `delay` seconds before the answer, on the
        real clock; `cut_connection` closes the connection in place of the answer. Without `code`
        and `status` the call is carried out, and its answer late or lost. Raises `ValueError` for
        an operation that does not exist.
        """
        fault = Fault(
            code, operation, times, status, retry_after_ms, delay, cut_connection, message
        )
        with self._lock:
            self._endpoint.faults.add(fault)

    def clear_faults(self) -> None:
        """Forget the faults that have not happened yet."""
        with self._lock:
            self._endpoint.faults.clear()

    def set_quotas(self, quotas: Mapping[str, float]) -> None:
        """Replace the quotas: calls per second by operation; the empty mapping for none."""
        with self._lock:
            self._quotas.set(quotas)

    def time(self) -> float:
        """Return the server's time, in seconds since the epoch."""
        return self._clock.time()

    def advance(self, seconds: float) -> None:
        """Let time pass, on a shared `ManualClock` too. Raises `ValueError` if negative."""
        self._clock.advance(seconds)

    @property
    def skew(self) -> float:
        """How far the server's clock is ahead of its source, in seconds. May be set."""
        return self._clock.skew

    @skew.setter
    def skew(self, seconds: float) -> None:
        self._clock.skew = seconds

    @cached_property
    def transport(self) -> "InProcessTransport":
        """The fake as `httpx.AsyncClient(transport=...)`, for any host, without a socket."""
        from amplify_federation.testing._http.in_process import (  # noqa: PLC0415  # httpx: 100 ms
            InProcessTransport,
        )

        return InProcessTransport(self._endpoint.answer)

    async def respond(self, request: "httpx.Request") -> "httpx.Response":
        """Return the answer to one httpx request: a callback for pytest-httpx and its like."""
        return await self.transport.handle_async_request(request)

    def route(self, router: "respx.Router") -> "respx.Route":
        """Have a respx router send calls of Cognito here; return the route, for its `calls`.

        So are requests for the documents of any issuer, and to the providers of the pools.
        """
        return self.transport.add_route(router, self._pools.login_keys)

    def serve(self, *, host: str = "127.0.0.1", port: int = 0) -> "LoopbackServer":
        """Serve on loopback HTTP: `async with fake.serve() as url`, or plain `with`.

        A free port unless one is given. Needs the extra `testing`.
        """
        from amplify_federation.testing._http.server import (  # noqa: PLC0415  # uvicorn: an extra
            LoopbackServer,
        )

        return LoopbackServer(self._endpoint.answer, host=host, port=port)

    def serve_forever(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        on_ready: Callable[[str], None] = print,
    ) -> None:
        """Serve until the process is interrupted; `on_ready` gets the URL once it listens."""
        self.serve(host=host, port=port).serve_forever(on_ready)
