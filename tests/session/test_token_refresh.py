"""The opt-in `token_source`: when it is asked, what is taken from it, how its faults show."""

import anyio
import httpx
import pytest

from amplify_federation import (
    AuthProvider,
    Expired,
    Federated,
    InvalidStateError,
    NetworkError,
    NotAuthorizedError,
    SessionExpiredError,
    SignedOut,
    ValidationError,
)
from tests.concurrency import PATIENCE, Gate, pending
from tests.session.kit import GET_CREDENTIALS, HOUR
from tests.virtual_time import virtual_time

GOOGLE = AuthProvider.GOOGLE


class Source:
    """Gives Alice's tokens and remembers what it was asked."""

    def __init__(self, world) -> None:
        self.world = world
        self.asked = []
        self.failure = None
        self.subject = "alice"
        self.pause = None

    async def __call__(self, request):
        self.asked.append(request)
        if self.pause is not None:
            await self.pause.wait()
        if self.failure is not None:
            raise self.failure
        return self.world.token(self.subject)


@pytest.fixture
def source(world):
    return Source(world)


@pytest.fixture
async def auth(world, source):
    auth = world.auth(token_source=source)
    await auth.federate_to_identity_pool(world.token(), GOOGLE)
    return auth


async def test_the_source_is_not_asked_while_the_stored_token_serves(world, source):
    auth = world.auth(token_source=source)
    await auth.federate_to_identity_pool(world.token(lifetime=3 * HOUR), GOOGLE)
    world.fake.advance(1.5 * HOUR)
    assert (await auth.fetch_auth_session()).is_signed_in
    assert source.asked == []


async def test_a_token_past_its_time_is_replaced_by_the_sources(world, source, auth):
    before = auth.state.identity_id
    world.fake.calls.clear()
    world.fake.advance(2 * HOUR)
    session = await auth.fetch_auth_session()
    assert session.is_signed_in
    assert session.identity_id == before
    assert [(one.provider, one.identity_id, one.reason) for one in source.asked] == [
        (GOOGLE, before, "token_expired")
    ]
    # The token carries the same `iss` and `sub`, so its identity is known: no GetId.
    assert [call.operation for call in world.fake.calls] == [GET_CREDENTIALS]


async def test_a_token_that_was_not_remembered_is_asked_for(world, source):
    auth = world.auth(token_source=source, remember_token=False)
    await auth.federate_to_identity_pool(world.token(), GOOGLE)
    world.fake.advance(HOUR)
    assert (await auth.fetch_auth_session()).is_signed_in
    assert [one.reason for one in source.asked] == ["token_missing"]
    assert auth.state.linked_logins[0].token is None


async def test_a_refused_token_is_replaced_within_the_same_fetch(world, source, auth):
    world.fake.advance(HOUR - 5)
    world.fake.fail_next(
        "NotAuthorizedException", message="Token is inactive", operation=GET_CREDENTIALS
    )
    assert (await auth.fetch_auth_session()).is_signed_in
    assert [one.reason for one in source.asked] == ["token_refused"]


async def test_a_failing_source_expires_the_session_and_is_the_cause(world, source, auth):
    world.fake.advance(2 * HOUR)
    source.failure = RuntimeError("offline")
    session = await auth.fetch_auth_session()
    assert not session.is_signed_in
    assert isinstance(session.credentials_result.error, SessionExpiredError)
    assert session.credentials_result.error.__cause__ is source.failure
    with pytest.raises(SessionExpiredError) as caught:
        _ = session.identity_id
    assert caught.value.__cause__ is source.failure
    assert isinstance(auth.state, Expired)


async def test_a_failed_source_is_asked_again_after_ten_seconds_from_expired(world, source, auth):
    world.fake.advance(2 * HOUR)
    source.failure = RuntimeError("offline")
    await auth.fetch_auth_session()
    world.fake.advance(9)
    session = await auth.fetch_auth_session()
    assert len(source.asked) == 1
    assert session.credentials_result.error.__cause__ is source.failure
    source.failure = None
    world.fake.advance(1)
    assert (await auth.fetch_auth_session()).is_signed_in
    assert len(source.asked) == 2
    assert isinstance(auth.state, Federated)


async def test_another_users_token_is_refused_and_nothing_is_stored(world, source, auth):
    before = auth.state.identity_id
    world.fake.advance(2 * HOUR)
    source.subject = "mallory"
    world.fake.calls.clear()
    session = await auth.fetch_auth_session()
    assert isinstance(session.credentials_result.error.__cause__, InvalidStateError)
    assert world.fake.calls == []
    assert auth.state.identity_id == before


async def test_another_users_opaque_token_is_never_linked_to_this_identity(world):
    async def source(_request):
        return world.token("mallory", AuthProvider.FACEBOOK)

    auth = world.auth(token_source=source, remember_token=False)
    await auth.federate_to_identity_pool(
        world.token("alice", AuthProvider.FACEBOOK), AuthProvider.FACEBOOK
    )
    world.fake.advance(HOUR)
    world.fake.calls.clear()
    session = await auth.fetch_auth_session()
    assert isinstance(session.credentials_result.error.__cause__, InvalidStateError)
    assert [call.operation for call in world.fake.calls] == ["GetId"]


async def test_the_same_users_opaque_token_serves(world):
    async def source(_request):
        return world.token("alice", AuthProvider.FACEBOOK)

    auth = world.auth(token_source=source, remember_token=False)
    before = await auth.federate_to_identity_pool(
        world.token("alice", AuthProvider.FACEBOOK), AuthProvider.FACEBOOK
    )
    world.fake.advance(HOUR)
    session = await auth.fetch_auth_session()
    assert session.identity_id == before.identity_id


@pytest.mark.parametrize("rubbish", ["", None, 7, "a\nb"])
async def test_what_is_no_token_is_a_fault_of_the_source(world, rubbish):
    async def source(_request):
        return rubbish

    auth = world.auth(token_source=source)
    await auth.federate_to_identity_pool(world.token(), GOOGLE)
    world.fake.advance(2 * HOUR)
    session = await auth.fetch_auth_session()
    assert isinstance(session.credentials_result.error.__cause__, ValidationError)


async def test_a_new_token_that_cognito_refuses_is_a_fault_of_the_source(world, source, auth):
    world.fake.advance(2 * HOUR)
    world.fake.fail_next("NotAuthorizedException", message="Token is inactive")
    session = await auth.fetch_auth_session()
    assert isinstance(session.credentials_result.error, SessionExpiredError)
    assert isinstance(session.credentials_result.error.__cause__, NotAuthorizedError)


@pytest.mark.parametrize("failed_before", [False, True])
async def test_an_outage_after_the_source_answered_expires_nothing(
    world, source, auth, failed_before
):
    if failed_before:
        world.fake.fail_next("NotAuthorizedException", message="Token is inactive")
        source.failure = RuntimeError("offline")
        session = await auth.fetch_auth_session(force_refresh=True)
        assert session.credentials == auth.state.credentials  # still good, and so it stays
        assert isinstance(session.renewal_error, SessionExpiredError)
        source.failure = None
    world.fake.advance(2 * HOUR)
    world.transport.cut = True
    session = await auth.fetch_auth_session()
    assert session.is_signed_in
    assert isinstance(session.credentials_result.error, NetworkError)
    assert isinstance(auth.state, Federated)


async def test_many_callers_ask_the_source_once(world, source, auth):
    world.fake.advance(2 * HOUR)
    source.pause = Gate()
    async with pending(*(auth.fetch_auth_session() for _ in range(50)), at=source.pause) as fetches:
        pass
    assert len(source.asked) == 1
    assert all(session.is_signed_in for session in fetches.results)


async def test_a_source_that_calls_its_own_session_is_told_at_once(world):
    complaints = []

    async def source(_request):
        for call in (
            auth.fetch_auth_session,
            auth.get_current_user,
            auth.clear_federation_to_identity_pool,
        ):
            with pytest.raises(InvalidStateError, match="must not call the session") as caught:
                await call()
            complaints.append(caught.value)
        return world.token()

    auth = world.auth(token_source=source)
    await auth.federate_to_identity_pool(world.token(), GOOGLE)
    world.fake.advance(2 * HOUR)
    assert (await auth.fetch_auth_session()).is_signed_in
    assert len(complaints) == 3


async def test_a_source_may_call_another_session(world):
    other = world.auth(session_name="other")

    async def source(_request):
        await other.fetch_auth_session()
        return world.token()

    auth = world.auth(token_source=source)
    await auth.federate_to_identity_pool(world.token(), GOOGLE)
    world.fake.advance(2 * HOUR)
    assert (await auth.fetch_auth_session()).is_signed_in


async def test_two_sources_that_call_each_others_sessions_are_told_at_once(world):
    complaints = []

    async def source(_request):
        try:
            await other.fetch_auth_session()
        except InvalidStateError as error:
            complaints.append(error)
        return world.token()

    async def others(_request):
        with pytest.raises(InvalidStateError, match="must not call the session") as caught:
            await auth.fetch_auth_session()
        complaints.append(caught.value)
        return world.token("bob")

    auth = world.auth(token_source=source)
    other = world.auth(token_source=others, session_name="other")
    await auth.federate_to_identity_pool(world.token(), GOOGLE)
    await other.federate_to_identity_pool(world.token("bob"), GOOGLE)
    world.fake.advance(2 * HOUR)
    with anyio.fail_after(PATIENCE):
        assert (await auth.fetch_auth_session()).is_signed_in
    assert len(complaints) == 1


async def test_a_clear_while_the_source_is_at_work_is_not_undone(world, source, auth):
    world.fake.advance(2 * HOUR)
    source.pause = Gate()
    world.calls()
    async with pending(auth.fetch_auth_session(), at=source.pause):
        await auth.clear_federation_to_identity_pool()
    assert isinstance(auth.state, SignedOut)
    assert world.calls() == []  # its token was not sent


async def test_a_failure_of_one_federation_is_not_that_of_the_next(world, source):
    auth = world.auth(token_source=source, remember_token=False)
    await auth.federate_to_identity_pool(world.token(), GOOGLE)
    world.fake.advance(2 * HOUR)
    source.failure = RuntimeError("offline")
    await auth.fetch_auth_session()
    await auth.federate_to_identity_pool(world.token("bob"), GOOGLE)
    world.clock.suspend(2 * HOUR)  # the source is not asked again yet
    error = (await auth.fetch_auth_session()).credentials_result.error
    assert isinstance(error, SessionExpiredError)
    assert error.__cause__ is None


async def test_credentials_of_another_identity_are_refused_and_nothing_is_stored(world, source):
    async def respond(request):
        answer = await world.transport.handle_async_request(request)
        content = (await answer.aread()).replace(mine, theirs)
        return httpx.Response(answer.status_code, content=content)

    mine = theirs = b"-"
    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as client:
        auth = world.auth(token_source=source, http_client=client)
        await auth.federate_to_identity_pool(world.token(), GOOGLE)
        before = auth.state
        mine = before.identity_id.encode()
        theirs = mine[:-4] + b"0000"
        world.fake.advance(2 * HOUR)
        session = await auth.fetch_auth_session()
    assert isinstance(session.credentials_result.error.__cause__, InvalidStateError)
    assert auth.state.identity_id == before.identity_id


@virtual_time
async def test_a_hanging_source_is_cut_at_the_deadline(world, source):
    auth = world.auth(token_source=source)
    await auth.federate_to_identity_pool(world.token(), GOOGLE)
    world.fake.advance(2 * HOUR)
    source.pause = Gate()
    session = await auth.fetch_auth_session()
    assert isinstance(session.credentials_result.error, NetworkError)
    assert session.is_signed_in


def _page_is_missing():
    raise FileNotFoundError("the-canary")  # a text that no log may have


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            lambda _request: _page_is_missing(),
            "FileNotFoundError: raised in _page_is_missing, line",
        ),
        (lambda _request: "a-token", "it returned str, which cannot be awaited"),
    ],
)
async def test_the_log_of_a_failing_source_names_its_cause(world, caplog, source, said):
    auth = world.auth(token_source=source)
    await auth.federate_to_identity_pool(world.token(lifetime=HOUR), GOOGLE)
    world.clock.advance(2 * HOUR)
    session = await auth.fetch_auth_session()
    assert isinstance(session.credentials_result.error, SessionExpiredError)
    said_so = [each for each in caplog.records if each.name == "amplify_federation"]
    [record] = [each for each in said_so if each.event == "token_source_failed"]
    assert said in record.getMessage()
    assert "canary" not in record.getMessage()
