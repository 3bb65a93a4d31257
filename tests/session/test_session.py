"""Fetching: every row of the table of the specification; clearing, asking for the user, closing."""

import threading

import anyio
import pytest

from amplify_federation import (
    AuthProvider,
    CallTimeoutError,
    Expired,
    Federated,
    InternalServiceError,
    InvalidIdentityPoolConfigurationError,
    InvalidStateError,
    MemoryStore,
    NetworkError,
    NotAuthorizedError,
    SessionExpiredError,
    SignedOut,
    SignedOutError,
    StoreUnavailableError,
    UserPoolTokens,
)
from tests.concurrency import Gate, pending
from tests.session.kit import (
    BOTH,
    GET_CREDENTIALS,
    GET_ID,
    HOUR,
    GatedStore,
    World,
    federate,
)
from tests.virtual_time import virtual_time

OVER = HOUR - 5  # within the margin of 10 s
INACTIVE = "Token is inactive"


def has_user_pool_error(session, kind) -> bool:
    results = (session.user_pool_tokens_result, session.user_sub_result)
    return all(type(result.error) is kind for result in results)


def assert_federated_view(session, result) -> None:
    assert session.is_signed_in
    assert session.identity_id == result.identity_id
    assert session.credentials == result.credentials
    assert has_user_pool_error(session, InvalidStateError)


def assert_expired_view(session) -> None:
    assert not session.is_signed_in
    assert type(session.identity_id_result.error) is SessionExpiredError
    assert type(session.credentials_result.error) is SessionExpiredError
    assert has_user_pool_error(session, InvalidStateError)


# The table


async def test_a_fresh_federation_is_shown_without_a_call(world):
    async with world.auth() as auth:
        result = await federate(auth, world.token())
        world.calls()
        for _ in range(3):
            assert_federated_view(await auth.fetch_auth_session(), result)
            world.clock.advance(100)
        assert world.calls() == []


async def test_credentials_that_are_over_are_renewed_by_one_call_with_the_stored_token(world):
    token = world.token()
    async with world.auth() as auth:
        result = await federate(auth, token)
        world.calls()
        world.clock.advance(OVER)
        session = await auth.fetch_auth_session()
        assert world.calls() == [GET_CREDENTIALS]
        assert world.last_input()["IdentityId"] == result.identity_id
        assert world.last_input()["Logins"] == {"accounts.google.com": token}
        assert session.is_signed_in
        assert session.credentials != result.credentials
        assert session.credentials == auth.state.credentials
        assert session.renewal_error is None
        assert has_user_pool_error(session, InvalidStateError)


async def test_force_refresh_renews_fresh_credentials_by_one_call(world):
    async with world.auth() as auth:
        result = await federate(auth, world.token())
        world.calls()
        session = await auth.fetch_auth_session(force_refresh=True)
        assert world.calls() == [GET_CREDENTIALS]
        assert session.credentials != result.credentials
        assert session.is_signed_in


async def test_a_renewal_adopts_the_identity_of_the_answer(world, monkeypatch):
    async with world.auth() as auth:
        await federate(auth, world.token())
        other = await _identity_of_another_login(world)
        original = world.fake.transport.handle_async_request

        async def merged(request):
            response = await original(request)
            content = response.content.replace(auth.state.identity_id.encode(), other.encode())
            headers = {k: v for k, v in response.headers.items() if k != "content-length"}
            return type(response)(response.status_code, headers=headers, content=content)

        monkeypatch.setattr(world.fake.transport, "handle_async_request", merged)
        session = await auth.fetch_auth_session(force_refresh=True)
        assert session.identity_id == other == auth.state.identity_id


async def _identity_of_another_login(world):
    async with world.auth(store=MemoryStore()) as auth:
        return (await federate(auth, world.token("bob"))).identity_id


async def test_a_refused_token_with_credentials_over_is_an_expired_session(world):
    token = world.token()
    async with world.auth() as auth:
        result = await federate(auth, token)
        world.fake.deactivate_token(token)
        world.calls()
        world.clock.advance(OVER)
        assert_expired_view(await auth.fetch_auth_session())
        assert world.calls() == [GET_CREDENTIALS]
        assert isinstance(auth.state, Expired)
        assert auth.state.identity_id == result.identity_id
        assert token.encode() not in (await world.store.read(world.name)).data


async def test_a_refused_token_with_credentials_valid_leaves_them_and_is_not_tried_again(world):
    token = world.token()
    async with world.auth() as auth:
        result = await federate(auth, token)
        world.fake.deactivate_token(token)
        world.calls()
        session = await auth.fetch_auth_session(force_refresh=True)
        assert world.calls() == [GET_CREDENTIALS]
        assert_federated_view(session, result)
        assert isinstance(session.renewal_error, NotAuthorizedError)
        for _ in range(2):
            assert_federated_view(await auth.fetch_auth_session(force_refresh=True), result)
        world.clock.advance(OVER)
        assert_expired_view(await auth.fetch_auth_session())
        assert world.calls() == []
        assert isinstance(auth.state, Expired)


async def test_a_new_token_is_tried_although_the_one_before_was_refused(world):
    token = world.token()
    async with world.auth() as auth:
        await federate(auth, token)
        world.fake.deactivate_token(token)
        await auth.fetch_auth_session(force_refresh=True)
        await federate(auth, world.token())
        world.calls()
        await auth.fetch_auth_session(force_refresh=True)
        assert world.calls() == [GET_CREDENTIALS]


FAULTS = {
    "service": ({"code": "InternalErrorException", "times": 3}, InternalServiceError, 3),
    "provider gone": (
        {
            "code": "NotAuthorizedException",
            "message": "Token is not from a supported provider of this identity pool.",
        },
        NotAuthorizedError,
        1,
    ),
    "role": ({"code": "InvalidIdentityPoolConfigurationException"},
             InvalidIdentityPoolConfigurationError, 1),
    "proxy page": ({"status": 403}, Exception, 1),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_that_is_not_the_tokens_sits_in_the_fields_once_credentials_are_over(
    world, fault
):
    given, error, attempts = FAULTS[fault]
    async with world.auth() as auth:
        await federate(auth, world.token())
        world.calls()
        world.clock.advance(OVER)
        world.fake.fail_next(**given)
        session = await auth.fetch_auth_session()
        assert world.calls() == [GET_CREDENTIALS] * attempts
        assert session.is_signed_in
        assert isinstance(session.identity_id_result.error, error)
        assert isinstance(session.credentials_result.error, error)
        assert has_user_pool_error(session, InvalidStateError)
        assert isinstance(auth.state, Federated)
        # and it is tried again at the next fetch
        assert (await auth.fetch_auth_session()).credentials == auth.state.credentials
        assert world.calls() == [GET_CREDENTIALS]


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_that_is_not_the_tokens_leaves_values_that_are_valid(world, fault):
    given, error, attempts = FAULTS[fault]
    async with world.auth() as auth:
        result = await federate(auth, world.token())
        world.calls()
        world.fake.fail_next(**given)
        session = await auth.fetch_auth_session(force_refresh=True)
        assert world.calls() == [GET_CREDENTIALS] * attempts
        assert_federated_view(session, result)
        assert isinstance(session.renewal_error, error)
        assert session.renewal_error.__traceback__ is None  # whose frames would stay in memory
        again = await auth.fetch_auth_session()
        assert isinstance(again.renewal_error, error)
        after = await auth.fetch_auth_session(force_refresh=True)
        assert after.renewal_error is None
        assert after.credentials != result.credentials


async def test_an_outage_is_a_network_error_and_not_signed_out(world):
    async with world.auth() as auth:
        await federate(auth, world.token())
        world.clock.advance(OVER)
        world.transport.cut = True
        session = await auth.fetch_auth_session()
        assert session.is_signed_in
        assert isinstance(session.credentials_result.error, NetworkError)
        world.transport.cut = False
        assert (await auth.fetch_auth_session()).credentials


async def test_without_a_token_valid_credentials_are_shown_and_nothing_is_asked(world):
    async with world.auth(remember_token=False) as auth:
        result = await federate(auth, world.token())
        world.calls()
        assert_federated_view(await auth.fetch_auth_session(force_refresh=True), result)
        world.clock.advance(HOUR - 60)  # due for renewal, and nothing can renew them
        session = await auth.fetch_auth_session()
        assert_federated_view(session, result)
        assert session.renewal_error is None
        world.clock.advance(60)
        assert_expired_view(await auth.fetch_auth_session(force_refresh=True))
        assert world.calls() == []


async def test_an_expired_session_makes_no_call(world):
    async with world.auth() as auth:
        await federate(auth, world.token())
        world.clock.advance(3 * HOUR)
        await auth.fetch_auth_session()
        world.calls()
        for force in (False, True):
            assert_expired_view(await auth.fetch_auth_session(force_refresh=force))
        assert world.calls() == []


async def test_an_expired_federation_never_becomes_a_guest(world):
    world.allow_guests()
    async with world.guest_auth() as auth:
        await federate(auth, world.token())
        world.clock.advance(3 * HOUR)
        for _ in range(2):
            assert_expired_view(await auth.fetch_auth_session())
        assert isinstance(auth.state, Expired)


async def test_a_token_past_its_end_and_grace_is_not_sent_again(world):
    async with world.auth() as auth:
        await federate(auth, world.token(lifetime=1000.0))
        world.calls()
        world.clock.advance(OVER)
        assert_expired_view(await auth.fetch_auth_session())
        assert world.calls() == []


async def test_a_token_past_its_end_within_the_grace_is_sent(world):
    async with world.auth() as auth:
        await federate(auth, world.token(lifetime=HOUR - 100))
        world.calls()
        world.clock.advance(OVER)
        assert (await auth.fetch_auth_session()).is_signed_in
        assert world.calls() == [GET_CREDENTIALS]


async def test_a_signed_out_session_without_guests_makes_no_call(world):
    async with world.auth() as auth:
        for force in (False, True):
            session = await auth.fetch_auth_session(force_refresh=force)
            assert not session.is_signed_in
            assert type(session.identity_id_result.error) is SignedOutError
            assert type(session.credentials_result.error) is SignedOutError
            assert has_user_pool_error(session, SignedOutError)
        assert world.calls() == []


async def test_a_fetch_does_not_wait_for_a_federation_under_way(world):
    gate = world.transport.before[GET_ID] = Gate()
    async with world.auth() as auth:
        async with pending(federate(auth, world.token()), at=gate):
            session = await auth.fetch_auth_session()
            assert type(session.credentials_result.error) is SignedOutError
        assert (await auth.fetch_auth_session()).is_signed_in


@pytest.mark.parametrize("code", [None, "InvalidParameterException"], ids=["good", "failed"])
async def test_a_fetch_whose_renewal_a_clear_overtook_says_signed_out(world, code):
    async with world.auth() as auth:
        await federate(auth, world.token())
        world.clock.advance(OVER)
        if code is not None:
            world.fake.fail_next(code)
        gate = world.transport.after[GET_CREDENTIALS] = Gate()
        async with pending(auth.fetch_auth_session(), at=gate) as fetch:
            await auth.clear_federation_to_identity_pool()
        assert not fetch.result.is_signed_in
        assert type(fetch.result.credentials_result.error) is SignedOutError
        assert isinstance(auth.state, SignedOut)


@virtual_time
async def test_a_fetch_that_meets_its_deadline_says_so_in_its_fields(world):
    async with world.auth() as auth:
        await federate(auth, world.token())
        world.clock.advance(OVER)
        world.transport.before[GET_CREDENTIALS] = Gate()
        session = await auth.fetch_auth_session()
        assert session.is_signed_in
        assert isinstance(session.credentials_result.error, CallTimeoutError)


async def test_the_errors_of_shared_sessions_do_not_share_tracebacks(world):
    async with world.auth() as auth:
        session = await auth.fetch_auth_session()
        errors = []
        for _ in range(2):
            with pytest.raises(SignedOutError) as raised:
                session.credentials  # noqa: B018  # reading raises
            errors.append(raised.value)
        assert errors[0] is not errors[1]


# A store in trouble


async def test_a_store_that_cannot_be_read_leaves_valid_credentials_in_service(world):
    world.store = GatedStore(MemoryStore())
    async with world.auth() as auth:
        result = await federate(auth, world.token())
        world.clock.advance(10)
        world.store.failure = StoreUnavailableError("gone")
        session = await auth.fetch_auth_session()
        assert session.credentials == result.credentials
        assert isinstance(session.renewal_error, StoreUnavailableError)
        world.clock.advance(OVER)
        with pytest.raises(StoreUnavailableError):
            await auth.fetch_auth_session()


async def test_a_store_that_cannot_be_read_is_raised_and_not_taken_for_signed_out(world):
    world.store = GatedStore(MemoryStore())
    world.store.failure = StoreUnavailableError("gone")
    auth = world.auth()
    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            await auth.fetch_auth_session()
    await auth.aclose()


# Clearing


async def test_a_clear_forgets_in_memory_and_store_without_a_call(world):
    token = world.token()
    async with world.auth() as auth:
        result = await federate(auth, token)
        world.calls()
        world.transport.cut = True
        await auth.clear_federation_to_identity_pool()
        assert world.calls() == []
        assert auth.state == SignedOut()
        kept = (await world.store.read(world.name)).data
        for secret in (token, result.credentials.secret_access_key, result.identity_id):
            assert secret.encode() not in kept
    async with world.auth() as again:
        assert isinstance(again.state, SignedOut)


@pytest.mark.parametrize("times", [1, 3])
async def test_clearing_what_is_not_federated_succeeds(world, times):
    async with world.auth() as auth:
        for _ in range(times):
            await auth.clear_federation_to_identity_pool()
        assert isinstance(auth.state, SignedOut)


async def test_an_expired_session_can_be_cleared(world):
    async with world.auth() as auth:
        await federate(auth, world.token())
        world.clock.advance(3 * HOUR)
        await auth.fetch_auth_session()
        await auth.clear_federation_to_identity_pool()
        assert auth.state == SignedOut()


async def test_a_clear_keeps_the_guest(world):
    world.allow_guests()
    async with world.guest_auth() as auth:
        guest = await auth.fetch_auth_session()
        await auth.clear_federation_to_identity_pool()
        assert (await auth.fetch_auth_session()).identity_id == guest.identity_id


async def test_a_clear_does_not_wait_for_a_renewal_at_the_network(world):
    async with world.auth() as auth:
        await federate(auth, world.token())
        world.clock.advance(OVER)
        gate = world.transport.before[GET_CREDENTIALS] = Gate()
        async with pending(auth.fetch_auth_session(), at=gate):
            await auth.clear_federation_to_identity_pool()
            assert isinstance(auth.state, SignedOut)
        assert isinstance(auth.state, SignedOut)


async def test_a_clear_that_the_store_refuses_is_raised_and_forgets_nothing(world):
    world.store = GatedStore(MemoryStore())
    async with world.auth() as auth:
        await federate(auth, world.token())
        world.store.failure = StoreUnavailableError("gone")
        with pytest.raises(StoreUnavailableError):
            await auth.clear_federation_to_identity_pool()
        assert isinstance(auth.state, Federated)


async def test_a_clear_after_a_clear_can_federate_again(world):
    async with world.auth() as auth:
        first = await federate(auth, world.token())
        await auth.clear_federation_to_identity_pool()
        world.calls()
        second = await federate(auth, world.token())
        assert world.calls() == BOTH  # nothing was remembered of the user
        assert second.identity_id == first.identity_id


# The user


async def test_a_federated_user_is_no_user_pool_user(world):
    async with world.auth() as auth:
        await federate(auth, world.token())
        for _ in range(2):
            with pytest.raises(InvalidStateError) as raised:
                await auth.get_current_user()
            assert raised.value.message == (
                "Users federated to Identity Pools do not have User Pool access."
            )
            assert raised.value.recovery_suggestion == (
                "Call `clear_federation_to_identity_pool`, "
                "then sign in normally to access User Pool data."
            )
            world.clock.advance(3 * HOUR)
            await auth.fetch_auth_session()  # Expired, the second time
        await auth.clear_federation_to_identity_pool()
        with pytest.raises(SignedOutError):
            await auth.get_current_user()


# The end


async def test_a_closed_session_refuses_every_call(world):
    auth = world.auth()
    async with auth:
        pass
    calls = (
        lambda: federate(auth, world.token()),
        auth.fetch_auth_session,
        auth.clear_federation_to_identity_pool,
        auth.get_current_user,
        auth.__aenter__,
    )
    for call in calls:
        with pytest.raises(InvalidStateError, match="closed"):
            await call()
    with pytest.raises(InvalidStateError, match="closed"):
        auth.events()
    await auth.aclose()  # again is no error


async def test_closing_ends_a_federation_under_way(world):
    gate = world.transport.before[GET_ID] = Gate()
    auth = world.auth()
    federation = federate(auth, world.token())
    async with pending(federation, at=gate, raises=InvalidStateError) as call:
        await auth.aclose()
        await call.wait()


async def test_a_second_event_loop_is_refused(world, anyio_backend_name):
    async with world.auth() as auth:
        await auth.fetch_auth_session()
        caught = []

        def elsewhere():
            try:
                anyio.run(auth.fetch_auth_session, backend=anyio_backend_name)
            except InvalidStateError as error:
                caught.append(error)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        await anyio.to_thread.run_sync(thread.join)
        assert "second event loop" in caught[0].message
        assert isinstance(auth.state, SignedOut)


async def test_the_state_is_signed_out_until_the_store_was_read(world):
    async with world.auth() as auth:
        await federate(auth, world.token())
    again = world.auth()
    assert isinstance(again.state, SignedOut)
    await again.fetch_auth_session()
    assert isinstance(again.state, Federated)
    await again.aclose()


async def test_two_session_names_are_two_users(world):
    async with world.auth(session_name="a") as a, world.auth(session_name="b") as b:
        one = await federate(a, world.token("alice"))
        two = await federate(b, world.token("bob"))
        assert (await a.fetch_auth_session()).identity_id == one.identity_id
        assert (await b.fetch_auth_session()).identity_id == two.identity_id


async def test_two_pools_in_one_store_are_two_sessions(world):
    another = World()
    async with world.auth() as auth, another.auth(store=world.store) as other:
        await federate(auth, world.token(), AuthProvider.GOOGLE)
        assert isinstance(other.state, SignedOut)


@virtual_time
async def test_leaving_because_of_a_cancellation_ends_what_runs_in_the_background(world):
    with anyio.CancelScope() as scope:
        async with world.auth() as auth:
            await federate(auth, world.token())
            world.clock.advance(HOUR - 200)
            world.transport.before[GET_CREDENTIALS] = Gate()
            await auth.fetch_auth_session()
            running = auth._session.context.background._running
            assert len(running) == 1
            scope.cancel()
            await anyio.lowlevel.checkpoint()
    assert running == {}


async def test_a_user_pool_session_without_a_federation_does_not_touch_the_store(world):
    class Pool:
        provider = AuthProvider.GOOGLE

        async def tokens(self):
            return UserPoolTokens(world.token())

    world.store = GatedStore(MemoryStore())
    async with world.auth(user_pool=Pool()) as auth:
        for _ in range(3):
            assert (await auth.fetch_auth_session()).is_signed_in
    assert (world.store.writes, world.store.deletions) == (0, 0)
