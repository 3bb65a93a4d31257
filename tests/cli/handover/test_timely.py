from datetime import UTC, datetime

import httpx
import pytest

from amplify_federation import AuthProvider, AuthSettings, FederatedAuth, MemoryStore
from amplify_federation.cli.handover.timely import timely_session
from amplify_federation.testing import FakeCognito, ManualClock


@pytest.mark.parametrize(("minutes_left", "calls"), [(60, 0), (17, 0), (15, 1), (6, 1)])
async def test_what_boto_would_ask_for_again_within_a_quarter_of_an_hour_is_renewed(
    minutes_left, calls
):
    clock = ManualClock()
    fake = FakeCognito(clock=clock)
    pool = fake.create_identity_pool()
    settings = AuthSettings(clock=clock)
    async with (
        httpx.AsyncClient(transport=fake.transport) as client,
        FederatedAuth(pool, store=MemoryStore(), http_client=client, settings=settings) as auth,
    ):
        token = fake.issue_token(AuthProvider.GOOGLE, "alice")
        await auth.federate_to_identity_pool(token, AuthProvider.GOOGLE)
        before = len(fake.calls)
        fake.advance(60 * (60 - minutes_left))
        session = await timely_session(auth, now=datetime.fromtimestamp(clock.time(), UTC))
        assert len(fake.calls) - before == calls
        assert session.is_signed_in


async def test_what_is_still_good_is_given_if_it_cannot_be_renewed():
    clock = ManualClock()
    fake = FakeCognito(clock=clock)
    pool = fake.create_identity_pool()
    settings = AuthSettings(clock=clock)
    async with (
        httpx.AsyncClient(transport=fake.transport) as client,
        FederatedAuth(pool, store=MemoryStore(), http_client=client, settings=settings) as auth,
    ):
        token = fake.issue_token(AuthProvider.GOOGLE, "alice")
        first = await auth.federate_to_identity_pool(token, AuthProvider.GOOGLE)
        fake.advance(50 * 60)
        fake.deactivate_token(token)
        session = await timely_session(auth, now=datetime.fromtimestamp(clock.time(), UTC))
        assert session.credentials == first.credentials
