"""Guests: got once, kept, renewed under one identity, refused for a minute."""

import anyio
import pytest

from amplify_federation import (
    NetworkError,
    NotAuthorizedError,
    SignedOut,
    SignedOutError,
    TooManyRequestsError,
)
from tests.session.kit import BOTH, GET_CREDENTIALS, GET_ID, HOUR, Door, federate

OVER = HOUR - 5


async def test_a_guest_is_got_once_without_logins_and_kept(world):
    world.allow_guests()
    async with world.guest_auth() as auth:
        session = await auth.fetch_auth_session()
        assert world.calls() == BOTH
        assert all("Logins" not in call.input for call in world.fake.calls)
        assert not session.is_signed_in
        assert session.identity_id
        assert session.credentials
        for result in (session.user_pool_tokens_result, session.user_sub_result):
            assert type(result.error) is SignedOutError
        assert (await auth.fetch_auth_session()).credentials == session.credentials
        assert world.calls() == []
        assert isinstance(auth.state, SignedOut)


async def test_a_pools_role_is_not_asked_for_a_guest(world):
    world.allow_guests()
    pool = world.pool(guest_access=True, custom_role_arn="arn:aws:iam::123456789012:role/reader")
    async with world.auth(pool) as auth:
        await auth.fetch_auth_session()
        assert "CustomRoleArn" not in world.last_input()


async def test_a_guest_is_kept_in_the_store(world):
    world.allow_guests()
    async with world.guest_auth() as auth:
        first = await auth.fetch_auth_session()
    world.calls()
    async with world.guest_auth() as auth:
        again = await auth.fetch_auth_session()
        assert world.calls() == []
        assert again.identity_id == first.identity_id
        assert again.credentials == first.credentials


@pytest.mark.parametrize("force", [False, True])
async def test_a_guest_is_renewed_under_the_same_identity(world, force):
    world.allow_guests()
    async with world.guest_auth() as auth:
        first = await auth.fetch_auth_session()
        world.calls()
        if not force:
            world.clock.advance(OVER)
        again = await auth.fetch_auth_session(force_refresh=force)
        assert world.calls() == [GET_CREDENTIALS]
        assert again.identity_id == first.identity_id
        assert again.credentials != first.credentials


async def test_a_guest_that_is_gone_is_replaced_by_one_get_id(world):
    world.allow_guests()
    async with world.guest_auth() as auth:
        first = await auth.fetch_auth_session()
        world.fake.delete_identity(first.identity_id)
        world.calls()
        world.clock.advance(OVER)
        again = await auth.fetch_auth_session()
        assert world.calls() == [GET_CREDENTIALS, *BOTH]
        assert again.identity_id != first.identity_id


async def test_refused_guests_are_in_the_fields_and_remembered_for_a_minute(world):
    async with world.guest_auth() as auth:
        for seconds in (0, 30, 29.9):
            world.clock.advance(seconds)
            session = await auth.fetch_auth_session()
            assert not session.is_signed_in
            assert type(session.identity_id_result.error) is NotAuthorizedError
            assert type(session.credentials_result.error) is NotAuthorizedError
            assert type(session.user_sub_result.error) is SignedOutError
        assert world.calls() == [GET_ID]
        world.allow_guests()
        world.clock.advance(0.1)
        assert (await auth.fetch_auth_session()).credentials


@pytest.mark.parametrize("force", [False, True])
async def test_a_guest_fault_on_the_way_sits_in_the_fields_and_is_tried_again(world, force):
    world.allow_guests()
    async with world.guest_auth(max_attempts=1) as auth:
        world.fake.fail_next("TooManyRequestsException")
        session = await auth.fetch_auth_session(force_refresh=force)
        assert type(session.credentials_result.error) is TooManyRequestsError
        assert (await auth.fetch_auth_session()).credentials


async def test_a_guest_in_an_outage_is_a_network_error_and_not_signed_out(world):
    world.allow_guests()
    async with world.guest_auth() as auth:
        world.wire.cut = True
        session = await auth.fetch_auth_session()
        assert isinstance(session.credentials_result.error, NetworkError)
        assert type(session.user_sub_result.error) is SignedOutError


async def test_valid_guest_credentials_stay_through_a_failed_renewal(world):
    world.allow_guests()
    async with world.guest_auth() as auth:
        first = await auth.fetch_auth_session()
        world.wire.cut = True
        again = await auth.fetch_auth_session(force_refresh=True)
        assert again.credentials == first.credentials
        assert isinstance(again.renewal_error, NetworkError)


async def test_a_hundred_callers_cause_one_guest(world):
    world.allow_guests()
    async with world.guest_auth() as auth:
        sessions = []

        async def fetching():
            sessions.append(await auth.fetch_auth_session())

        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(fetching)
        assert world.calls() == BOTH
        assert len({session.identity_id for session in sessions}) == 1


async def test_a_stored_guest_is_not_shown_where_guests_are_not_allowed_any_more(world):
    world.allow_guests()
    async with world.guest_auth() as auth:
        await auth.fetch_auth_session()
    async with world.auth() as auth:
        session = await auth.fetch_auth_session()
        assert type(session.credentials_result.error) is SignedOutError


async def test_a_guest_that_arrives_after_a_federation_does_not_replace_it(world):
    world.allow_guests()
    async with world.guest_auth() as auth:
        door = world.wire.after[GET_ID] = Door()
        sessions = []

        async def fetching():
            sessions.append(await auth.fetch_auth_session())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fetching)
            await door.arrived.wait()
            del world.wire.after[GET_ID]
            result = await federate(auth, world.token())
            door.open()
        assert sessions[0].is_signed_in
        assert sessions[0].identity_id == result.identity_id
        assert auth.state.identity_id == result.identity_id
