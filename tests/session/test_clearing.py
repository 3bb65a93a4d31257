"""What a clear leaves in the store, and for how long; how a guest is forgotten."""

import pytest

from amplify_federation import Federated, SignedOut
from tests.concurrency import concurrently
from tests.session.kit import federate

DAY = 86_400.0


pytestmark = pytest.mark.usefixtures("each_store")


async def test_a_tombstone_stays_for_a_day_and_is_collected_then(world):
    async with world.auth() as auth:
        await federate(auth, world.token())
        await auth.clear_federation_to_identity_pool()
    world.clock.advance(DAY - 1)
    async with world.auth():
        assert await world.store.read(world.name) is not None
    world.clock.advance(1)
    async with world.auth() as auth:
        assert await world.store.read(world.name) is None
        assert isinstance(auth.state, SignedOut)
        await federate(auth, world.token())
        assert (await auth.fetch_auth_session()).is_signed_in


async def test_a_process_collects_its_own_tombstone_after_a_day(world):
    async with world.auth() as auth:
        await federate(auth, world.token())
        await auth.clear_federation_to_identity_pool()
        world.clock.advance(DAY)
        assert not (await auth.fetch_auth_session()).is_signed_in
        assert await world.store.read(world.name) is None
        await federate(auth, world.token())
        assert (await auth.fetch_auth_session()).is_signed_in


async def test_a_record_that_makes_no_sense_is_no_tombstone(world):
    await world.store.compare_and_set(world.name, b"{}", expected=None)
    async with world.auth() as auth:
        world.clock.advance(DAY)
        assert not (await auth.fetch_auth_session()).is_signed_in
    assert await world.store.read(world.name) is not None


async def test_a_federation_during_the_collection_of_a_tombstone_stays(world):
    async with world.auth() as auth:
        await federate(auth, world.token())
        await auth.clear_federation_to_identity_pool()
        world.clock.advance(DAY)
        await concurrently(federate(auth, world.token()), auth.fetch_auth_session())
        assert (await auth.fetch_auth_session()).is_signed_in
    async with world.auth() as again:
        assert (await again.fetch_auth_session()).is_signed_in


async def test_a_guest_is_forgotten_when_told_and_not_by_a_clear(world):
    world.allow_guests()
    async with world.guest_auth() as auth:
        first = (await auth.fetch_auth_session()).identity_id
        await auth.clear_federation_to_identity_pool()
        assert (await auth.fetch_auth_session()).identity_id == first
        await auth.forget_guest()
        assert auth.state == SignedOut()
        assert (await auth.fetch_auth_session()).identity_id != first
    async with world.guest_auth() as restarted:
        assert (await restarted.fetch_auth_session()).identity_id != first


async def test_forgetting_a_guest_leaves_a_federation_alone(world):
    async with world.auth() as auth:
        await federate(auth, world.token())
        await auth.forget_guest()
        assert isinstance(auth.state, Federated)
