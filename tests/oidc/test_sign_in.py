"""Sign-in: what an application asks for, and what it gets."""

import attrs
import pytest

from amplify_federation import (
    AuthProvider,
    ConfigurationError,
    MemoryStore,
    NotAuthorizedError,
    ValidationError,
    sign_in,
)
from tests.oidc.kit import CLIENT, GOOGLE, ISSUER, Person, refused, signed_in


async def test_a_user_signs_in_by_browser_and_federates(world):
    person = Person(world)
    signed = await signed_in(person)
    assert signed.provider == GOOGLE
    assert signed.username == "alice@example.com"
    assert signed.refresh_grant.client_id == CLIENT
    async with world.auth(MemoryStore()) as auth:
        result = await auth.federate_to_identity_pool(
            signed.id_token, signed.provider, refresh_grant=signed.refresh_grant
        )
    assert result.identity_id.startswith("us-west-2:")
    assert person.page.status_code == 200
    assert "You are signed in" in person.page.text
    assert "Close this page" in person.page.text


async def test_a_provider_without_refresh_tokens_gives_no_grant(world):
    world.fake.set_up_provider(GOOGLE, refresh_tokens=False)
    signed = await signed_in(Person(world))
    assert signed.refresh_grant is None


async def test_a_clients_secret_is_sent_and_kept_in_the_grant(world):
    world.fake.set_up_provider(GOOGLE, client_secrets={CLIENT: "s3cret+%&"})
    signed = await signed_in(Person(world), client_secret="s3cret+%&")
    assert signed.refresh_grant.client_secret == "s3cret+%&"
    error = await refused(Person(world), ConfigurationError, client_secret="wrong")
    assert "invalid_client" in error.message
    assert "secret" in error.recovery_suggestion


async def test_an_id_token_without_the_audience_that_the_pool_takes_is_explained(world):
    world.fake.set_up_provider(GOOGLE, clients={"another": ["http://127.0.0.1/"]})
    signed = await signed_in(Person(world), client_id="another")
    async with world.auth(MemoryStore()) as auth:
        with pytest.raises(NotAuthorizedError) as caught:
            await auth.federate_to_identity_pool(signed.id_token, signed.provider)
    assert "sign in with a client id that the pool has" in caught.value.recovery_suggestion


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "accounts.google.com"},
        {"issuer": 1},
        {"client_id": ""},
        {"client_secret": ""},
        {"scope": "email"},
        {"redirect_port": -1},
        {"redirect_port": 65_536},
        {"redirect_port": True},
        {"redirect_host": "example.com"},
        {"device": "yes"},
        {"prompt": "print"},
        {"authorization_parameters": {"state": "s"}},
        {"authorization_parameters": {"prompt": 1}},
        {"timeout": 0},
        {"timeout": "300"},
    ],
    ids=str,
)
async def test_a_bad_argument_is_refused_unsent(world, wrong):
    arguments = {"issuer": ISSUER, "client_id": CLIENT, "http_client": world.http, **wrong}
    with pytest.raises(ValidationError):
        await sign_in(**arguments)
    assert world.requests == []


async def test_a_sign_in_shows_no_token(world):
    signed = await signed_in(Person(world))
    for shown in (repr(signed), str(attrs.asdict(signed)), repr(signed.refresh_grant)):
        assert signed.id_token not in shown
        assert signed.refresh_grant.refresh_token not in shown


async def test_the_user_pool_of_an_issuer_is_its_provider(world):
    provider = AuthProvider.cognito_user_pool("us-west-2_Ab1Cd2Ef3")
    world.fake.update_identity_pool(world.pool, providers={provider: [CLIENT]})
    person = Person(world)
    signed = await signed_in(person, issuer=f"https://{provider.login_key}")
    assert signed.provider == provider
    assert person.prompt.redirect_uri.startswith("http://localhost:")  # all that Cognito registers
    assert "You are signed in" in person.page.text
