"""What happens to a session where stores fail, processes restart, and callers come and go."""

import anyio

from amplify_federation import (
    Expired,
    Federated,
    SignedOut,
    StoreUnavailableError,
)
from tests.concurrency import PATIENCE
from tests.session.kit import BOTH, GET_CREDENTIALS, HOUR, GatedStore, federate
from tests.virtual_time import virtual_time


def only_readable(store):
    """Return a store whose disk is full."""
    full = GatedStore(store)
    full.write_failure = StoreUnavailableError("no space left")
    return full


async def test_a_guest_is_kept_in_memory_where_the_record_cannot_be_written(world):
    world.allow_guests()
    async with world.guest_auth(store=only_readable(world.store)) as auth:
        first = await auth.fetch_auth_session()
        assert isinstance(first.renewal_error, StoreUnavailableError)
        world.clock.advance(1)
        again = await auth.fetch_auth_session()
        assert again.identity_id == first.identity_id
        assert again.credentials == first.credentials
        assert isinstance(again.renewal_error, StoreUnavailableError)
    assert world.calls() == BOTH


async def test_renewed_credentials_are_kept_in_memory_where_they_cannot_be_written(world):
    async with world.auth() as auth:
        await federate(auth, world.token(lifetime=9 * HOUR))
    world.calls()
    async with world.auth(store=only_readable(world.store)) as auth:
        world.clock.advance(HOUR)
        renewed = await auth.fetch_auth_session()
        assert isinstance(renewed.renewal_error, StoreUnavailableError)
        assert (await auth.fetch_auth_session()).credentials == renewed.credentials
    assert world.calls() == [GET_CREDENTIALS]


async def test_a_source_is_asked_once_where_what_it_gave_cannot_be_written(world):
    reasons = []

    async def source(request):
        reasons.append(request.reason)
        return world.token(lifetime=9 * HOUR)

    async with world.auth() as auth:
        await federate(auth, world.token(lifetime=HOUR))
    async with world.auth(store=only_readable(world.store), token_source=source) as auth:
        world.clock.advance(2 * HOUR)
        first = await auth.fetch_auth_session()
        assert isinstance(first.renewal_error, StoreUnavailableError)
        assert (await auth.fetch_auth_session()).credentials == first.credentials
    assert len(reasons) == 1


async def test_a_record_of_the_first_snapshots_is_read(world):
    async with world.auth() as auth:
        await federate(auth, world.token())
    found = await world.store.read(world.name)
    old = found.data.replace(b'"federation_id"', b'"lineage"')
    assert old != found.data
    await world.store.compare_and_set(world.name, old, expected=found.version)
    async with world.auth() as auth:
        assert isinstance(auth.state, Federated)


async def test_reading_a_record_that_makes_no_sense_leaves_it_alone(world):
    async with world.auth() as auth:
        await federate(auth, world.token())
    found = await world.store.read(world.name)
    await world.store.compare_and_set(world.name, b"{}", expected=found.version)
    async with world.auth() as auth:
        assert auth.state == SignedOut()
    assert (await world.store.read(world.name)).data == b"{}"


async def test_forcing_looks_at_the_store_now(world):
    async with world.auth() as one, world.auth() as other:
        assert not (await one.fetch_auth_session()).is_signed_in
        await federate(other, world.token())
        assert (await one.fetch_auth_session(force_refresh=True)).is_signed_in


@virtual_time
async def test_a_process_that_restarted_tells_listeners_that_the_session_expired(world):
    async with world.auth() as auth:
        await federate(auth, world.token(lifetime=HOUR))
    world.clock.advance(2 * HOUR)
    world.calls()
    async with world.auth() as restarted, restarted.events() as stream:
        assert isinstance(restarted.state, Federated)
        with anyio.fail_after(PATIENCE):
            event = await anext(stream)  # and nobody fetches
        assert event.kind == "session_expired"
        assert isinstance(restarted.state, Expired)
    assert world.calls() == [GET_CREDENTIALS]  # asked once, for the time and the token


@virtual_time
async def test_a_listener_does_not_ask_again_and_again_while_the_network_is_down(world):
    async with world.auth(max_attempts=1) as auth:
        await federate(auth, world.token(lifetime=HOUR))
    world.clock.advance(2 * HOUR)
    async with world.auth(max_attempts=1) as restarted, restarted.events() as stream:
        world.transport.cut = True
        world.transport.requests = 0
        with anyio.move_on_after(20):
            await anext(stream)
        assert world.transport.requests == 1
        world.transport.cut = False
        world.clock.advance(31)
        assert (await anext(stream)).kind == "session_expired"


@virtual_time
async def test_a_listener_renews_no_credentials(world):
    async with world.auth() as auth, auth.events() as stream:
        await federate(auth, world.token(lifetime=9 * HOUR))
        await anext(stream)
        world.calls()
        world.clock.advance(2 * HOUR)
        with anyio.move_on_after(5):
            await anext(stream)
        assert world.calls() == []
        assert isinstance(auth.state, Federated)
