"""The ways from `FederatedAuth` to a socket, and the session that must survive what comes back."""

import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import cache
from pathlib import Path

import httpx
import httpx2
import pytest

from amplify_federation import (
    AuthProvider,
    AuthSettings,
    FederatedAuth,
    FederatedUsers,
    FederationResult,
    IdentityPool,
    MemoryStore,
)
from amplify_federation.testing import FakeCognito, ManualClock
from tests.concurrency import PATIENCE
from tests.fire.server import CREDENTIALS

POOL_ID = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768"
# LeanTransport, which a user gets without a client, and a stock client of one's own.
PATHS = ("lean", "httpx")


@cache
def _context(authorities: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authorities)


class Way:
    """One way to an endpoint."""

    def __init__(self, path: str, monkeypatch: pytest.MonkeyPatch, authorities: str) -> None:
        self.path = path
        self._authorities = authorities
        monkeypatch.setenv("SSL_CERT_FILE", authorities)
        monkeypatch.setenv("AMPLIFY_FEDERATION_TRANSPORT", "lean")

    @asynccontextmanager
    async def auth(
        self,
        url: str,
        *,
        store: MemoryStore | None = None,
        client_timeout: float = 2 * PATIENCE,
        **settings: object,
    ) -> AsyncIterator[FederatedAuth]:
        """Open a handle whose calls go to `url` this way, and close all there is to close."""
        given = AuthSettings(**{"timeout": PATIENCE, "max_attempts": 1, **settings})
        pool = IdentityPool(POOL_ID, endpoint_url=url)
        async with AsyncExitStack() as stack:
            client = self._client(client_timeout)
            if client is not None:
                stack.push_async_callback(client.aclose)
            auth = FederatedAuth(
                pool, store=store or MemoryStore(), http_client=client, settings=given
            )
            yield await stack.enter_async_context(auth)

    @asynccontextmanager
    async def users(
        self, pool_id: str, url: str, **settings: object
    ) -> AsyncIterator[FederatedUsers]:
        """Open many users' sessions over one way to `url`, and close all there is to close."""
        pool = IdentityPool(pool_id, endpoint_url=url)
        async with AsyncExitStack() as stack:
            client = self._client(PATIENCE)
            if client is not None:
                stack.push_async_callback(client.aclose)
            users = FederatedUsers(
                pool, store=MemoryStore(), http_client=client, settings=AuthSettings(**settings)
            )
            yield await stack.enter_async_context(users)

    def _client(self, timeout: float) -> httpx.AsyncClient | httpx2.AsyncClient | None:
        verify = _context(self._authorities)
        if self.path == "httpx":
            return httpx.AsyncClient(verify=verify, timeout=timeout, follow_redirects=True)
        if self.path == "httpx2":
            return httpx2.AsyncClient(verify=verify, timeout=timeout, follow_redirects=True)
        return None


class Previous:
    """A session federated before the trouble, and a token of another user who comes with it."""

    def __init__(self, result: FederationResult, data: bytes, token: str, new_token: str) -> None:
        self.result = result
        self.token = token
        self.new_token = new_token
        self._data = data
        self._name = f"{POOL_ID}/default"

    @property
    def secrets(self) -> tuple[str, ...]:
        """All that no error may show."""
        held = self.result.credentials
        return (
            *(self.token, self.new_token, held.secret_access_key, held.session_token),
            *(CREDENTIALS["SecretKey"], CREDENTIALS["SessionToken"]),
        )

    async def store(self) -> MemoryStore:
        """Return a store that holds the session."""
        store = MemoryStore()
        await store.compare_and_set(self._name, self._data, expected=None)
        return store

    async def is_untouched_in(self, store: MemoryStore) -> bool:
        """Tell whether the store holds the session, and was never written."""
        record = await store.read(self._name)
        return record is not None and (record.version, record.data) == ("1", self._data)


async def federated_before(clock: ManualClock) -> Previous:
    """Federate at a server that is well."""
    fake = FakeCognito(clock=clock)
    fake_pool = fake.create_identity_pool()
    token = fake.issue_token(AuthProvider.GOOGLE, "alice")
    store = MemoryStore()
    async with httpx.AsyncClient(transport=_Renamed(fake, fake_pool)) as client:
        settings = AuthSettings(clock=clock)
        async with FederatedAuth(
            POOL_ID, store=store, http_client=client, settings=settings
        ) as auth:
            result = await auth.federate_to_identity_pool(token, AuthProvider.GOOGLE)
    record = await store.read(f"{POOL_ID}/default")
    assert record is not None
    return Previous(result, record.data, token, fake.issue_token(AuthProvider.GOOGLE, "mallory"))


class _Renamed(httpx.AsyncBaseTransport):
    """The fake's transport, for a pool id that the tests know beforehand."""

    def __init__(self, fake: FakeCognito, fake_pool: str) -> None:
        self._fake, self._fake_pool = fake, fake_pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        content = (await request.aread()).replace(POOL_ID.encode(), self._fake_pool.encode())
        headers = {**request.headers, "content-length": str(len(content))}
        return await self._fake.respond(
            httpx.Request("POST", request.url, headers=headers, content=content)
        )


def open_descriptors() -> set[tuple[str, str]] | None:
    """Return what the process has open; `None` where the system does not tell."""
    if sys.platform != "linux":
        return None
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that lists the folder
            found.add((entry.name, str(entry.readlink())))
    return found
