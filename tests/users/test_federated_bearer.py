"""FederatedBearer: the live session of one token, for AWS clients and jobs."""

import anyio
import pytest

from amplify_federation import (
    AuthProvider,
    Federated,
    InvalidStateError,
    NetworkError,
    NotAuthorizedError,
    SessionExpiredError,
    SignedOut,
)
from tests.users.kit import BOTH, GET_CREDENTIALS, DooredStore

GOOGLE, APPLE = AuthProvider.GOOGLE, AuthProvider.APPLE
HOUR = 3_600.0


@pytest.fixture(params=["memory", "elsewhere"])
def stored(request, town):
    if request.param == "elsewhere":
        town.store = DooredStore(town.store)
    return town


async def test_making_one_calls_nobody_and_its_first_fetch_federates(town):
    users, token = town.users(), town.token()
    bearer = users.bearer(token, GOOGLE)
    assert (town.calls(), bearer.state) == ([], SignedOut())
    session = await bearer.fetch_auth_session()
    assert town.calls() == BOTH
    assert session == await users.session_for(token, GOOGLE)
    assert town.calls() == []
    assert (bearer.pool, bearer.settings.clock) == (town.pool(), town.clock)


async def test_it_follows_renewals(stored):
    users, token = stored.users(), stored.token(lifetime=10 * HOUR)
    bearer = users.bearer(token, GOOGLE)
    first = await bearer.fetch_auth_session()
    stored.calls()
    for _ in range(3):
        stored.fake.advance(HOUR)
        second = await bearer.fetch_auth_session()
        assert stored.calls() == [GET_CREDENTIALS]
        assert second.identity_id == first.identity_id
        assert second.credentials != first.credentials


async def test_it_serves_beyond_the_tokens_own_end_until_the_credentials_are_over(stored):
    users, token = stored.users(), stored.token(lifetime=60)
    bearer = users.bearer(token, GOOGLE)
    first = await bearer.fetch_auth_session()
    stored.calls()
    stored.fake.advance(3_000)
    await users.session_for(stored.token("another"), GOOGLE)  # which cleans up
    stored.calls()
    assert (await bearer.fetch_auth_session()).credentials == first.credentials
    assert stored.calls() == []
    with pytest.raises(NotAuthorizedError):
        await users.session_for(token, GOOGLE)  # a request that comes with it is refused
    assert (await bearer.fetch_auth_session()).credentials == first.credentials
    stored.fake.advance(600)
    stored.calls()
    ended = await bearer.fetch_auth_session()
    assert isinstance(ended.credentials_result.error, SessionExpiredError)
    assert stored.calls() == []


async def test_forced_it_renews_once_for_all(stored):
    users, token = stored.users(), stored.token()
    bearers = [users.bearer(token, GOOGLE) for _ in range(5)]
    before = {(await bearer.fetch_auth_session()).credentials for bearer in bearers}
    stored.calls()
    after = set()

    async def force(bearer):
        after.add((await bearer.fetch_auth_session(force_refresh=True)).credentials)

    async with anyio.create_task_group() as tasks:
        for bearer in bearers:
            tasks.start_soon(force, bearer)
    assert stored.calls() == [GET_CREDENTIALS]
    assert len(after) == 1
    assert not after & before
    assert (await users.session_for(token, GOOGLE)).credentials in after


async def test_a_refused_token_and_no_network_sit_in_the_fields(town):
    users = town.users(max_attempts=1)
    refused = await users.bearer(town.token(forged=True), GOOGLE).fetch_auth_session()
    assert isinstance(refused.credentials_result.error, NotAuthorizedError)
    assert not refused.is_signed_in
    town.wire.cut = True
    bearer = users.bearer(town.token(), GOOGLE)
    offline = await bearer.fetch_auth_session()
    assert isinstance(offline.credentials_result.error, NetworkError)
    town.wire.cut = False
    assert (await bearer.fetch_auth_session()).is_signed_in


async def test_a_dropped_session_comes_back_from_the_store(town):
    users = town.users(max_users=1)
    bearer = users.bearer(town.token(), GOOGLE)
    first = await bearer.fetch_auth_session()
    await users.session_for(town.token("another"), GOOGLE)
    town.calls()
    assert bearer.state == SignedOut()
    assert await bearer.fetch_auth_session() == first
    assert town.calls() == []


async def test_its_state_is_one_object_until_it_changes(stored):
    users, token = stored.users(), stored.token(lifetime=10 * HOUR)
    bearer = users.bearer(token, GOOGLE)
    await bearer.fetch_auth_session()
    state = bearer.state
    assert isinstance(state, Federated)
    assert state.logins == (GOOGLE,)
    await bearer.fetch_auth_session()
    assert bearer.state is state
    await bearer.fetch_auth_session(force_refresh=True)
    assert bearer.state is not state


async def test_two_of_one_token_are_one_key_and_two_of_two_are_two(town):
    users, others, token = town.users(), town.users(), town.token()
    one, two = users.bearer(token, GOOGLE), users.bearer(token, GOOGLE)
    assert one == two
    assert len({one, two}) == 1
    strangers = (others.bearer(token, GOOGLE), users.bearer(token, APPLE), None)
    assert one not in (users.bearer(town.token("bob"), GOOGLE), *strangers)


async def test_closed_users_end_it(town):
    users = town.users()
    bearer = users.bearer(town.token(), GOOGLE)
    await bearer.fetch_auth_session()
    await users.aclose()
    with pytest.raises(InvalidStateError):
        await bearer.fetch_auth_session()
    with pytest.raises(InvalidStateError):
        users.bearer(town.token(), GOOGLE)


@pytest.mark.parametrize("force", [False, True])
async def test_closed_users_federate_nothing_for_one_made_before(town, force):
    users = town.users()
    bearer = users.bearer(town.token(), GOOGLE)
    await users.aclose()
    with pytest.raises(InvalidStateError):
        await bearer.fetch_auth_session(force_refresh=force)
    assert town.calls() == []
