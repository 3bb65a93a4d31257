"""Who may ask. What real tools are answered is in `test_server`."""

import json
from datetime import UTC, datetime

import pytest

from amplify_federation import AWSCredentials, NetworkError, SignedOutError
from amplify_federation.cli.handover.endpoint import PATH, Endpoint

HOST = "127.0.0.1:1234"


async def answer(fetch, **changed):
    headers = {"host": HOST, "authorization": "the token", **changed.pop("headers", {})}
    scope = {
        "type": "http",
        "method": "GET",
        "path": PATH,
        "headers": [(name.encode(), text.encode()) for name, text in headers.items()],
        **changed,
    }
    sent = []

    async def send(message):
        sent.append(message)

    await Endpoint(fetch, "the token", frozenset({HOST}))(scope, None, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


async def credentials():
    return AWSCredentials("ASIAEXAMPLE", "secret", "token", datetime(2026, 11, 23, tzinfo=UTC))


async def test_who_is_entitled_is_answered():
    status, body = await answer(credentials)
    assert (status, body["AccessKeyId"]) == (200, "ASIAEXAMPLE")


@pytest.mark.parametrize(
    ("status", "changed"),
    [
        (401, {"headers": {"authorization": "the toke"}}),
        (401, {"headers": {"authorization": "The token"}}),
        (421, {"headers": {"host": "evil.example.com:1234"}}),
        (403, {"headers": {"origin": f"http://{HOST}"}}),
        (404, {"path": "/other"}),
        (405, {"method": "PUT"}),
    ],
)
async def test_the_session_is_not_even_asked_for_anybody_else(status, changed):
    async def forbidden():
        raise AssertionError

    told, body = await answer(forbidden, **changed)
    assert told == status
    assert set(body) == {"code", "message"}


@pytest.mark.parametrize(
    ("error", "status"), [(SignedOutError("Nobody."), 403), (NetworkError("No answer."), 503)]
)
async def test_trouble_is_told_in_words(error, status):
    async def failing():
        raise error

    told, body = await answer(failing)
    assert told == status
    assert body["code"] == type(error).__name__
    assert body["message"].startswith(error.message)


def test_the_token_is_not_shown():
    assert "the token" not in repr(Endpoint(credentials, "the token", frozenset({HOST})))
