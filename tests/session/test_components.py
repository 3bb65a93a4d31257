"""What a process that starts with a stored session does not load."""

import os
import subprocess
import sys

import anyio
import httpx

from amplify_federation import AuthProvider, EncryptedFileStore, FederatedAuth, IdentityPool
from amplify_federation.testing import FakeCognito

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
    "amplify_federation._session.federating", "amplify_federation._session.linking",
    "amplify_federation._session.renewal.renewing", "amplify_federation._session.user_pool",
    "amplify_federation._model.machine", "amplify_federation._model.claims",
    "amplify_federation._configuration.amplify_files", "amplify_federation.users",
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


def test_a_restart_with_good_credentials_loads_no_room_that_it_does_not_need(tmp_path):
    folder = tmp_path / "sessions"
    pool_id = anyio.run(stored_session, folder)
    run = subprocess.run(
        [sys.executable, "-c", RESTART, pool_id, str(folder)],
        env={**os.environ, "COVERAGE_PROCESS_START": ""},  # coverage loads much itself
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert not set(run.stdout.split()) & UNNEEDED
