"""What happens to a session where stores fail, processes restart, and callers come and go."""

import anyio
import pytest

from amplify_federation import (
    Expired,
    Federated,
    SignedOut,
    StoreUnavailableError,
)
from tests.session.kit import BOTH, GET_CREDENTIALS, HOUR, GatedStore, federate

pytestmark = pytest.mark.anyio


async def test_a_guest_is_kept_in_memory_where_the_record_cannot_be_written(world):
    world.allow_guests()
    store = GatedStore(world.store)
    async with world.guest_auth(store=store) as auth:
        store.failure = None
        await auth.fetch_auth_session()
        world.calls()
    # A new guest, whose record cannot be written but whose store can be read.
    store = OnlyReadable(world.store)
    async with world.guest_auth(store=store, session_name="another") as auth:
        first = await auth.fetch_auth_session()
        assert isinstance(first.renewal_error, StoreUnavailableError)
        again = await auth.fetch_auth_session()
        assert again.identity_id == first.identity_id
        assert again.credentials == first.credentials
    assert world.calls() == BOTH


class OnlyReadable:
    """A store whose disk is full."""

    def __init__(self, inner):
        self._inner = inner

    async def read(self, name):
        return await self._inner.read(name)

    async def compare_and_set(self, _name, _data, *, expected):
        raise StoreUnavailableError(f"no space left for {expected}")

    async def delete(self, name, *, expected):
        await self._inner.delete(name, expected=expected)

    def lock(self, name, *, timeout):
        return self._inner.lock(name, timeout=timeout)


async def test_renewed_credentials_are_kept_in_memory_where_they_cannot_be_written(world):
    async with world.auth() as auth:
        await federate(auth, world.token(lifetime=9 * HOUR))
    world.calls()
    async with world.auth(store=OnlyReadable(world.store)) as auth:
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
    async with world.auth(store=OnlyReadable(world.store), token_source=source) as auth:
        world.clock.advance(2 * HOUR)
        first = await auth.fetch_auth_session()
        assert isinstance(first.renewal_error, StoreUnavailableError)
        assert (await auth.fetch_auth_session()).credentials == first.credentials
    assert len(reasons) == 1


async def test_a_record_of_the_first_snapshots_is_read(world):
    async with world.auth() as auth:
        await federate(auth, world.token())
        name = auth._session.context.repository.name
    found = await world.store.read(name)
    old = found.data.replace(b'"federation_id"', b'"lineage"')
    assert old != found.data
    await world.store.compare_and_set(name, old, expected=found.version)
    async with world.auth() as auth:
        assert isinstance(auth.state, Federated)


async def test_reading_a_record_that_makes_no_sense_leaves_it_alone(world):
    async with world.auth() as auth:
        await federate(auth, world.token())
        name = auth._session.context.repository.name
    found = await world.store.read(name)
    await world.store.compare_and_set(name, b"{}", expected=found.version)
    async with world.auth() as auth:
        assert auth.state == SignedOut()
    assert (await world.store.read(name)).data == b"{}"


async def test_forcing_looks_at_the_store_now(world):
    async with world.auth() as one, world.auth() as other:
        assert not (await one.fetch_auth_session()).is_signed_in
        await federate(other, world.token())
        assert (await one.fetch_auth_session(force_refresh=True)).is_signed_in


async def test_a_process_that_restarted_tells_listeners_that_the_session_expired(world):
    async with world.auth() as auth:
        await federate(auth, world.token(lifetime=HOUR))
    world.clock.advance(2 * HOUR)
    world.calls()
    async with world.auth() as restarted:
        assert isinstance(restarted.state, Federated)
        async with restarted.events() as stream:
            with anyio.fail_after(10):
                event = await anext(stream)  # and nobody fetches
        assert event.kind == "session_expired"
        assert isinstance(restarted.state, Expired)
    assert world.calls() == [GET_CREDENTIALS]  # asked once, for the time and the token


async def test_a_listener_does_not_ask_again_and_again_while_the_network_is_down(world):
    async with world.auth(max_attempts=1) as auth:
        await federate(auth, world.token(lifetime=HOUR))
    world.clock.advance(2 * HOUR)
    world.calls()
    async with world.auth(max_attempts=1) as restarted:
        session = restarted._session
        world.transport.cut = True
        for _ in range(5):
            await session.notice()
        world.transport.cut = False
        assert world.calls() == []
        world.clock.advance(31)
        await session.notice()
        assert isinstance(restarted.state, Expired)
