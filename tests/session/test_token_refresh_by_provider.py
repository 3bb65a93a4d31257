"""A session with a refresh grant gets its new tokens at the provider, in every process."""

import anyio
import httpx
import pytest

from amplify_federation import (
    AuthEventKind,
    ConfigurationError,
    Expired,
    Federated,
    MemoryStore,
    NetworkError,
    RefreshGrant,
    SessionExpiredError,
    SignedOut,
    StoreUnavailableError,
    ValidationError,
)
from tests.concurrency import Gate, concurrently, pending
from tests.oidc.kit import CLIENT, GOOGLE, HOUR, Person, World, signed_in

pytest.importorskip("authlib", reason="needs Authlib: pip install 'amplify-federation[login]'")


@pytest.fixture
async def world():
    world = World()
    async with world.http:
        yield world


@pytest.fixture
def store():
    return MemoryStore()


@pytest.fixture
async def signed(world):
    return await signed_in(Person(world))


@pytest.fixture
async def auth(world, store, signed):
    async with world.auth(store) as auth:
        await auth.federate_to_identity_pool(
            signed.id_token, GOOGLE, refresh_grant=signed.refresh_grant
        )
        world.requests.clear()
        yield auth


def grant_of(auth):
    return auth.state.linked_logins[0].refresh_grant


def requests_to(world, end):
    return [request for request in world.requests if request.url.path.endswith(end)]


def intercept(world, **answers):
    """Have requests whose path ends so answered otherwise: by a response, or a call."""

    async def respond(request):
        answer = answers.get(request.url.path.rpartition("/")[2])
        if isinstance(answer, httpx.Response):
            return answer
        if answer is not None:
            await answer(request)
        return await world.fake.transport.handle_async_request(request)

    world.http._transport = httpx.MockTransport(respond)


def let_through(world):
    world.http._transport = world.fake.transport


async def test_credentials_follow_without_the_user(world, auth, signed):
    identity = auth.state.identity_id
    seen = {signed.refresh_grant.refresh_token}
    for _ in range(3):
        world.fake.advance(2 * HOUR)
        session = await auth.fetch_auth_session()
        assert session.is_signed_in
        assert session.identity_id == identity
        seen.add(grant_of(auth).refresh_token)
    assert len(seen) == 4  # this provider replaces it each time


async def test_while_the_id_token_serves_no_refresh_is_made(world, auth):
    world.fake.advance(HOUR - 5)
    assert (await auth.fetch_auth_session()).is_signed_in
    assert requests_to(world, "/token") == []


async def test_another_handle_over_the_record_follows(world, auth, store):
    world.fake.advance(2 * HOUR)
    async with world.auth(store) as other:
        assert (await other.fetch_auth_session()).is_signed_in
        rotated = grant_of(other)
    world.requests.clear()
    world.fake.advance(1)
    assert (await auth.fetch_auth_session()).is_signed_in
    assert grant_of(auth) == rotated
    assert world.requests == []


async def test_many_callers_make_one_refresh(world, auth):
    world.fake.advance(2 * HOUR)
    await concurrently(*(auth.fetch_auth_session() for _ in range(20)))
    assert len(requests_to(world, "/token")) == 1


async def test_an_application_with_a_source_of_its_own_is_asked(world, auth, store):
    asked = []

    async def source(request):
        asked.append(request)
        return world.fake.issue_token(GOOGLE, "alice")

    world.fake.advance(2 * HOUR)
    async with world.auth(store, token_source=source) as other:
        assert (await other.fetch_auth_session()).is_signed_in
    assert len(asked) == 1
    assert requests_to(world, "/token") == []


async def test_a_new_refresh_token_is_stored_before_the_id_token_is_used(world, auth, store):
    """The process ends between the two; the next one has the new refresh token."""
    old = grant_of(auth)
    gate = Gate()
    intercept(world, **{"jwks.json": lambda _request: gate.wait()})
    world.fake.advance(2 * HOUR)
    async with pending(auth.fetch_auth_session(), at=gate) as dying:
        dying.cancel()
        await dying.wait()
    let_through(world)
    async with world.auth(store) as next_one:
        assert grant_of(next_one).refresh_token != old.refresh_token
        assert (await next_one.fetch_auth_session()).is_signed_in


async def test_a_deadline_behind_a_stored_rotation_is_no_success(world, auth, monkeypatch):
    scopes, move_on_after = [], anyio.move_on_after

    def remembered(seconds):
        scopes.append(move_on_after(seconds))
        return scopes[-1]

    async def hang(_request):
        assert grant_of(auth) != old
        for scope in scopes[1:]:  # those within the caller's own
            scope.deadline = anyio.current_time()
        await anyio.sleep_forever()

    old = grant_of(auth)
    intercept(world, **{"jwks.json": hang})
    world.fake.advance(2 * HOUR)
    monkeypatch.setattr(anyio, "move_on_after", remembered)
    session = await auth.fetch_auth_session()
    assert isinstance(session.credentials_result.error, NetworkError)
    assert session.is_signed_in
    let_through(world)
    assert (await auth.fetch_auth_session()).credentials is not None


async def test_a_refresh_token_that_helps_no_more_expires_the_session(world, auth, store):
    intercept(world, token=httpx.Response(400, json={"error": "invalid_grant"}))
    async with auth.events() as events:
        world.fake.advance(2 * HOUR)
        session = await auth.fetch_auth_session()
        assert (await anext(events)).kind is AuthEventKind.SESSION_EXPIRED
    error = session.credentials_result.error
    assert isinstance(error, SessionExpiredError)
    assert "`amplify-federation login`" in error.recovery_suggestion
    assert not session.is_signed_in
    assert isinstance(auth.state, Expired)
    assert grant_of(auth) is None
    world.requests.clear()
    again = await auth.fetch_auth_session()
    assert again.credentials_result.error.recovery_suggestion == error.recovery_suggestion
    async with world.auth(store) as other:
        other_error = (await other.fetch_auth_session()).credentials_result.error
        assert "login" in other_error.recovery_suggestion
    assert world.requests == []


async def test_the_advice_of_a_refused_refresh_token_helps(world, auth):
    intercept(world, token=httpx.Response(400, json={"error": "invalid_grant"}))
    identity = auth.state.identity_id
    world.fake.advance(2 * HOUR)
    error = (await auth.fetch_auth_session()).credentials_result.error
    assert "call `sign_in`" in error.recovery_suggestion
    let_through(world)
    signed = await signed_in(Person(world))
    await auth.federate_to_identity_pool(
        signed.id_token, GOOGLE, refresh_grant=signed.refresh_grant
    )
    world.fake.advance(2 * HOUR)
    assert (await auth.fetch_auth_session()).identity_id == identity


async def test_a_refused_refresh_token_leaves_good_credentials_alone(world, auth):
    world.fake.set_up_provider(GOOGLE, lifetime=60.0)
    signed = await signed_in(Person(world))
    await auth.federate_to_identity_pool(
        signed.id_token, GOOGLE, refresh_grant=signed.refresh_grant
    )
    intercept(world, token=httpx.Response(400, json={"error": "invalid_grant"}))
    world.fake.advance(500)  # the ID token is over, the credentials are not
    session = await auth.fetch_auth_session(force_refresh=True)
    assert session.credentials is not None
    assert "login" in session.renewal_error.recovery_suggestion
    assert isinstance(auth.state, Federated)
    assert grant_of(auth) is None


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(503), Exception),
        (httpx.Response(401, json={"error": "invalid_client"}), ConfigurationError),
        (httpx.Response(200, html="<html>"), Exception),
    ],
)
async def test_trouble_at_the_provider_is_no_sign_out(world, auth, answer, kind):
    before = grant_of(auth)
    intercept(world, token=answer)
    world.fake.advance(2 * HOUR)
    session = await auth.fetch_auth_session()
    assert session.is_signed_in
    assert isinstance(session.credentials_result.error, kind)
    assert isinstance(auth.state, Federated)
    assert grant_of(auth) == before
    let_through(world)
    assert (await auth.fetch_auth_session()).credentials is not None


async def test_no_network_to_the_provider_is_no_sign_out(world, auth):
    async def cut(request):
        raise httpx.ConnectError("no route", request=request)

    intercept(world, **{"openid-configuration": cut})
    world.fake.advance(2 * HOUR)
    session = await auth.fetch_auth_session()
    assert isinstance(session.credentials_result.error, NetworkError)
    assert isinstance(auth.state, Federated)


async def test_an_expired_session_comes_back_by_its_refresh_grant(world, auth, store):
    async def source(_request):
        raise LookupError

    world.fake.advance(2 * HOUR)
    async with world.auth(store, token_source=source) as other:
        await other.fetch_auth_session()
        assert isinstance(other.state, Expired)
    world.fake.advance(1)
    assert (await auth.fetch_auth_session()).is_signed_in
    assert isinstance(auth.state, Federated)


async def test_another_users_id_token_is_refused(world, auth):
    async def answer(_request):
        world.fake.set_up_provider(GOOGLE, claims={"sub": "mallory"})

    identity = auth.state.identity_id
    intercept(world, token=answer)
    world.fake.advance(2 * HOUR)
    session = await auth.fetch_auth_session()
    assert isinstance(session.credentials_result.error, SessionExpiredError)
    assert auth.state.identity_id == identity
    assert isinstance(auth.state, Expired)


async def test_a_clear_forgets_it_and_ends_what_came_too_late(world, auth):
    async def clear(_request):
        if not isinstance(auth.state, SignedOut):
            await auth.clear_federation_to_identity_pool()

    intercept(world, token=clear)
    world.fake.advance(2 * HOUR)
    session = await auth.fetch_auth_session()
    assert not session.is_signed_in
    assert auth.state == SignedOut()
    assert len(requests_to(world, "/revoke")) == 1  # the refresh token that nobody keeps


async def test_a_store_that_fails_keeps_the_new_refresh_token_in_memory(
    world, auth, store, monkeypatch
):
    async def fail(*_arguments, **_named):
        message = "no space"
        raise StoreUnavailableError(message)

    world.fake.advance(2 * HOUR)
    with monkeypatch.context() as patch:
        patch.setattr(store, "compare_and_set", fail)
        with pytest.raises(StoreUnavailableError):
            await auth.fetch_auth_session()
    assert (await auth.fetch_auth_session()).is_signed_in


async def test_a_token_that_is_not_remembered_is_refreshed_all_the_same(world, store, signed):
    world.settings = type(world.settings)(clock=world.clock, remember_token=False)
    async with world.auth(store) as auth:
        await auth.federate_to_identity_pool(
            signed.id_token, GOOGLE, refresh_grant=signed.refresh_grant
        )
        world.fake.advance(2 * HOUR)
        assert (await auth.fetch_auth_session()).is_signed_in
        assert auth.state.linked_logins[0].token is None


async def test_a_federation_without_one_forgets_it(world, auth):
    await auth.federate_to_identity_pool(world.fake.issue_token(GOOGLE, "alice"), GOOGLE)
    assert grant_of(auth) is None


@pytest.mark.parametrize(
    "wrong",
    [
        "refresh-token",
        RefreshGrant(issuer="https://example.com", client_id=CLIENT, refresh_token="r"),
    ],
)
async def test_what_is_no_grant_of_the_provider_is_refused(world, store, wrong):
    async with world.auth(store) as auth:
        with pytest.raises(ValidationError):
            await auth.federate_to_identity_pool("token", GOOGLE, refresh_grant=wrong)
    assert world.requests == []


async def test_a_process_without_the_extra_says_so_and_leaves_the_session(world, auth, monkeypatch):
    def missing():
        message = "Signing in at an OpenID provider needs Authlib."
        raise ConfigurationError(message)

    world.fake.advance(2 * HOUR)
    with monkeypatch.context() as patch:
        patch.setattr("amplify_federation._oidc.client.check_installed", missing)
        session = await auth.fetch_auth_session()
    assert isinstance(session.credentials_result.error, ConfigurationError)
    assert isinstance(auth.state, Federated)
    assert (await auth.fetch_auth_session()).credentials is not None
