import time

import httpx
import pytest

from amplify_federation import (
    AuthProvider,
    AuthSettings,
    EncryptedFileStore,
    FederatedAuth,
)
from amplify_federation.cli.checks.finding import Verdict
from amplify_federation.cli.checks.standing import session_finding
from amplify_federation.cli.target import Target
from amplify_federation.cli.terminal.exit_codes import ExitCode
from amplify_federation.testing import FakeCognito, ManualClock

HOUR = 3600.0


@pytest.fixture
def clock():
    return ManualClock(time.time())


@pytest.fixture
def fake(clock):
    return FakeCognito(clock=clock)


@pytest.fixture
def pool(fake):
    return fake.create_identity_pool()


@pytest.fixture
def target(pool, tmp_path):
    return Target(pool, folder=tmp_path / "sessions")


@pytest.fixture
async def auth(fake, clock, pool, target):
    settings = AuthSettings(clock=clock)
    async with (
        httpx.AsyncClient(transport=fake.transport) as client,
        FederatedAuth(
            pool, store=EncryptedFileStore(target.folder), http_client=client, settings=settings
        ) as auth,
    ):
        token = fake.issue_token(AuthProvider.GOOGLE, "alice")
        await auth.federate_to_identity_pool(token, AuthProvider.GOOGLE)
        yield auth


async def test_nobody_signed_in_is_told_with_the_command(target):
    finding = await session_finding(target)
    assert finding.verdict is Verdict.NOTE
    assert "amplify-federation federate" in finding.advice


async def test_a_federated_session_is_told_without_a_call(auth, target, fake):
    calls = len(fake.calls)
    finding = await session_finding(target)
    assert finding.verdict is Verdict.OK
    assert "federated" in finding.found
    assert len(fake.calls) == calls


async def test_an_expired_session_is_told(auth, target, fake):
    fake.advance(3 * HOUR)
    await auth.fetch_auth_session()
    finding = await session_finding(target)
    assert "expired" in finding.found


async def test_a_store_that_cannot_be_read_is_wrong(auth, target, monkeypatch):
    monkeypatch.setenv("AMPLIFY_FEDERATION_KEY", "A" * 43 + "=")
    finding = await session_finding(target)
    assert (finding.verdict, finding.exit_code) == (Verdict.WRONG, ExitCode.STORE)
