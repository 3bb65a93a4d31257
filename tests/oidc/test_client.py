"""Token requests, what a refusal means, and the keys for an ID token."""

import time

import httpx
import pytest

from amplify_federation import (
    ConfigurationError,
    ExternalServiceError,
    MalformedResponseError,
    NotAuthorizedError,
    TooManyRequestsError,
)
from amplify_federation._model.values import Secret
from amplify_federation._oidc.client import TokenAnswer, oauth_error, open_client
from amplify_federation._oidc.library import Client
from tests.oidc.kit import CLIENT, GOOGLE, ISSUER

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(503), ExternalServiceError),
        (httpx.Response(200, html="<html>"), MalformedResponseError),
    ],
)
async def test_keys_that_cannot_be_had_believe_nothing(world, answer, kind):
    respond = answering({"jwks.json": answer}, world)
    async with open_client(respond, Client(CLIENT), ISSUER, None) as client:
        token = Secret(world.fake.issue_token(GOOGLE, "alice"))
        with pytest.raises(kind):
            await client.checked_id_token(TokenAnswer(token, None, None, NOW))


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
        with pytest.raises(NotAuthorizedError) as caught:
            await opened.request_tokens("refresh_token", {"refresh_token": Secret("r" * 20)})
    assert caught.value.code == "invalid_grant"
    assert "[secure] of [secure] is over" in caught.value.message
    assert caught.value.message.isprintable()


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
    error = oauth_error(code, "in the provider's words")
    assert type(error) is kind
    assert code in error.message
    assert "in the provider's words" in error.message
    assert error.recovery_suggestion != kind.recovery
    assert error.retryable == (code == "temporarily_unavailable")


async def test_an_answer_without_an_id_token_asks_for_the_scope(world):
    async with open_client(world.http, Client(CLIENT), ISSUER, None) as client:
        with pytest.raises(ConfigurationError) as caught:
            await client.checked_id_token(TokenAnswer(None, None, None, NOW))
    assert "openid" in caught.value.recovery_suggestion


@pytest.mark.parametrize("date", [None, "yesterday"])
async def test_without_the_providers_time_the_local_one_counts(world, date):
    headers = {} if date is None else {"date": date}
    answer = httpx.Response(200, json={"id_token": "x"}, headers=headers)
    async with open_client(
        answering({"/token": answer}, world), Client(CLIENT), ISSUER, None
    ) as client:
        began = time.time()
        tokens = await client.request_tokens("refresh_token", {"refresh_token": Secret("r")})
    assert began <= tokens.now <= time.time()
