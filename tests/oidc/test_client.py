"""Token requests, what a refusal means, and which ID tokens are believed."""

import base64
import json

import httpx
import pytest

from amplify_federation import (
    AuthProvider,
    ConfigurationError,
    ExternalServiceError,
    MalformedResponseError,
    NotAuthorizedError,
    TooManyRequestsError,
)
from amplify_federation._model.values import Secret
from amplify_federation._oidc.client import OAuthRefusal, TokenAnswer, open_client
from amplify_federation._oidc.library import Client
from tests.oidc.kit import CLIENT, GOOGLE, ISSUER

NOW = 1_800_000_000.0


@pytest.fixture
async def client(world):
    async with open_client(world.http, Client(CLIENT), ISSUER, None) as client:
        yield client


def answer_of(token, now=NOW, access_token=None):
    return TokenAnswer(Secret(token), access_token, None, now)


def unsigned(header, claims):
    parts = (json.dumps(part).encode() for part in (header, claims))
    return ".".join([*(base64.urlsafe_b64encode(p).decode().rstrip("=") for p in parts), ""])


CLAIMS = {"iss": ISSUER, "sub": "alice", "aud": CLIENT, "iat": int(NOW), "exp": int(NOW) + 3600}


async def test_a_good_token_gives_its_claims(world, client):
    token = world.fake.issue_token(GOOGLE, "alice", claims={"nonce": "n"})
    claims = await client.checked_claims(answer_of(token), "n")
    assert claims["sub"] == "alice"


async def test_google_may_leave_out_its_scheme_and_nobody_else(world, client):
    token = world.fake.issue_token(GOOGLE, "alice", claims={"iss": GOOGLE.login_key})
    assert (await client.checked_claims(answer_of(token)))["sub"] == "alice"
    apple = AuthProvider.APPLE
    world.fake.update_identity_pool(world.pool, providers={apple: [CLIENT]})
    issuer = f"https://{apple.login_key}"
    token = world.fake.issue_token(apple, "alice", claims={"iss": apple.login_key})
    async with open_client(world.http, Client(CLIENT), issuer, None) as opened:
        with pytest.raises(MalformedResponseError, match="iss"):
            await opened.checked_claims(answer_of(token))


async def test_an_audience_list_with_this_client_is_good(world, client):
    token = world.fake.issue_token(GOOGLE, "alice", claims={"aud": [CLIENT, "x"], "azp": CLIENT})
    assert (await client.checked_claims(answer_of(token)))["aud"] == [CLIENT, "x"]


@pytest.mark.parametrize(
    ("claims", "kind", "said"),
    [
        ({"iss": "https://evil.example.com"}, MalformedResponseError, "iss"),
        ({"aud": "another"}, ConfigurationError, "aud"),
        ({"aud": None}, ConfigurationError, "aud"),
        ({"azp": "another"}, ConfigurationError, "azp"),
        ({"nonce": None}, NotAuthorizedError, "nonce"),
        ({"nonce": "another"}, NotAuthorizedError, "nonce"),
        ({"exp": int(NOW) - 301}, NotAuthorizedError, "exp"),
        ({"exp": float("nan")}, NotAuthorizedError, "exp"),
        ({"iat": int(NOW) + 302}, NotAuthorizedError, "iat"),
        ({"sub": None}, MalformedResponseError, "sub"),
        ({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, MalformedResponseError, "at_hash"),
    ],
    ids=str,
)
async def test_a_claim_that_does_not_fit_is_named(world, client, claims, kind, said):
    token = world.fake.issue_token(GOOGLE, "alice", claims={"nonce": "n", **claims})
    with pytest.raises(kind, match=said):
        await client.checked_claims(answer_of(token, access_token=Secret("access")), "n")


@pytest.mark.parametrize(
    "token",
    [
        unsigned({"alg": "none"}, CLAIMS),
        unsigned({"alg": "HS256"}, CLAIMS),
        unsigned({"alg": "RS256", "kid": "unknown"}, CLAIMS),
        unsigned({"alg": "RS256"}, CLAIMS) + "AAAA",
        unsigned({}, CLAIMS),
        unsigned([], CLAIMS),
        unsigned({"alg": "RS256", "crit": ["x"]}, CLAIMS),
        unsigned({"alg": "RS256", "crit": 1}, CLAIMS),
        "opaque",
        "a.b.c",
        "\u00e9.b.c",
    ],
)
async def test_a_token_that_the_issuer_did_not_sign_is_refused(client, token):
    with pytest.raises(MalformedResponseError, match="not one of"):
        await client.checked_claims(answer_of(token))


async def test_a_forged_token_is_refused(world, client):
    token = world.fake.issue_token(GOOGLE, "alice", forged=True)
    with pytest.raises(MalformedResponseError):
        await client.checked_claims(answer_of(token))


async def test_another_issuers_key_does_not_sign_here(world, client):
    token = world.fake.issue_token(
        AuthProvider.APPLE, "alice", audience=CLIENT, claims={"iss": ISSUER}
    )
    with pytest.raises(MalformedResponseError):
        await client.checked_claims(answer_of(token))


async def test_keys_of_no_use_are_passed_over(world):
    good = world.fake.jwks(GOOGLE)["keys"]
    odd = [
        {"kty": "oct", "k": "AAAA"},
        {"kty": "new"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "a curve of tomorrow", "x": "AA", "y": "AA"},
        {**good[0], "n": "\u00e9"},
        {**good[0], "kid": 1},
        {**good[0], "use": "enc"},
        "x",
        None,
    ]
    respond = answering({"jwks.json": httpx.Response(200, json={"keys": [*odd, *good]})}, world)
    async with open_client(respond, Client(CLIENT), ISSUER, None) as opened:
        token = world.fake.issue_token(GOOGLE, "alice")
        assert (await opened.checked_claims(answer_of(token)))["sub"] == "alice"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(503), ExternalServiceError),
        (httpx.Response(200, html="<html>"), MalformedResponseError),
        (httpx.Response(200, json={"keys": [{"kty": "RSA", "n": 1}]}), MalformedResponseError),
    ],
)
async def test_keys_that_cannot_be_had_believe_nothing(world, answer, kind):
    respond = answering({"jwks.json": answer}, world)
    async with open_client(respond, Client(CLIENT), ISSUER, None) as client:
        with pytest.raises(kind):
            await client.checked_claims(answer_of(world.fake.issue_token(GOOGLE, "alice")))


def answering(answers, world):
    """Return a client that gets these answers where a path ends so, else the fake's."""

    async def respond(request):
        for end, answer in answers.items():
            if request.url.path.endswith(end):
                return answer
        return await world.fake.transport.handle_async_request(request)

    return httpx.AsyncClient(transport=httpx.MockTransport(respond))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(500, html="<html>"), ExternalServiceError),
        (httpx.Response(429), TooManyRequestsError),
        (httpx.Response(200, html="<html>"), MalformedResponseError),
        (httpx.Response(404, html="<html>"), MalformedResponseError),
        (
            httpx.Response(307, headers={"location": "https://x.example.com"}),
            MalformedResponseError,
        ),
        (httpx.Response(400, json={"error": 1}), MalformedResponseError),
    ],
)
async def test_what_is_no_answer_of_oauth_is_told_apart(world, answer, kind):
    respond = answering({"/token": answer}, world)
    async with open_client(respond, Client(CLIENT), ISSUER, None) as client:
        with pytest.raises(kind):
            await client.request_tokens("refresh_token", {"refresh_token": Secret("r" * 20)})


async def test_a_refusal_does_not_repeat_what_was_sent(world):
    words = "The token rrrrrrrrrrrrrrrrrrrr of secret-of-the-client is over\x1b[31m"
    answer = httpx.Response(400, json={"error": "invalid_grant", "error_description": words})
    client = Client(CLIENT, Secret("secret-of-the-client"))
    async with open_client(answering({"/token": answer}, world), client, ISSUER, None) as opened:
        refusal = await opened.request_tokens("refresh_token", {"refresh_token": Secret("r" * 20)})
    assert isinstance(refusal, OAuthRefusal)
    assert refusal.error == "invalid_grant"
    assert "[secure] of [secure] is over" in refusal.description
    assert refusal.description.isprintable()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("invalid_client", ConfigurationError),
        ("unauthorized_client", ConfigurationError),
        ("invalid_scope", ConfigurationError),
        ("redirect_uri_mismatch", ConfigurationError),
        ("access_denied", NotAuthorizedError),
        ("a_code_of_tomorrow", NotAuthorizedError),
        ("temporarily_unavailable", ExternalServiceError),
    ],
)
def test_each_refusal_says_what_to_do(code, kind):
    error = OAuthRefusal(code, "in the provider's words").as_error()
    assert type(error) is kind
    assert code in error.message
    assert "in the provider's words" in error.message
    assert error.recovery_suggestion != kind.recovery


async def test_an_answer_without_an_id_token_asks_for_the_scope(client):
    with pytest.raises(ConfigurationError) as caught:
        await client.checked_claims(TokenAnswer(None, None, None, NOW))
    assert "openid" in caught.value.recovery_suggestion


@pytest.mark.parametrize("date", [None, "yesterday"])
async def test_without_the_providers_time_the_local_one_counts(world, date):
    headers = {} if date is None else {"date": date}
    answer = httpx.Response(200, json={"id_token": "x"}, headers=headers)
    async with open_client(
        answering({"/token": answer}, world), Client(CLIENT), ISSUER, None
    ) as client:
        tokens = await client.request_tokens("refresh_token", {"refresh_token": Secret("r")})
    assert tokens.now < NOW  # the manual clock is ahead of this machine's
