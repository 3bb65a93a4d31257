"""A world for session tests: one clock, one fake Cognito, gates before calls and writes."""

from contextlib import AbstractAsyncContextManager

import anyio
import httpx

from amplify_federation import (
    AuthProvider,
    AuthSettings,
    FederatedAuth,
    IdentityPool,
    MemoryStore,
    SessionStore,
)
from amplify_federation.testing import FakeCognito, ManualClock
from tests.concurrency import Gate

GET_ID, GET_CREDENTIALS = "GetId", "GetCredentialsForIdentity"
BOTH = [GET_ID, GET_CREDENTIALS]
HOUR = 3600.0
STORE_KEY = bytes(range(32))


class GatedTransport(httpx.AsyncBaseTransport):
    """The fake's transport with gates before it, or behind it: then the call was carried out."""

    def __init__(self, fake: FakeCognito) -> None:
        self._fake = fake
        self.before: dict[str, Gate] = {}
        self.after: dict[str, Gate] = {}
        self.cut = False  # no network at all
        self.requests = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        await anyio.lowlevel.checkpoint()  # as a socket would
        if self.cut:
            raise httpx.ConnectError("no route", request=request)
        operation = request.headers["x-amz-target"].rpartition(".")[2]
        if operation in self.before:
            await self.before[operation].wait()
        response = await self._fake.transport.handle_async_request(request)
        if operation in self.after:
            await self.after[operation].wait()
        return response


class GatedStore:
    """Any store, with a gate before its next writes."""

    def __init__(self, inner: SessionStore) -> None:
        self.inner = inner
        self.before_write: Gate | None = None
        self.after_write: Gate | None = None
        self.before_read: Gate | None = None
        self.writes = 0
        self.reads = 0
        self.leases = 0
        self.deletions = 0
        self.failure: Exception | None = None
        self.write_failure: Exception | None = None  # of a store that can be read

    async def read(self, name):
        self.reads += 1
        if self.before_read is not None:
            await self.before_read.wait()
        if self.failure is not None:
            raise self.failure
        return await self.inner.read(name)

    async def compare_and_set(self, name, data, *, expected):
        if self.before_write is not None:
            await self.before_write.wait()
        self.writes += 1
        if failure := self.failure or self.write_failure:
            raise failure
        version = await self.inner.compare_and_set(name, data, expected=expected)
        if self.after_write is not None:
            await self.after_write.wait()
        return version

    async def delete(self, name, *, expected):
        self.deletions += 1
        await self.inner.delete(name, expected=expected)

    def lock(self, name, *, timeout) -> AbstractAsyncContextManager[None]:
        self.leases += 1
        return self.inner.lock(name, timeout=timeout)


class World:
    """All that a session lives in."""

    def __init__(self, **fake_arguments) -> None:
        self.clock = ManualClock()
        self.fake = FakeCognito(clock=self.clock, **fake_arguments)
        self.transport = GatedTransport(self.fake)
        self.client = httpx.AsyncClient(transport=self.transport)
        self.pool_id = self.fake.create_identity_pool()
        self.store: SessionStore = MemoryStore()
        self._seen = 0

    @property
    def name(self) -> str:
        """The name of the default session's record."""
        return f"{self.pool_id}/default"

    def pool(self, **arguments) -> IdentityPool:
        return IdentityPool(self.pool_id, **arguments)

    def allow_guests(self, *, allowed: bool = True) -> None:
        self.fake.update_identity_pool(self.pool_id, guest_access=allowed)

    def auth(self, pool=None, *, store=None, clock=None, **arguments) -> FederatedAuth:
        names = {"session_name", "http_client", "token_source", "user_pool"}
        given = {name: arguments.pop(name) for name in names & arguments.keys()}
        given.setdefault("http_client", self.client)
        settings = AuthSettings(clock=clock or self.clock, **arguments)
        return FederatedAuth(
            pool or self.pool_id, store=store or self.store, settings=settings, **given
        )

    def guest_auth(self, **arguments) -> FederatedAuth:
        return self.auth(self.pool(guest_access=True), **arguments)

    def token(self, subject="alice", provider=AuthProvider.GOOGLE, **arguments) -> str:
        return self.fake.issue_token(provider, subject, **arguments)

    def calls(self) -> list[str]:
        """Return the operations called since this was asked last."""
        seen, self._seen = self._seen, len(self.fake.calls)
        return [call.operation for call in self.fake.calls[seen:]]

    def last_input(self) -> dict:
        return self.fake.calls[-1].input


async def federate(auth, token, provider=AuthProvider.GOOGLE, **arguments):
    return await auth.federate_to_identity_pool(token, provider, **arguments)
