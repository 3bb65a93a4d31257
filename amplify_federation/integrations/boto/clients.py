"""AwsClients: AWS clients for many users, without a client for each.

An aiobotocore client costs 80 to 170 ms and some MiB, and all of that is about the service and
nothing about the user. So there is one client for each service and region, and a `UserClient` is
that client in the name of one session: each call is signed with the credentials of its own session,
which are found in the context of the task that makes the call. A call without a session is not
signed at all, but fails.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Self

import anyio
from aiobotocore.config import AioConfig  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]  # it has none

from amplify_federation import InvalidStateError
from amplify_federation.integrations.boto.aio import (
    AioRefreshingSession,
    CallersCredentials,
    signing_as,
)
from amplify_federation.integrations.live_session import LiveSession

CONNECTIONS = 100  # of one client, which serves all users; botocore's 10 are for one


class AwsClients:
    """Clients of AWS services for many sessions; see `integrations.boto.aws_clients`."""

    def __init__(self, *, region_name: str | None, config: Any, max_clients: int) -> None:  # noqa: ANN401  # aiobotocore has no types
        make: Any = AioConfig  # no types
        own = make(max_pool_connections=CONNECTIONS)
        merged: Any = own if config is None else own.merge(config)
        # S3 Express keeps credentials for each bucket within the client: users would share them.
        s3: dict[str, Any] = {**(merged.s3 or {}), "disable_s3_express_session_auth": True}
        self._config = merged.merge(make(s3=s3))
        self._session: Any = AioRefreshingSession(CallersCredentials())
        self._region_name = region_name or self._session.get_config_variable("region")
        self._max_clients = max_clients
        self._clients: OrderedDict[tuple[str, str, str | None], Any] = OrderedDict()
        self._exits = AsyncExitStack()
        self._making = anyio.Lock()
        self._closed = False

    def __repr__(self) -> str:
        return f"<AwsClients: {len(self._clients)} open>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every client."""
        self._closed = True
        self._clients.clear()
        await self._exits.aclose()

    async def client(
        self,
        session: LiveSession,
        service_name: str,
        *,
        region_name: str | None = None,
        endpoint_url: str | None = None,
    ) -> "UserClient":
        """Return a client of a service that signs with this session's live credentials.

        It costs nothing to make, to keep or to drop, and needs no closing; it serves until
        `aclose`. `region_name` is by default that of these clients, else the pool's.
        """
        region = region_name or self._region_name or session.pool.region
        key = (service_name, region, endpoint_url)
        client = self._clients.get(key)
        if client is None:
            async with self._making:
                client = self._clients.get(key) or await self._make(key)
        return UserClient(session, client)

    async def _make(self, key: tuple[str, str, str | None]) -> Any:  # noqa: ANN401  # aiobotocore has no types
        if self._closed:
            message = "These clients are closed."
            raise InvalidStateError(message, recovery_suggestion="Make new ones.")
        if len(self._clients) >= self._max_clients:
            message = f"{self._max_clients} clients are open, for as many services and regions."
            raise InvalidStateError(message, recovery_suggestion="Raise `max_clients`.")
        service_name, region_name, endpoint_url = key
        made = self._session.create_client(
            service_name, region_name=region_name, endpoint_url=endpoint_url, config=self._config
        )
        client = self._clients[key] = await self._exits.enter_async_context(made)
        return client


class UserClient:
    """A service's client in the name of one session: its operations, paginators and waiters."""

    __slots__ = ("_client", "_session")

    def __init__(self, session: LiveSession, client: Any) -> None:  # noqa: ANN401  # aiobotocore has no types
        self._session = session
        self._client = client

    def __repr__(self) -> str:
        return f"<UserClient of {self._client.meta.service_model.service_name}>"

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._client.meta.method_to_api_mapping:
            message = f"{self!r} has no operation {name!r}."
            raise AttributeError(message)
        return self._in_name_of_session(getattr(self._client, name))

    @property
    def exceptions(self) -> Any:  # noqa: ANN401  # aiobotocore has no types
        """The errors of the service, as botocore has them."""
        return self._client.exceptions

    def get_paginator(self, operation_name: str) -> "UserPaginator":
        """Return a paginator of an operation, as botocore's."""
        return UserPaginator(self._session, self._client.get_paginator(operation_name))

    async def wait(self, waiter_name: str, **arguments: Any) -> None:  # noqa: ANN401  # botocore's
        """Wait with a botocore waiter, such as `object_exists`, given its arguments."""
        waiter = self._client.get_waiter(waiter_name)
        await self._in_name_of_session(waiter.wait)(**arguments)

    def _in_name_of_session(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
        session = self._session

        async def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  # botocore's
            with signing_as(session):
                return await method(*args, **kwargs)

        return call


class UserPaginator:
    """A paginator in the name of one session."""

    def __init__(self, session: LiveSession, paginator: Any) -> None:  # noqa: ANN401  # aiobotocore has no types
        self._session = session
        self._paginator = paginator

    async def paginate(self, **arguments: Any) -> AsyncIterator[Any]:  # noqa: ANN401  # botocore's
        """Yield the pages, as botocore has them."""
        pages = self._paginator.paginate(**arguments).__aiter__()
        while True:
            # Around each page, and not around the caller's work between two of them.
            with signing_as(self._session):
                try:
                    page = await pages.__anext__()
                except StopAsyncIteration:
                    return
            yield page
