"""OidcTokenSource: for an application that keeps its own refresh token."""

import pytest

from amplify_federation import (
    ConfigurationError,
    Federated,
    MemoryStore,
    OidcTokenSource,
    SessionExpiredError,
    ValidationError,
)
from tests.concurrency import concurrently
from tests.oidc.kit import CLIENT, ISSUER, Person, signed_in


@pytest.fixture
async def refresh_token(world):
    return (await signed_in(Person(world))).refresh_grant.refresh_token


def source_of(world, refresh_token, **more):
    return OidcTokenSource(
        issuer=ISSUER,
        client_id=CLIENT,
        refresh_token=refresh_token,
        http_client=world.http,
        **more,
    )


async def test_credentials_follow_for_as_long_as_the_provider_lets_them(world):
    signed = await signed_in(Person(world))
    kept = []

    async def keep(refresh_token):
        kept.append(refresh_token)

    source = source_of(world, signed.refresh_grant.refresh_token, on_rotation=keep)
    async with world.auth(MemoryStore(), token_source=source) as auth:
        await auth.federate_to_identity_pool(signed.id_token, signed.provider)
        for _ in range(3):
            world.fake.advance(7200)
            assert (await auth.fetch_auth_session()).is_signed_in
        assert isinstance(auth.state, Federated)
        assert auth.state.linked_logins[0].refresh_grant is None  # the application keeps its own
    assert len(set(kept)) == 3


async def test_two_requests_at_once_use_each_refresh_token_once(world, refresh_token):
    source = source_of(world, refresh_token)
    tokens = await concurrently(*(source() for _ in range(3)))
    assert len(set(tokens)) == 3


async def test_a_refused_refresh_token_is_an_expired_session(world, refresh_token):
    await source_of(world, refresh_token)()
    with pytest.raises(SessionExpiredError) as caught:
        await source_of(world, refresh_token)()
    assert "call `sign_in`" in caught.value.recovery_suggestion


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"refresh_token": ""}, ValidationError),
        ({"client_id": ""}, ValidationError),
        ({"issuer": "accounts.google.com"}, ValidationError),
        ({"issuer": "http://accounts.google.com"}, ConfigurationError),
        ({"discovery_url": "http://example.com"}, ConfigurationError),
    ],
    ids=str,
)
def test_a_bad_argument_is_refused_at_once(wrong, kind):
    arguments = {"issuer": ISSUER, "client_id": CLIENT, "refresh_token": "r", **wrong}
    with pytest.raises(kind):
        OidcTokenSource(**arguments)


def test_its_repr_names_the_issuer_alone():
    source = OidcTokenSource(issuer=ISSUER, client_id=CLIENT, refresh_token="canary-refresh")
    assert repr(source) == f"<OidcTokenSource of {ISSUER}>"
