"""No code, verifier, token or client's secret shows anywhere but where it is asked for."""

import json
import logging
from collections import Counter
from urllib.parse import parse_qsl, urlsplit

import anyio
import httpx
import pytest

from amplify_federation import (
    AuthError,
    EncryptedFileStore,
    MemoryStore,
    OidcTokenSource,
    StoreUnavailableError,
)
from tests.oidc.kit import CLIENT, GOOGLE, HOUR, ISSUER, Person, World, signed_in
from tests.test_secrets import assert_silent, everything_of

SECRET = "secret-of-the-client-0123456789"
SENT = {"code", "code_verifier", "refresh_token", "device_code", "client_secret", "token"}
RECEIVED = {"id_token", "access_token", "refresh_token", "device_code"}


class Listening(World):
    """A world that hears every secret between client, provider and browser."""

    def __init__(self):
        super().__init__()
        self.secrets = {SECRET}
        self.answers = {}
        self.after_two = {}  # what is called at the second request to an endpoint
        self.asked = Counter()
        self.decided = anyio.Event()  # by the person at the other device
        self.decided.set()
        self.http = httpx.AsyncClient(transport=httpx.MockTransport(self._respond))
        self.fake.set_up_provider(
            GOOGLE,
            client_secrets={CLIENT: SECRET},
            device_interval=0.01,
            rotate_refresh_tokens=True,
        )

    async def _respond(self, request):
        end = request.url.path.rpartition("/")[2]
        if end == "token":
            await self.decided.wait()
        self.asked[end] += 1
        if self.asked[end] == 2 and end in self.after_two:
            self.after_two[end]()
        form = dict(parse_qsl(request.content.decode(errors="replace")))
        self.secrets |= {value for name, value in form.items() if name in SENT}
        response = await self.fake.transport.handle_async_request(request)
        content = await response.aread()
        if response.headers["content-type"] == "application/json":
            self.secrets |= {v for name, v in json.loads(content).items() if name in RECEIVED}
        answer = self.answers.get(end)
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            return response
        return answer(request, content) if callable(answer) else answer


@pytest.fixture
async def world():
    world = Listening()
    async with world.http:
        yield world


def echo(request, _content):
    """Answer as a provider that repeats what it got."""
    said = f"no: {request.content.decode()}"
    return httpx.Response(400, json={"error": said[:150], "error_description": said})


ANSWERS = {
    "a refusal that repeats all": {"token": echo},
    "a page": {"token": lambda _request, content: httpx.Response(200, html=content.decode()[1:])},
    "a fault": {"token": lambda _request, content: httpx.Response(500, content=content)},
    "no network": {"token": httpx.ConnectError("no route")},
    "no keys": {"jwks.json": httpx.Response(503)},
    "other keys": {"jwks.json": httpx.Response(200, json={"keys": []})},
    "the network breaks at the keys": {"jwks.json": httpx.ReadError("reset")},
}


def logged(caplog):
    """Return what was logged, but by the person's own browser."""
    lines = (f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    return "\n".join(line for line in lines if "127.0.0.1" not in line.partition("{")[0])


@pytest.fixture
def impatient(expire, monkeypatch):
    """Return what ends the sign-in's time; until then a device asks without a pause."""
    monkeypatch.setattr("amplify_federation._oidc.device._MAX_INTERVAL", 0.01)
    return expire


@pytest.mark.parametrize("answers", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("device", [False, True])
async def test_a_sign_in_that_fails_shows_none(world, impatient, caplog, capfd, answers, device):
    caplog.set_level(logging.DEBUG)
    world.answers = answers
    person = Person(world)
    if device:
        act, world.decided = person.act, anyio.Event()

        async def decide():
            await act()
            world.decided.set()

        person.act = decide
    if device and answers.keys() == {"token"}:
        world.after_two["token"] = impatient  # a device asks on where a provider cannot be reached
    error = await signed_in(person, client_secret=SECRET, device=device)
    assert isinstance(error, AuthError)
    assert len(world.secrets) >= (5 if not device else 3)
    for shown in (*everything_of(error), logged(caplog), *capfd.readouterr()):
        assert_silent(shown, *world.secrets)
    if not device:
        assert_silent(person.page.text, *world.secrets)


@pytest.mark.parametrize("part", ["state=", "iss=", "scope=a&scope="])
async def test_a_redirect_that_is_refused_does_not_show_its_code(world, caplog, part):
    caplog.set_level(logging.DEBUG)
    codes = []

    def changed(url):
        codes.append(dict(parse_qsl(urlsplit(url).query))["code"])
        return f"{url}&{part}b" if "scope" in part else url.replace(part, f"{part}x")

    error = await signed_in(Person(world, change=changed), client_secret=SECRET)
    assert isinstance(error, AuthError)
    for shown in (*everything_of(error), logged(caplog)):
        assert_silent(shown, *codes, *world.secrets)


@pytest.mark.parametrize("answers", ANSWERS.values(), ids=ANSWERS)
async def test_a_refresh_that_fails_shows_none(world, caplog, capfd, answers):
    caplog.set_level(logging.DEBUG)
    signed = await signed_in(Person(world), client_secret=SECRET)
    async with world.auth(MemoryStore()) as auth:
        await auth.federate_to_identity_pool(
            signed.id_token, GOOGLE, refresh_grant=signed.refresh_grant
        )
        world.fake.advance(2 * HOUR)
        world.answers = answers
        session = await auth.fetch_auth_session()
        error = session.credentials_result.error
        assert isinstance(error, AuthError)
        result = await auth.sign_out()
        for shown in (*everything_of(error), repr(session), repr(auth.state), repr(result)):
            assert_silent(shown, *world.secrets)
    for shown in (logged(caplog), *capfd.readouterr()):
        assert_silent(shown, *world.secrets)


async def test_a_sign_in_a_refresh_and_a_sign_out_show_none(world, caplog, capfd, tmp_path):
    caplog.set_level(logging.DEBUG)
    person = Person(world)
    signed = await signed_in(person, client_secret=SECRET)
    async with (
        world.auth(EncryptedFileStore(tmp_path / "s")) as auth,
        auth.events() as events,
    ):
        await auth.federate_to_identity_pool(
            signed.id_token, GOOGLE, refresh_grant=signed.refresh_grant
        )
        world.fake.advance(2 * HOUR)
        assert (await auth.fetch_auth_session()).is_signed_in
        seen = [repr(await anext(events)), repr(auth.state), repr(auth), repr(person.prompt)]
        files = [path.read_bytes() for path in (tmp_path / "s").rglob("*") if path.is_file()]
        seen += [repr(await auth.sign_out()), person.page.text]
    code = dict(parse_qsl(urlsplit(str(person.page.url)).query))["code"]
    assert code in world.secrets
    assert len(world.secrets) > 7
    for shown in (*seen, logged(caplog), *capfd.readouterr()):
        assert_silent(shown, *world.secrets)
    for data in files:
        assert_silent(data.decode("latin-1"), *world.secrets)


async def test_an_argument_that_is_refused_is_not_shown(world):
    for wrong in ({"client_id": ""}, {"scope": "email"}, {"issuer": "x"}, {"redirect_port": -1}):
        error = await signed_in(Person(world), client_secret=SECRET, **wrong)
        for shown in everything_of(error):
            assert_silent(shown, SECRET)
        named = {"issuer": ISSUER, "client_id": CLIENT, **wrong}
        if wrong.keys() & {"client_id", "issuer"}:
            with pytest.raises(AuthError) as caught:
                OidcTokenSource(refresh_token=SECRET, client_secret=SECRET, **named)
            for shown in everything_of(caught.value):
                assert_silent(shown, SECRET)


async def test_a_store_that_fails_at_a_rotation_shows_none(world, monkeypatch):
    signed, store = await signed_in(Person(world), client_secret=SECRET), MemoryStore()

    async def fail(*_arguments, **_named):
        message = "no space"
        raise StoreUnavailableError(message)

    async with world.auth(store) as auth:
        await auth.federate_to_identity_pool(
            signed.id_token, GOOGLE, refresh_grant=signed.refresh_grant
        )
        world.fake.advance(2 * HOUR)
        monkeypatch.setattr(store, "compare_and_set", fail)
        with pytest.raises(StoreUnavailableError) as caught:
            await auth.fetch_auth_session()
    for shown in everything_of(caught.value):
        assert_silent(shown, *world.secrets)
