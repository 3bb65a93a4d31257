"""Sign-in: authorization code with PKCE over a loopback redirect, and what can go wrong."""

import os
import threading
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx
import pytest

from amplify_federation import (
    AuthProvider,
    CallTimeoutError,
    ConfigurationError,
    MalformedResponseError,
    NetworkError,
    NotAuthorizedError,
    sign_in,
)
from tests.concurrency import PATIENCE
from tests.oidc.kit import CLIENT, GOOGLE, ISSUER, Person, refused, signed_in


def query_of(url):
    return {name: value for name, [value] in parse_qs(urlsplit(str(url)).query).items()}


async def test_the_request_has_pkce_state_nonce_and_a_loopback_redirect(world):
    first, second = Person(world), Person(world)
    await signed_in(first)
    await signed_in(second)
    asked, again = query_of(first.prompt.url), query_of(second.prompt.url)
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == first.prompt.redirect_uri
    assert first.prompt.redirect_uri.startswith("http://127.0.0.1:")
    assert asked["scope"] == "openid email"  # Google's list of scopes has no other for this
    for name in ("code_challenge", "state", "nonce"):
        assert len(asked[name]) >= 32
        assert asked[name] != again[name]


async def test_google_is_asked_for_a_refresh_token_and_others_get_what_the_caller_says(world):
    person = Person(world)
    await signed_in(person, authorization_parameters={"login_hint": "alice@example.com"})
    asked = query_of(person.prompt.url)
    assert (asked["access_type"], asked["prompt"]) == ("offline", "consent")
    assert asked["login_hint"] == "alice@example.com"
    await signed_in(person := Person(world), authorization_parameters={"prompt": "login"})
    assert query_of(person.prompt.url)["prompt"] == "login"
    provider = AuthProvider.oidc("https://login.example.com")
    world.fake.update_identity_pool(world.pool, providers={provider: [CLIENT]})
    await signed_in(person := Person(world), issuer="https://login.example.com")
    asked = query_of(person.prompt.url)
    assert not asked.keys() & {"access_type", "prompt"}
    assert asked["scope"] == "openid email offline_access"  # which this provider lists


async def test_a_scope_that_is_given_is_asked_for_as_it_is(world):
    person = Person(world)
    await signed_in(person, scope="openid")
    assert query_of(person.prompt.url)["scope"] == "openid"


async def test_a_given_port_is_the_redirects(world, unused_tcp_port):
    person = Person(world)
    await signed_in(person, redirect_port=unused_tcp_port)
    assert person.prompt.redirect_uri == f"http://127.0.0.1:{unused_tcp_port}/"


async def test_two_sign_ins_at_once_do_not_meet(world):
    alice, bob = Person(world), Person(world, user="bob")
    outcomes = {}

    async def run(person):
        outcomes[person.user] = await signed_in(person)

    async with anyio.create_task_group() as group:
        group.start_soon(run, alice)
        group.start_soon(run, bob)
    assert {user: outcome.username for user, outcome in outcomes.items()} == {
        "alice": "alice@example.com",
        "bob": "bob@example.com",
    }


async def test_two_sign_ins_at_one_port_are_told_apart(world, unused_tcp_port):
    waiting = Person(world, change=None)
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: signed_in(waiting, redirect_port=unused_tcp_port))
        await waiting.told.wait()
        error = await refused(Person(world), ConfigurationError, redirect_port=unused_tcp_port)
        group.cancel_scope.cancel()
    assert str(unused_tcp_port) in error.message
    assert "End the other sign-in" in error.recovery_suggestion


async def test_a_denied_consent_is_said_to_program_and_person(world):
    person = Person(world, decision="deny")
    error = await refused(person, NotAuthorizedError)
    assert "access_denied" in error.message
    assert "allow what is asked" in error.recovery_suggestion
    assert person.page.status_code == 400
    assert "denied" in person.page.text


def replaced(name, value):
    """Return a change of a redirect: one parameter is another."""

    def change(url):
        parameters = {**query_of(url), name: value}
        parameters = {name: value for name, value in parameters.items() if value is not None}
        return str(httpx.URL(url).copy_with(params=parameters))

    return change


@pytest.mark.parametrize(
    ("name", "value", "kind", "said"),
    [
        ("state", "of-another", NotAuthorizedError, "another sign-in"),
        ("state", None, NotAuthorizedError, "another sign-in"),
        ("iss", "https://evil.example.com", NotAuthorizedError, "another provider"),
        ("iss", None, NotAuthorizedError, "another provider"),  # its metadata promise it
        ("code", None, MalformedResponseError, "no code"),
        ("code", "made-up", NotAuthorizedError, "invalid_grant"),
    ],
)
async def test_a_redirect_that_is_not_the_answer_ends_the_sign_in(world, name, value, kind, said):
    person = Person(world, change=replaced(name, value))
    error = await refused(person, kind)
    assert said in error.message
    assert person.page.status_code == 400
    if said != "invalid_grant":  # nothing was redeemed
        assert all(request.method == "GET" for request in world.requests)


async def test_a_repeated_parameter_ends_the_sign_in(world):
    person = Person(world, change=lambda url: f"{url}&code=another")
    await refused(person, MalformedResponseError)


async def test_words_of_an_attacker_are_no_html(world):
    def change(url):
        found = query_of(url)
        made = {"state": found["state"], "iss": found["iss"], "error": "<script>alert(1)</script>"}
        return str(httpx.URL(url).copy_with(params=made | {"error_description": "<b>&"}))

    person = Person(world, change=change)
    await refused(person, NotAuthorizedError)
    assert "<script>" not in person.page.text
    assert "&lt;script&gt;" in person.page.text


async def test_a_browser_that_is_closed_ends_with_the_deadline(world, expire):
    error = await refused(Person(world, change=None, leave=expire), CallTimeoutError)
    assert "Nobody signed in within 300 s" in error.message
    assert "register the redirect URI http://127.0.0.1:" in error.recovery_suggestion


@pytest.mark.parametrize("fault", ["client", "redirect"])
async def test_what_the_provider_says_to_the_person_alone_is_hinted_at(world, expire, fault):
    if fault == "redirect":
        world.fake.set_up_provider(GOOGLE, clients={CLIENT: ["http://127.0.0.1/other"]})
    person = Person(world, leave=expire)
    client_id = "unknown" if fault == "client" else CLIENT
    error = await refused(person, CallTimeoutError, client_id=client_id)
    assert person.page.status_code == 400  # the provider's own page
    assert "check the client id there" in error.recovery_suggestion


async def test_an_id_token_for_another_client_is_refused(world):
    world.fake.set_up_provider(GOOGLE, audience="another-client")
    error = await refused(Person(world), ConfigurationError)
    assert "not for the client 'desktop-client'" in error.message


async def test_an_id_token_of_another_sign_in_is_refused(world):
    world.fake.set_up_provider(GOOGLE, claims={"nonce": "of-another"})
    error = await refused(Person(world), NotAuthorizedError)
    assert "nonce" in error.message


async def test_a_local_clock_that_is_days_off_does_no_harm(world):
    world.fake.skew = 86_400.0 * 3  # the embedded clock is years off already
    assert (await signed_in(Person(world))).username == "alice@example.com"


async def test_a_providers_clocks_that_disagree_are_named(world):
    world.fake.set_up_provider(GOOGLE, lifetime=-1000.0)
    error = await refused(Person(world), NotAuthorizedError)
    assert "two clocks disagree" in error.message
    assert "Set this machine's clock" in error.recovery_suggestion


async def test_what_a_prompt_raises_ends_the_sign_in(world):
    def prompt(_shown):
        raise LookupError

    with pytest.raises(LookupError):
        await sign_in(
            issuer=ISSUER, client_id=CLIENT, device=False, prompt=prompt, http_client=world.http
        )


async def test_a_cancelled_sign_in_leaves_no_listener(world):
    person = Person(world, change=None)
    async with anyio.create_task_group() as group:
        group.start_soon(signed_in, person)
        await person.told.wait()
        group.cancel_scope.cancel()
    port = urlsplit(person.prompt.redirect_uri).port
    with pytest.raises(OSError, match="All connection attempts failed"):
        await anyio.connect_tcp("127.0.0.1", port)


async def test_no_network_is_a_network_error():
    def respond(request):
        raise httpx.ConnectError("no route", request=request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as client:
        with pytest.raises(NetworkError):
            await sign_in(issuer=ISSUER, client_id=CLIENT, device=False, http_client=client)


@pytest.fixture
def no_display(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "SSH_CONNECTION", "SSH_TTY"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.skipif(os.name != "posix", reason="elsewhere there is always a display")
async def test_without_a_browser_the_device_flow_is_chosen(world, no_display):
    world.fake.set_up_provider(GOOGLE, device_interval=0.01)
    person = Person(world)
    assert (await signed_in(person, device=None)).username == "alice@example.com"
    assert person.prompt.user_code is not None
    world.fake.set_up_provider(GOOGLE, device_interval=None)  # no device flow: the URL is shown
    person = Person(world)
    assert (await signed_in(person, device=None)).username == "alice@example.com"
    assert person.prompt.user_code is None


async def test_with_a_browser_it_is_chosen(world, no_display):
    no_display.setenv("BROWSER", "true")
    person = Person(world)
    assert (await signed_in(person, device=None)).username == "alice@example.com"
    assert person.prompt.redirect_uri is not None


async def test_a_provider_without_browser_pages_is_named(world):
    async def respond(request):
        document = world.fake.discovery_document(GOOGLE)
        del document["authorization_endpoint"]
        return httpx.Response(200, json=document, request=request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as client:
        error = await refused(Person(world), ConfigurationError, http_client=client)
    assert "device=True" in error.recovery_suggestion


async def test_a_provider_that_hangs_is_told_from_a_user_who_does(world, expire):
    async def respond(_request):
        expire()
        await anyio.sleep_forever()

    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as client:
        error = await refused(Person(world), CallTimeoutError, http_client=client)
    assert "The provider did not answer within 300 s" in error.message


def left_over():
    """Return the open sockets, and the threads but the idle ones that the loops keep."""
    sockets = [
        link for each in Path("/proc/self/fd").iterdir()
        if each.is_symlink() and (link := str(each.readlink())).startswith("socket:")
    ]  # fmt: skip
    names = [thread.name for thread in threading.enumerate()]
    kept = ("AnyIO worker", "Trio", "asyncio_")
    return len(sockets), [name for name in names if not name.startswith(kept)]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are not listed")
async def test_a_sign_in_called_off_at_any_point_leaves_no_socket_and_no_thread(world):
    world.fake.set_up_provider(GOOGLE, device_interval=0.01)
    with world.fake.serve() as url:
        discovery_url = f"{url}/{GOOGLE.login_key}/.well-known/openid-configuration"

        async def call_off(endpoint):
            world.fake.fail_next(operation=endpoint, delay=30)
            person = Person(world)
            person.open = partial(httpx.AsyncClient, trust_env=False)
            async with anyio.create_task_group() as group:
                named = {"discovery_url": discovery_url, "http_client": None}
                group.start_soon(partial(signed_in, person, **named))
                calls = world.fake.provider_calls
                while not any(call.endpoint == endpoint for call in calls):  # noqa: ASYNC110  # a thread tells
                    await anyio.sleep(0.01)
                group.cancel_scope.cancel()
            world.fake.provider_calls.clear()

        before = left_over()
        for endpoint in ("openid-configuration", "authorize", "token", "jwks.json"):
            await call_off(endpoint)
        with anyio.move_on_after(PATIENCE):  # until the fake notices that connections were closed
            while left_over() != before:  # noqa: ASYNC110  # the system tells
                await anyio.sleep(0.01)
        assert left_over() == before
