"""Two handles on one store: what one does the other sees, and nothing stale overwrites it."""

import anyio
import httpx
import pytest

from amplify_federation import (
    AuthEventKind,
    EncryptedFileStore,
    Expired,
    Federated,
    InvalidStateError,
    SignedOut,
    SignedOutError,
    StoreUnavailableError,
)
from tests.concurrency import PATIENCE, Gate, concurrently, pending
from tests.session.kit import (
    GET_CREDENTIALS,
    HOUR,
    STORE_KEY,
    GatedStore,
    federate,
)

OVER = HOUR - 5


pytestmark = pytest.mark.usefixtures("each_store")


def store_of(world):
    """Return the store as another process has it: its own object on the same records."""
    if isinstance(world.store, EncryptedFileStore):
        return EncryptedFileStore(world.store.path, key=STORE_KEY)
    return world.store


async def drained(stream, count):
    with anyio.fail_after(PATIENCE):
        return [(await anext(stream)).kind for _ in range(count)]


async def test_a_renewal_by_one_is_seen_by_the_other_within_a_second(world):
    async with world.auth() as a, world.auth(store=store_of(world)) as b:
        await federate(a, world.token())
        world.clock.advance(1)
        await b.fetch_auth_session()
        renewed = await a.fetch_auth_session(force_refresh=True)
        world.calls()
        world.clock.advance(1)
        assert (await b.fetch_auth_session()).credentials == renewed.credentials
        assert world.calls() == []


async def test_a_clear_by_one_is_seen_by_the_other_within_a_second(world):
    async with world.auth() as a, world.auth(store=store_of(world)) as b:
        await federate(a, world.token())
        world.clock.advance(1)
        assert (await b.fetch_auth_session()).is_signed_in
        await a.clear_federation_to_identity_pool()
        world.clock.advance(1)
        session = await b.fetch_auth_session()
        assert type(session.credentials_result.error) is SignedOutError
        assert isinstance(b.state, SignedOut)


async def test_a_stale_handle_never_overwrites_a_clear(world):
    async with world.auth() as a, world.auth(store=store_of(world)) as b:
        await federate(a, world.token())
        world.clock.advance(1)
        await b.fetch_auth_session()
        gate = world.transport.after[GET_CREDENTIALS] = Gate()
        async with pending(b.fetch_auth_session(force_refresh=True), at=gate):
            await a.clear_federation_to_identity_pool()
        assert isinstance(b.state, SignedOut)
        async with world.auth(store=store_of(world)) as c:
            assert isinstance(c.state, SignedOut)


async def test_each_change_is_told_once_to_each_handle(world):
    async with (
        world.auth() as a,
        world.auth(store=store_of(world)) as b,
        a.events() as of_a,
        b.events() as of_b,
    ):
        for step in (
            lambda: federate(a, world.token()),
            lambda: b.fetch_auth_session(force_refresh=True),
            a.clear_federation_to_identity_pool,
        ):
            await step()
            world.clock.advance(1)
            await a.fetch_auth_session()
            await b.fetch_auth_session()
        expected = [
            AuthEventKind.FEDERATED,
            AuthEventKind.CREDENTIALS_RENEWED,
            AuthEventKind.FEDERATION_CLEARED,
        ]
        assert await drained(of_a, 3) == expected
        assert await drained(of_b, 3) == expected
        await a.aclose()
        await b.aclose()
        assert [event async for event in of_a] == []
        assert [event async for event in of_b] == []


async def test_a_listener_alone_notices_what_the_other_did(world):
    async with world.auth() as a, world.auth(store=store_of(world)) as b, b.events() as stream:
        await federate(a, world.token())
        with anyio.fail_after(PATIENCE):
            event = await anext(stream)
        assert (event.kind, event.state) == (AuthEventKind.FEDERATED, "federated")


async def test_events_name_the_change_and_the_state(world):
    async with world.auth() as auth, auth.events() as stream:
        await federate(auth, world.token())
        await auth.fetch_auth_session(force_refresh=True)
        world.clock.advance(3 * HOUR)
        await auth.fetch_auth_session()
        await federate(auth, world.token())
        await federate(auth, world.token("bob"))
        await auth.clear_federation_to_identity_pool()
        await auth.clear_federation_to_identity_pool()  # no change
    assert [(str(e.kind), e.state) async for e in stream] == [
        ("federated", "federated"),
        ("credentials_renewed", "federated"),
        ("session_expired", "expired"),
        ("federated", "federated"),
        ("federated", "federated"),
        ("federation_cleared", "signed_out"),
    ]


async def test_events_are_sent_after_the_store_was_written(world):
    async with world.auth() as auth, auth.events() as stream:

        async def listening():
            await anext(stream)
            async with world.auth(store=store_of(world)) as other:
                assert isinstance(other.state, Federated)

        await concurrently(listening(), federate(auth, world.token()))


async def test_a_slow_listener_blocks_no_other_and_loses_the_oldest(world):
    async with world.auth() as auth, auth.events() as slow, auth.events() as quick:
        await federate(auth, world.token())
        assert (await anext(quick)).kind is AuthEventKind.FEDERATED
        for _ in range(66):
            await auth.fetch_auth_session(force_refresh=True)
        assert slow.dropped == 3
        assert (await anext(slow)).kind is AuthEventKind.CREDENTIALS_RENEWED
        assert quick.dropped == 2


async def test_a_session_that_lapses_is_told_to_a_listener_though_nobody_fetches(world):
    async with world.auth(remember_token=False) as auth, auth.events() as stream:
        await federate(auth, world.token())
        await anext(stream)
        world.clock.advance(2 * HOUR)
        assert await drained(stream, 1) == [AuthEventKind.SESSION_EXPIRED]
        assert isinstance(auth.state, Expired)


# Another user in the store


async def test_a_handle_never_adopts_another_users_record(world):
    async with world.auth() as a, world.auth(store=store_of(world)) as b:
        mine = await federate(a, world.token("alice"))
        theirs = await federate(b, world.token("bob"))
        world.clock.advance(1)
        for force in (False, True):
            session = await a.fetch_auth_session(force_refresh=force)
            assert not session.is_signed_in
            for result in (session.identity_id_result, session.credentials_result):
                assert type(result.error) is InvalidStateError
                assert "another federation replaced this session" in result.error.message
        assert a.state.identity_id == mine.identity_id
        assert (await b.fetch_auth_session()).credentials == theirs.credentials


async def test_a_replaced_handle_may_federate_again(world):
    async with world.auth() as a, world.auth(store=store_of(world)) as b:
        await federate(a, world.token("alice"))
        await federate(b, world.token("bob"))
        world.clock.advance(1)
        await a.fetch_auth_session()
        again = await federate(a, world.token("alice"))
        assert (await a.fetch_auth_session()).credentials == again.credentials
        world.clock.advance(1)
        replaced = await b.fetch_auth_session()
        assert type(replaced.credentials_result.error) is InvalidStateError


async def test_the_same_users_federation_elsewhere_is_adopted(world):
    async with world.auth() as a, world.auth(store=store_of(world)) as b:
        await federate(a, world.token("alice"))
        elsewhere = await federate(b, world.token("alice"))
        world.clock.advance(1)
        assert (await a.fetch_auth_session()).credentials == elsewhere.credentials


async def test_a_handle_never_shows_its_own_save_as_somebody_elses(world):
    world.store = GatedStore(world.store)
    async with world.auth() as auth:
        await federate(auth, world.token("alice"))
        gate = world.store.after_write = Gate()
        async with pending(federate(auth, world.token("bob")), at=gate):
            world.clock.advance(1)
            assert (await auth.fetch_auth_session()).is_signed_in
        assert (await auth.fetch_auth_session()).is_signed_in


# Old records, no records, strange records


async def test_a_record_that_was_put_back_is_ignored(world):
    async with world.auth() as auth:
        await federate(auth, world.token())
        old = await world.store.read(world.name)
        renewed = await auth.fetch_auth_session(force_refresh=True)
        new = await world.store.read(world.name)
        await world.store.compare_and_set(world.name, old.data, expected=new.version)
        world.clock.advance(1)
        assert (await auth.fetch_auth_session()).credentials == renewed.credentials
        await auth.fetch_auth_session(force_refresh=True)  # and the next save replaces it
        async with world.auth(store=store_of(world)) as other:
            assert other.state.credentials == auth.state.credentials


async def test_a_cleared_session_that_was_put_back_stays_cleared_here(world):
    async with world.auth() as auth:
        await federate(auth, world.token())
        old = await world.store.read(world.name)
        await auth.clear_federation_to_identity_pool()
        new = await world.store.read(world.name)
        await world.store.compare_and_set(world.name, old.data, expected=new.version)
        world.clock.advance(1)
        assert not (await auth.fetch_auth_session()).is_signed_in


async def test_a_record_that_somebody_deleted_is_a_signed_out_session(world):
    async with world.auth() as auth, auth.events() as stream:
        await federate(auth, world.token())
        await world.store.delete(world.name, expected=None)
        world.clock.advance(1)
        assert not (await auth.fetch_auth_session()).is_signed_in
        assert await drained(stream, 2) == [
            AuthEventKind.FEDERATED,
            AuthEventKind.FEDERATION_CLEARED,
        ]


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b"\xff", b'{"v":1}', b"x" * 1000])
async def test_a_record_that_makes_no_sense_counts_as_signed_out(world, data):
    await world.store.compare_and_set(world.name, data, expected=None)
    async with world.auth() as auth:
        assert isinstance(auth.state, SignedOut)
        await federate(auth, world.token())
        assert (await auth.fetch_auth_session()).is_signed_in


async def test_what_was_read_before_a_write_does_not_undo_it(world):
    class Slow(GatedStore):
        after_read = None

        async def read(self, name):
            found = await super().read(name)
            if self.after_read is not None:
                await self.after_read.wait()
            return found

    store = Slow(world.store)
    async with world.auth(store=store) as auth:
        world.clock.advance(1)
        gate = store.after_read = Gate()
        async with pending(auth.fetch_auth_session(), at=gate):
            store.after_read = None
            await federate(auth, world.token())
        assert isinstance(auth.state, Federated)


async def test_a_record_after_one_that_was_deleted_unseen_is_no_old_one(world):
    async with world.auth() as a, world.auth(store=store_of(world)) as b:
        await federate(a, world.token())
        await a.fetch_auth_session(force_refresh=True)
        await world.store.delete(world.name, expected=None)
        world.clock.advance(1)
        elsewhere = await federate(b, world.token())
        assert (await a.fetch_auth_session()).credentials == elsewhere.credentials


async def test_a_write_that_failed_and_was_done_is_noticed_at_once(world):
    class Unsure(GatedStore):
        async def compare_and_set(self, name, data, *, expected):
            await super().compare_and_set(name, data, expected=expected)
            raise StoreUnavailableError("the answer was lost")

    async with world.auth(store=Unsure(world.store)) as auth:
        with pytest.raises(StoreUnavailableError):
            await federate(auth, world.token())
        assert (await auth.fetch_auth_session()).is_signed_in


async def test_a_session_that_was_stored_before_is_no_news_to_a_listener(world):
    async with world.auth() as auth:
        await federate(auth, world.token())
    again = world.auth(store=store_of(world))
    async with again.events() as stream:
        await again.fetch_auth_session()
        await again.clear_federation_to_identity_pool()
        assert await drained(stream, 1) == [AuthEventKind.FEDERATION_CLEARED]
    await again.aclose()


async def test_a_handle_serves_again_when_its_own_user_is_back(world):
    async with world.auth() as a, world.auth(store=store_of(world)) as b:
        await federate(a, world.token("alice"))
        await federate(b, world.token("bob"))
        world.clock.advance(1)
        assert not (await a.fetch_auth_session()).is_signed_in
        back = await federate(b, world.token("alice"))
        world.clock.advance(1)
        assert (await a.fetch_auth_session()).credentials == back.credentials


async def test_an_identity_that_cognito_merged_for_one_handle_is_adopted_by_the_other(world):
    async def respond(request):
        answer = await world.transport.handle_async_request(request)
        content = (await answer.aread()).replace(identity, merged)
        return httpx.Response(answer.status_code, content=content)

    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(respond)) as client,
        world.auth() as a,
        world.auth(store=store_of(world), http_client=client) as b,
    ):
        identity = (await federate(a, world.token())).identity_id.encode()
        merged = identity[:-4] + b"0000"
        renewed = await b.fetch_auth_session(force_refresh=True)
        world.clock.advance(1)
        session = await a.fetch_auth_session()
        assert session.identity_id == renewed.identity_id == merged.decode()


async def test_the_collection_of_a_tombstone_takes_no_session_that_came_meanwhile(world):
    class Late(GatedStore):
        async def delete(self, name, *, expected):
            await federate(elsewhere, world.token())
            await super().delete(name, expected=expected)

    async with world.auth(store=Late(world.store)) as auth, world.auth() as elsewhere:
        await federate(elsewhere, world.token())
        await elsewhere.clear_federation_to_identity_pool()
        world.clock.advance(25 * HOUR)
        await auth.fetch_auth_session()
        async with world.auth(store=store_of(world)) as third:
            assert isinstance(third.state, Federated)


async def test_one_renewal_serves_two_handles(world):
    async with world.auth() as a, world.auth(store=store_of(world)) as b:
        await federate(a, world.token())
        world.clock.advance(1)
        await b.fetch_auth_session()
        world.clock.advance(OVER)
        world.calls()
        sessions = await concurrently(*(auth.fetch_auth_session() for auth in (a, b) * 10))
        assert world.calls() == [GET_CREDENTIALS]
        assert len({session.credentials.access_key_id for session in sessions}) == 1


async def test_the_fresh_path_reads_the_store_twice_a_second_at_most(world):
    world.store = GatedStore(world.store)
    async with world.auth() as auth:
        await federate(auth, world.token())
        before, leases = world.store.reads, world.store.leases
        for _ in range(1000):
            await auth.fetch_auth_session()
        assert world.store.reads == before
        for _ in range(10):
            world.clock.advance(0.5)
            await auth.fetch_auth_session()
            await auth.fetch_auth_session()
        assert world.store.reads == before + 10
        assert world.store.leases == leases


async def test_a_clear_and_a_renewal_that_save_at_once_end_cleared(world):
    world.store = GatedStore(world.store)
    async with world.auth() as auth:
        await federate(auth, world.token())
        gate = world.store.before_write = Gate()
        async with (
            pending(auth.fetch_auth_session(force_refresh=True), at=gate),
            pending(auth.clear_federation_to_identity_pool(), at=gate),
        ):
            pass
        assert isinstance(auth.state, SignedOut)
        async with world.auth(store=world.store.inner) as other:
            assert isinstance(other.state, SignedOut)
