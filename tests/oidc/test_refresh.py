"""A refresh token's way to a new ID token, and what comes before that one is used."""

from datetime import UTC, datetime
from email.utils import format_datetime

import anyio
import httpx
import pytest

from amplify_federation import (
    ConfigurationError,
    ExternalServiceError,
    MalformedResponseError,
    NetworkError,
    RefreshGrant,
    SessionExpiredError,
    StoreUnavailableError,
)
from amplify_federation._oidc.refresh import refresh
from tests.oidc.kit import CLIENT, GOOGLE, ISSUER, Person, signed_in


@pytest.fixture
async def grant(world):
    return (await signed_in(Person(world))).refresh_grant


async def no_rotation(_grant):
    pytest.fail("the refresh token was not replaced")


def client_of(world, answers):
    """Return a client that gets these answers where a path ends so, else the fake's."""

    async def respond(request):
        for end, answer in answers.items():
            if request.url.path.endswith(end):
                if isinstance(answer, Exception):
                    raise answer
                return answer
        return await world.fake.transport.handle_async_request(request)

    return httpx.AsyncClient(transport=httpx.MockTransport(respond))


async def test_a_new_refresh_token_is_passed_on_before_the_id_token_is_looked_at(world, grant):
    rotated = []

    async def on_rotation(new):
        assert not any(request.url.path.endswith("jwks.json") for request in world.requests)
        rotated.append(new)

    world.requests.clear()
    token = await refresh(grant, world.http, on_rotation)
    assert token.reveal().count(".") == 2
    (new,) = rotated
    assert new.refresh_token != grant.refresh_token
    assert (new.issuer, new.client_id) == (ISSUER, CLIENT)


async def test_a_refresh_token_that_is_not_replaced_stays(world, grant):
    token = world.fake.issue_token(GOOGLE, "alice")
    for refresh_token in ({}, {"refresh_token": grant.refresh_token}, {"refresh_token": ""}):
        answer = httpx.Response(
            200,
            json={"id_token": token, **refresh_token},
            headers={"date": format_datetime(datetime.fromtimestamp(world.fake.time(), UTC))},
        )
        given = await refresh(grant, client_of(world, {"/token": answer}), no_rotation)
        assert given.reveal() == token


async def test_a_revoked_refresh_token_is_a_refusal_that_says_login(world, grant):
    async def keep(_grant):
        pass

    await refresh(grant, world.http, keep)
    with pytest.raises(SessionExpiredError) as caught:  # used twice: theft, says RFC 9700
        await refresh(grant, world.http, no_rotation)
    assert "`amplify-federation login`" in caught.value.recovery_suggestion


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ({"/token": httpx.ConnectError("no route")}, NetworkError),
        ({"/token": httpx.Response(503)}, ExternalServiceError),
        ({"/token": httpx.Response(401, json={"error": "invalid_client"})}, ConfigurationError),
        ({"/token": httpx.Response(200, json={"access_token": "a"})}, ConfigurationError),
        ({"/token": httpx.Response(200, json={"id_token": "a"})}, MalformedResponseError),
        ({"openid-configuration": httpx.Response(404)}, ConfigurationError),
    ],
)
async def test_trouble_is_no_refusal(world, grant, answers, kind):
    with pytest.raises(kind):
        await refresh(grant, client_of(world, answers), no_rotation)


async def test_a_refresh_on_its_way_is_not_called_off(world, grant):
    asked, answered, kept = anyio.Event(), anyio.Event(), []

    async def respond(request):
        response = await world.fake.transport.handle_async_request(request)
        if request.url.path.endswith("/token"):
            asked.set()
            await answered.wait()
        return response

    async def keep(new):
        kept.append(new)

    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(respond)) as client,
        anyio.create_task_group() as group,
    ):
        group.start_soon(refresh, grant, client, keep)
        await asked.wait()
        group.cancel_scope.cancel()
        answered.set()
    (new,) = kept  # else the provider had replaced the one that is stored by one that is lost
    assert (await refresh(new, world.http, keep)).reveal().count(".") == 2


async def test_what_the_storing_of_a_new_token_raises_is_raised(world, grant):
    async def fail(_grant):
        message = "no space"
        raise StoreUnavailableError(message)

    with pytest.raises(StoreUnavailableError):
        await refresh(grant, world.http, fail)


async def test_an_unsafe_issuer_is_sent_nothing(world):
    grant = RefreshGrant(issuer="http://example.com", client_id=CLIENT, refresh_token="r")
    world.requests.clear()
    with pytest.raises(ConfigurationError):
        await refresh(grant, world.http, no_rotation)
    assert world.requests == []
