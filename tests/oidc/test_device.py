"""The device flow: a code on one screen, a decision on another."""

import httpx
import pytest

from amplify_federation import (
    CallTimeoutError,
    ConfigurationError,
    MalformedResponseError,
    NotAuthorizedError,
)
from tests.oidc.kit import CLIENT, GOOGLE, Person, refused, signed_in

TOKEN, DEVICE = "token", "device_authorization"


@pytest.fixture(autouse=True)
def quick(world):
    world.fake.set_up_provider(GOOGLE, device_interval=0.01)


def answering(world, endpoint, answers):
    """Have the next requests to an endpoint answered otherwise; `None` lets one through."""
    left = list(answers)

    async def respond(request):
        if request.url.path.endswith(f"/{endpoint}") and left:
            answer = left.pop(0)
            if isinstance(answer, Exception):
                raise answer
            if answer is not None:
                return answer
        return await world.fake.transport.handle_async_request(request)

    world.http = httpx.AsyncClient(transport=httpx.MockTransport(respond))
    return left


def error(code):
    return httpx.Response(400, json={"error": code})


async def test_a_user_signs_in_on_another_device(world):
    person = Person(world)
    signed = await signed_in(person, device=True)
    assert signed.username == "alice@example.com"
    assert signed.refresh_grant is not None
    assert person.prompt.redirect_uri is None
    assert person.prompt.complete_url.endswith(person.prompt.user_code)
    assert person.prompt.expires_in == 600.0


async def test_a_denied_device_is_told_so(world):
    denied = await refused(Person(world, decision="deny"), NotAuthorizedError, device=True)
    assert "access_denied" in denied.message


async def test_an_expired_code_says_to_sign_in_again(world):
    answering(world, TOKEN, [error("expired_token")])
    expired = await refused(Person(world), NotAuthorizedError, device=True)
    assert "Sign in again" in expired.recovery_suggestion


async def test_a_provider_that_is_asked_too_often_is_asked_less(world, monkeypatch):
    monkeypatch.setattr("amplify_federation._oidc.device._SLOWER", 0.01)
    left = answering(world, TOKEN, [error("slow_down"), error("authorization_pending")])
    assert (await signed_in(Person(world), device=True)).username == "alice@example.com"
    assert left == []


@pytest.mark.parametrize(
    "fault",
    [
        httpx.ConnectError("no route"),
        httpx.Response(503),
        httpx.Response(429),
        error("temporarily_unavailable"),
    ],
    ids=str,
)
async def test_a_fault_on_the_way_is_no_decision(world, monkeypatch, fault):
    monkeypatch.setattr("amplify_federation._oidc.device._MAX_INTERVAL", 0.02)
    left = answering(world, TOKEN, [fault])
    assert (await signed_in(Person(world), device=True)).username == "alice@example.com"
    assert left == []


async def test_nobody_at_the_other_device_ends_with_the_deadline(world, expire):
    person = Person(world)

    async def act():
        await person.told.wait()
        expire()

    person.act = act
    late = await refused(person, CallTimeoutError, device=True)
    assert "redirect" not in late.recovery_suggestion


async def test_a_wrong_client_id_is_told_at_once(world):
    wrong = await refused(Person(world), ConfigurationError, device=True, client_id="unknown")
    assert "invalid_client" in wrong.message
    assert "Check the client id" in wrong.recovery_suggestion
    assert "device=False" in wrong.recovery_suggestion


async def test_a_provider_without_the_flow_is_named(world):
    world.fake.set_up_provider(GOOGLE, device_interval=None)
    without = await refused(Person(world), ConfigurationError, device=True)
    assert "device=False" in without.recovery_suggestion


async def test_a_clients_secret_goes_with_every_request(world):
    world.fake.set_up_provider(GOOGLE, client_secrets={CLIENT: "s"}, device_interval=0.01)
    assert (
        await signed_in(Person(world), device=True, client_secret="s")
    ).username == "alice@example.com"


GOOD = {
    "device_code": "d",
    "user_code": "ABCD-EFGH",
    "verification_uri": "https://example.com/device",
}


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"device_code": None}, MalformedResponseError),
        ({"user_code": "\x1b[31mred"}, MalformedResponseError),
        ({"user_code": "x" * 65}, MalformedResponseError),
        ({"verification_uri": "http://example.com/device"}, ConfigurationError),
        ({"verification_uri_complete": "javascript:alert(1)"}, ConfigurationError),
    ],
    ids=str,
)
async def test_what_a_terminal_must_not_show_is_refused(world, change, kind):
    answering(world, DEVICE, [httpx.Response(200, json=GOOD | change)])
    person = Person(world)
    await refused(person, kind, device=True)
    assert person.prompt is None
