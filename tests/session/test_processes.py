"""Several real processes on one folder: one renewal for all, a clear seen, events told once."""

import sys
import textwrap
import time

import anyio
import pytest

from amplify_federation import (
    AuthProvider,
    AuthSettings,
    EncryptedFileStore,
    FederatedAuth,
    IdentityPool,
)
from amplify_federation.testing import FakeCognito
from tests.concurrency import PATIENCE, concurrently
from tests.session.kit import BOTH, GET_CREDENTIALS

PROGRAM = """
import sys, time, anyio
from amplify_federation import (
    AuthSettings, EncryptedFileStore, FederatedAuth, IdentityPool,
)

class Later:
    def time(self):
        return time.time() + float(sys.argv[4])
    def monotonic(self):
        return time.monotonic() + float(sys.argv[4])

async def main():
    pool = IdentityPool(sys.argv[1], endpoint_url=sys.argv[2])
    store, settings = EncryptedFileStore(sys.argv[3]), AuthSettings(clock=Later())
    async with FederatedAuth(pool, store=store, settings=settings) as auth, auth.events() as events:
        print("ready", flush=True)
        sys.stdin.readline()
        {body}

anyio.run(main, backend="{backend}")
"""


class Machine:
    """A service on loopback and a folder."""

    def __init__(self, url, fake, pool_id, folder, backend):
        self.fake = fake
        self.pool = IdentityPool(pool_id, endpoint_url=url)
        self.folder = folder
        self._url = url
        self._backend = backend

    def auth(self, later=0.0):
        class Later:
            def time(self):
                return time.time() + later

            def monotonic(self):
                return time.monotonic() + later

        return FederatedAuth(
            self.pool, store=EncryptedFileStore(self.folder), settings=AuthSettings(clock=Later())
        )

    async def federate(self):
        async with self.auth() as auth:
            token = self.fake.issue_token(AuthProvider.GOOGLE, "alice", lifetime=90_000)
            return await auth.federate_to_identity_pool(token, AuthProvider.GOOGLE)

    async def start(self, body, later=0.0):
        program = PROGRAM.format(body=textwrap.indent(body, " " * 8).strip(), backend=self._backend)
        arguments = (self.pool.identity_pool_id, self._url, str(self.folder), str(later))
        process = await anyio.open_process([sys.executable, "-c", program, *arguments], stderr=None)
        child = Child(process)
        assert await child.line() == "ready"
        return child


class Child:
    def __init__(self, process):
        self._process = process
        self._buffer = b""

    async def line(self):
        while b"\n" not in self._buffer:
            self._buffer += await self._process.stdout.receive()
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode()

    async def go(self):
        await self._process.stdin.send(b"\n")

    async def rest(self):
        text = self._buffer
        async for piece in self._process.stdout:
            text += piece
        await self._process.wait()
        await self._process.aclose()
        assert self._process.returncode == 0
        return text.decode().splitlines()


@pytest.fixture
async def machine(tmp_path, anyio_backend_name):
    fake = FakeCognito()
    pool_id = fake.create_identity_pool()
    async with fake.serve() as url:
        with anyio.fail_after(3 * PATIENCE):
            yield Machine(url, fake, pool_id, tmp_path / "s", anyio_backend_name)


async def test_three_processes_with_stale_credentials_make_one_renewal(machine):
    await machine.federate()
    machine.fake.advance(3595)
    fetch = "print((await auth.fetch_auth_session()).credentials.access_key_id)"
    children = await concurrently(*(machine.start(fetch, later=3595) for _ in range(3)))
    for child in children:
        await child.go()
    keys = [(await child.rest())[-1] for child in children]
    assert len(set(keys)) == 1
    assert [call.operation for call in machine.fake.calls] == [*BOTH, GET_CREDENTIALS]


async def test_a_clear_and_a_federation_are_told_in_another_process_once(machine):
    listen = "for _ in range(2): print((await anext(events)).kind, flush=True)"
    child = await machine.start(listen)
    await child.go()
    await machine.federate()
    assert await child.line() == "federated"
    async with machine.auth() as auth:
        await auth.clear_federation_to_identity_pool()
    assert await child.rest() == ["federation_cleared"]


async def test_a_federation_in_another_process_is_found_without_a_call(machine):
    result = await machine.federate()
    child = await machine.start("print((await auth.fetch_auth_session()).identity_id)")
    await child.go()
    assert await child.rest() == [result.identity_id]
    assert [call.operation for call in machine.fake.calls] == BOTH


async def test_another_users_federation_in_another_process_replaces_the_session(machine):
    await machine.federate()
    body = """
error = None
while error is None:
    await anyio.sleep(0.05)
    error = (await auth.fetch_auth_session()).credentials_result.error
print(type(error).__name__)
"""
    child = await machine.start(body)
    await child.go()
    async with machine.auth() as auth:
        token = machine.fake.issue_token(AuthProvider.GOOGLE, "bob")
        await auth.federate_to_identity_pool(token, AuthProvider.GOOGLE)
    assert (await child.rest())[-1] == "InvalidStateError"
