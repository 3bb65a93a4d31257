"""A new process finds the stored session, and needs no network while it is fresh."""

import os
import subprocess
import sys

import anyio
import httpx
import pytest

from amplify_federation import (
    AuthProvider,
    AuthSettings,
    EncryptedFileStore,
    Expired,
    Federated,
    FederatedAuth,
    IdentityPool,
    NetworkError,
    SignedOut,
)
from amplify_federation.testing import FakeCognito, ManualClock

HOUR = 3600.0


class NoNetwork(httpx.AsyncBaseTransport):
    async def handle_async_request(self, request):
        raise httpx.ConnectError("no network", request=request)


class Machine:
    def __init__(self, path):
        self.clock = ManualClock()
        self.fake = FakeCognito(clock=self.clock)
        self.pool = self.fake.create_identity_pool()
        self.path = path

    def process(self, transport=None) -> FederatedAuth:
        """Return a handle that shares nothing with the one before but the folder."""
        client = httpx.AsyncClient(transport=transport or self.fake.transport)
        return FederatedAuth(
            self.pool,
            store=EncryptedFileStore(self.path),
            http_client=client,
            settings=AuthSettings(clock=self.clock),
        )

    async def federate(self, **token):
        async with self.process() as auth:
            token = self.fake.issue_token(AuthProvider.GOOGLE, "alice", **token)
            return await auth.federate_to_identity_pool(token, AuthProvider.GOOGLE)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path / "sessions")


async def test_a_fresh_session_is_found_without_the_network(machine):
    result = await machine.federate()
    machine.clock.advance(1800)
    async with machine.process(NoNetwork()) as auth:
        assert isinstance(auth.state, Federated)
        session = await auth.fetch_auth_session()
        assert session.is_signed_in
        assert session.identity_id == result.identity_id
        assert session.credentials == result.credentials
        assert session.renewal_error is None


async def test_credentials_that_are_over_are_renewed_by_the_new_process(machine):
    result = await machine.federate()
    machine.clock.advance(HOUR - 1)
    async with machine.process() as auth:
        session = await auth.fetch_auth_session()
        assert session.identity_id == result.identity_id
        assert session.credentials != result.credentials
        assert [call.operation for call in machine.fake.calls[2:]] == ["GetCredentialsForIdentity"]


async def test_an_outage_after_a_restart_is_a_network_error_and_not_signed_out(machine):
    await machine.federate()
    machine.clock.advance(HOUR - 1)
    async with machine.process(NoNetwork()) as auth:
        session = await auth.fetch_auth_session()
        assert session.is_signed_in
        assert isinstance(session.credentials_result.error, NetworkError)
        assert isinstance(auth.state, Federated)


async def test_an_expired_session_is_found_expired_and_keeps_its_identity(machine):
    result = await machine.federate()
    machine.clock.advance(3 * HOUR)
    async with machine.process() as auth:
        await auth.fetch_auth_session()
    async with machine.process(NoNetwork()) as auth:
        assert isinstance(auth.state, Expired)
        assert auth.state.identity_id == result.identity_id
    calls = len(machine.fake.calls)
    again = await machine.federate()
    assert again.identity_id == result.identity_id
    assert len(machine.fake.calls) == calls + 1


async def test_a_cleared_session_is_found_signed_out(machine):
    await machine.federate()
    async with machine.process() as auth:
        await auth.clear_federation_to_identity_pool()
    async with machine.process(NoNetwork()) as auth:
        assert isinstance(auth.state, SignedOut)


async def test_nothing_readable_is_on_the_disk(machine):
    result = await machine.federate()
    token = machine.fake.calls[0].input["Logins"]["accounts.google.com"]
    secrets = (
        token,
        result.identity_id,
        result.credentials.access_key_id,
        result.credentials.secret_access_key,
        machine.pool,
    )
    for path in machine.path.iterdir():
        for secret in secrets:
            assert secret.encode() not in path.read_bytes()
            assert secret not in path.name


@pytest.mark.parametrize("days", [-2, 2])
async def test_a_wrong_local_clock_does_not_end_a_session_at_a_restart(machine, days):
    # The service is right and the machine's clock wrong, by days, in every process.
    machine.fake.skew = days * 86_400.0
    result = await machine.federate()
    async with machine.process() as auth:
        session = await auth.fetch_auth_session()
        assert session.is_signed_in
        assert session.identity_id == result.identity_id
        assert session.credentials
        assert isinstance(auth.state, Federated)


async def test_a_fresh_process_reads_the_file_by_itself_if_it_is_not_entered(machine):
    await machine.federate()
    auth = machine.process(NoNetwork())
    with anyio.fail_after(30):
        assert (await auth.fetch_auth_session()).is_signed_in
    await auth.aclose()


RESTART = """
import asyncio, sys
from amplify_federation import EncryptedFileStore, FederatedAuth

async def main():
    async with FederatedAuth(sys.argv[1], store=EncryptedFileStore(sys.argv[2])) as auth:
        session = await auth.fetch_auth_session()
        assert session.credentials.session_token

asyncio.run(main())
print(*sys.modules)
"""
UNNEEDED = {
    "amplify_federation._session.federation", "amplify_federation._session.renewal",
    "amplify_federation._session.renewal_methods", "amplify_federation._session.token_refresh",
    "amplify_federation._session.user_pool",
    "amplify_federation._model.machine", "amplify_federation._model.claims",
    "amplify_federation._configuration", "amplify_federation.users",
    "httpx", "httptools", "h11", "email",
}  # fmt: skip


async def stored_session(folder):
    fake = FakeCognito()
    pool_id = fake.create_identity_pool(providers=[AuthProvider.GOOGLE])
    store = EncryptedFileStore(folder)
    async with (
        httpx.AsyncClient(transport=fake.transport) as client,
        FederatedAuth(IdentityPool(pool_id), store=store, http_client=client) as auth,
    ):
        token = fake.issue_token(AuthProvider.GOOGLE, "alice")
        await auth.federate_to_identity_pool(token, AuthProvider.GOOGLE)
    return pool_id


COMMAND = """
import sys
from amplify_federation.cli import main

sys.argv = ["amplify-federation", "credentials", "--pool", sys.argv[1], "--store", sys.argv[2]]
try:
    main()
finally:
    print(*sys.modules)
"""


@pytest.mark.parametrize(
    ("code", "unneeded"), [(RESTART, UNNEEDED), (COMMAND, UNNEEDED | {"pathlib", "shutil"})]
)
def test_a_restart_with_good_credentials_loads_nothing_that_it_does_not_need(
    tmp_path, code, unneeded
):
    folder = tmp_path / "sessions"
    pool_id = anyio.run(stored_session, folder)
    run = subprocess.run(
        [sys.executable, "-c", code, pool_id, str(folder)],
        env={**os.environ, "COVERAGE_PROCESS_START": ""},  # coverage loads much itself
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert not set(run.stdout.split()) & unneeded
