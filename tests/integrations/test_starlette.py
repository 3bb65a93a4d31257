"""BearerSession: what a browser is told, in FastAPI and in plain Starlette."""

import json
import subprocess
import sys
import traceback
from contextlib import asynccontextmanager
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI, WebSocket
from starlette.applications import Starlette
from starlette.exceptions import HTTPException, WebSocketException
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from amplify_federation import (
    AuthProvider,
    AuthSession,
    AuthSettings,
    ConfigurationError,
    EncryptedFileStore,
    FederatedBearer,
    FederatedUsers,
    MemoryStore,
    StoreUnavailableError,
    ValidationError,
)
from amplify_federation.integrations.starlette import (
    BearerSession,
    LiveBearerSession,
    users_lifespan,
)
from tests.concurrency import Gate, concurrently, pending
from tests.session.kit import GatedStore, World
from tests.virtual_time import virtual_time

GOOGLE = AuthProvider.GOOGLE


class Site(World):
    """An application in this process, asked without a socket."""

    def __init__(self):
        super().__init__()
        self.store = GatedStore(MemoryStore())
        self.lifespan = users_lifespan(
            lambda: FederatedUsers(
                self.pool_id,
                store=self.store,
                http_client=self.client,
                settings=AuthSettings(clock=self.clock, max_attempts=1),
            )
        )

    def fastapi(self, session_of=None, lifespan=None) -> FastAPI:
        app = FastAPI(lifespan=lifespan or self.lifespan)
        session_of = session_of or BearerSession(GOOGLE)

        @app.get("/me")
        async def me(session: Annotated[AuthSession, Depends(session_of)]) -> str:
            return session.identity_id

        @app.websocket("/live")
        async def live(
            socket: WebSocket, session: Annotated[AuthSession, Depends(session_of)]
        ) -> None:
            await socket.accept()
            await socket.send_text(session.identity_id)

        return app

    def starlette(self) -> Starlette:
        session_of = BearerSession(GOOGLE)

        async def me(request):
            return PlainTextResponse((await session_of(request)).identity_id)

        async def live(socket):
            session = await session_of(socket)
            await socket.accept()
            await socket.send_text(session.identity_id)

        routes = [Route("/me", me), WebSocketRoute("/live", live)]
        return Starlette(routes=routes, lifespan=self.lifespan)

    @asynccontextmanager
    async def asked(self, app):
        async with self.lifespan(app) as state:

            async def with_state(scope, receive, send):
                await app({**scope, "state": dict(state)}, receive, send)

            transport = httpx.ASGITransport(app=with_state)
            async with httpx.AsyncClient(transport=transport, base_url="http://site") as browser:
                yield browser


@pytest.fixture
def site():
    return Site()


@pytest.fixture
async def browser(site):
    async with site.asked(site.fastapi()) as browser:
        yield browser


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


async def test_a_good_token_gives_its_users_session(site, browser):
    for user in ("alice", "bob", "alice"):
        answer = await browser.get("/me", headers=bearer(site.token(user)))
        assert answer.status_code == 200
        assert answer.json().startswith("us-west-2:")


async def test_each_user_is_served_their_own_identity(site, browser):
    tokens = {user: site.token(user) for user in ("alice", "bob")}
    seen = {}
    for user, token in tokens.items():
        seen[user] = (await browser.get("/me", headers=bearer(token))).json()
    assert seen["alice"] != seen["bob"]
    assert (await browser.get("/me", headers=bearer(tokens["alice"]))).json() == seen["alice"]


MALFORMED = ["Basic {}", "JWT {}", "{}", "bearer:{}", "Bearer\t{}", "Bearer{}", "Token {}"]


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer  ", *MALFORMED])
async def test_no_bearer_token_is_401_without_an_error_code(site, browser, header):
    headers = {} if header is None else {"Authorization": header.format(site.token())}
    answer = await browser.get("/me", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert site.calls() == []


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("header", [*MALFORMED, "Bearer {}", "Bearer {} {}", "bearer {}"])
async def test_no_frame_of_a_refusal_holds_the_token(site, header, kind):
    token = site.token(forged=True)
    scope = {
        "type": kind,
        "app": None,
        "headers": [(b"authorization", header.format(token, token).encode())],
    }
    async with site.lifespan(None) as state:
        connection = HTTPConnection({**scope, "state": dict(state)})
        with pytest.raises((HTTPException, WebSocketException)) as caught:
            await BearerSession(GOOGLE)(connection)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)][1:]
    assert frames
    for frame in frames:
        assert token not in repr(frame.f_locals)


async def test_a_refused_token_is_401(site, browser):
    for token in (site.token(forged=True), "nonsense", site.token(lifetime=-1000), "x" * 60_000):
        answer = await browser.get("/me", headers=bearer(token))
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
        assert token not in answer.text


async def test_a_session_that_expired_is_401(site, browser):
    token = site.token(lifetime=100_000)
    await browser.get("/me", headers=bearer(token))
    site.fake.deactivate_token(token)
    site.fake.advance(3601)
    for _ in range(2):
        assert (await browser.get("/me", headers=bearer(token))).status_code == 401


@pytest.mark.parametrize(
    "code",
    ["TooManyRequestsException", "InternalErrorException", "ExternalServiceException",
     "LimitExceededException", "ResourceNotFoundException",
     "InvalidIdentityPoolConfigurationException"],
)  # fmt: skip
async def test_a_fault_that_is_not_the_callers_is_503(site, browser, code):
    site.fake.fail_next(code, times=3)
    answer = await browser.get("/me", headers=bearer(site.token()))
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"


async def test_no_network_is_503_for_new_tokens_and_for_credentials_that_are_over(site, browser):
    token = site.token(lifetime=100_000)
    await browser.get("/me", headers=bearer(token))
    site.transport.cut = True
    assert (await browser.get("/me", headers=bearer(token))).status_code == 200
    assert (await browser.get("/me", headers=bearer(site.token("bob")))).status_code == 503
    site.clock.advance(3601)
    assert (await browser.get("/me", headers=bearer(token))).status_code == 503


async def test_a_store_that_is_down_is_503_and_told_in_the_log(site, browser, caplog):
    site.store.failure = StoreUnavailableError("down")
    token = site.token()
    assert (await browser.get("/me", headers=bearer(token))).status_code == 503
    assert "StoreUnavailableError: down" in caplog.text
    assert token not in caplog.text


async def test_a_client_may_be_told_to_come_back_later(site):
    app = FastAPI(lifespan=site.lifespan)
    patient = BearerSession(GOOGLE, retry_after=7)

    @app.get("/me")
    async def me(_session: Annotated[AuthSession, Depends(patient)]) -> str:
        return ""

    site.transport.cut = True
    async with site.asked(app) as browser:
        answer = await browser.get("/me", headers=bearer(site.token()))
    assert answer.headers["Retry-After"] == "7"


def test_openapi_shows_the_bearer_scheme(site):
    document = site.fastapi().openapi()
    scheme = document["components"]["securitySchemes"]["BearerSession"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert document["paths"]["/me"]["get"]["security"] == [{"BearerSession": []}]


async def test_plain_starlette_calls_the_dependency(site):
    async with site.asked(site.starlette()) as browser:
        assert (await browser.get("/me", headers=bearer(site.token()))).status_code == 200
        answer = await browser.get("/me")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_the_users_end_with_the_application(site):
    async with site.lifespan(None) as state:
        users = state["federated_users"]
    with pytest.raises(Exception, match="closed"):
        users.auth("alice")


async def test_a_lifespan_may_open_a_store_around_the_users(site):
    closed = []

    @asynccontextmanager
    async def users():
        async with FederatedUsers(site.pool_id, store=site.store, http_client=site.client) as users:
            yield users
        closed.append(True)

    async with users_lifespan(users)(None) as state:
        assert isinstance(state["federated_users"], FederatedUsers)
    assert closed


async def test_an_application_without_users_is_told_what_is_missing(site):
    app = site.fastapi()
    with pytest.raises(ConfigurationError, match="users_lifespan") as caught:
        TestClient(app).get("/me", headers=bearer(site.token()))
    assert "with TestClient(app) as client:" in caught.value.recovery_suggestion
    assert "app.router.lifespan_context(app)" in caught.value.recovery_suggestion


def test_the_advice_for_the_test_client_works(site):
    with TestClient(site.fastapi()) as client:
        assert client.get("/me", headers=bearer(site.token())).status_code == 200


@pytest.mark.parametrize("framework", ["fastapi", "starlette"])
async def test_the_advice_for_httpx_works(site, framework):
    app = getattr(site, framework)()
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://site") as client,
    ):
        assert (await client.get("/me", headers=bearer(site.token()))).status_code == 200
    with pytest.raises(ConfigurationError):
        async with httpx.AsyncClient(transport=transport, base_url="http://site") as client:
            await client.get("/me", headers=bearer(site.token()))


async def test_a_lifespan_of_ones_own_may_run_it(site):
    @asynccontextmanager
    async def lifespan(app):
        async with site.lifespan(app):
            yield

    app = site.fastapi(lifespan=lifespan)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://site") as client,
    ):
        assert (await client.get("/me", headers=bearer(site.token()))).status_code == 200


@pytest.mark.parametrize("framework", ["fastapi", "starlette"])
def test_a_websocket_is_accepted_with_a_good_token(site, framework):
    with (
        TestClient(getattr(site, framework)()) as client,
        client.websocket_connect("/live", headers=bearer(site.token())) as socket,
    ):
        assert socket.receive_text().startswith("us-west-2:")


@pytest.mark.parametrize("framework", ["fastapi", "starlette"])
def test_a_websocket_is_closed_before_it_is_accepted(site, framework):
    refused = ({}, bearer("nonsense"), bearer(site.token(forged=True)), {"Authorization": "JWT x"})
    with TestClient(getattr(site, framework)()) as client:
        for headers in refused:
            with (
                pytest.raises(WebSocketDisconnect) as caught,
                client.websocket_connect("/live", headers=headers),
            ):
                pass
            assert caught.value.code == 1008
        site.transport.cut = True
        with (
            pytest.raises(WebSocketDisconnect) as caught,
            client.websocket_connect("/live", headers=bearer(site.token())),
        ):
            pass
        assert caught.value.code == 1013


async def test_of_several_providers_the_tokens_issuer_chooses_one(site):
    app = site.fastapi(BearerSession(GOOGLE, AuthProvider.APPLE, AuthProvider.FACEBOOK))
    async with site.asked(app) as browser:
        for provider in (GOOGLE, AuthProvider.APPLE, AuthProvider.FACEBOOK):
            token = site.token("alice", provider)
            assert (await browser.get("/me", headers=bearer(token))).status_code == 200
        foreign = site.token("alice", AuthProvider.oidc("issuer.example.com"))
        site.calls()
        answer = await browser.get("/me", headers=bearer(foreign))
        assert (answer.status_code, site.calls()) == (401, [])
    described = app.openapi()["components"]["securitySchemes"]["BearerSession"]["description"]
    assert "accounts.google.com or appleid.apple.com or graph.facebook.com" in described


@pytest.mark.parametrize("providers", [(), ("accounts.google.com",), ([GOOGLE],)])
def test_what_are_no_providers_is_refused_at_once(providers):
    with pytest.raises(ValidationError, match="needs the providers"):
        BearerSession(*providers)


async def test_a_live_session_follows_renewals_after_the_request(site):
    given = []
    app = FastAPI(lifespan=site.lifespan)

    @app.get("/me")
    async def me(live: Annotated[FederatedBearer, Depends(LiveBearerSession(GOOGLE))]) -> str:
        given.append(live)
        return (await live.fetch_auth_session()).identity_id

    async with site.asked(app) as browser:
        assert (await browser.get("/me", headers=bearer("nonsense"))).status_code == 401
        answer = await browser.get("/me", headers=bearer(site.token(lifetime=100_000)))
        assert answer.status_code == 200
        first = await given[0].fetch_auth_session()
        site.fake.advance(3600)
        second = await given[0].fetch_auth_session()
    assert second.identity_id == first.identity_id == answer.json()
    assert second.credentials != first.credentials
    assert app.openapi()["paths"]["/me"]["get"]["security"] == [{"BearerSession": []}]


async def test_a_burst_of_one_users_requests_makes_one_federation(site, browser):
    headers = bearer(site.token())
    answers = await concurrently(*(browser.get("/me", headers=headers) for _ in range(100)))
    assert [answer.status_code for answer in answers] == [200] * 100
    assert len(site.calls()) == 2


def _in_new_python(script: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_it_works_without_fastapi():
    said = _in_new_python(
        "import sys, json\n"
        "sys.modules['fastapi'] = None\n"
        "from amplify_federation import AuthProvider\n"
        "from amplify_federation.integrations.starlette import BearerSession\n"
        "print(json.dumps(callable(BearerSession(AuthProvider.GOOGLE))))\n"
    )
    assert json.loads(said) is True


def test_without_starlette_the_extra_is_named():
    said = _in_new_python(
        "import sys\n"
        "sys.modules['starlette.exceptions'] = None\n"
        "try:\n"
        "    import amplify_federation.integrations.starlette\n"
        "except Exception as error:\n"
        "    print(error)\n"
    )
    assert "amplify-federation[starlette]" in said


@virtual_time
async def test_new_tokens_that_wait_in_line_for_too_long_are_503(site):
    settings = AuthSettings(clock=site.clock, timeout=10)
    site.lifespan = users_lifespan(
        lambda: FederatedUsers(
            site.pool_id, http_client=site.client, store=site.store, settings=settings,
            max_federations=1,
        )
    )  # fmt: skip
    known = bearer(site.token("known"))
    async with site.asked(site.fastapi()) as browser:
        assert (await browser.get("/me", headers=known)).status_code == 200
        gate = site.transport.before["GetId"] = Gate()
        others = [browser.get("/me", headers=bearer(site.token(subject))) for subject in "abc"]
        async with pending(*others, at=gate) as waiting:
            assert (await browser.get("/me", headers=known)).status_code == 200
            await waiting.wait()
    answers = [(answer.status_code, answer.headers["Retry-After"]) for answer in waiting.results]
    assert answers == [(503, "1")] * 3


def _refusals(caplog):
    return [each for each in caplog.records if getattr(each, "event", "") == "refused"]


async def test_a_401_is_logged_once_with_the_reason_and_cognitos_message(site, browser, caplog):
    caplog.set_level("INFO")
    token = site.token(forged=True)
    answer = await browser.get("/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    [record] = _refusals(caplog)
    assert (record.levelname, record.reason) == ("INFO", "token_signature")
    assert "Couldn't verify signed token" in record.getMessage()
    assert token.split(".")[1] not in caplog.text


async def test_a_pool_without_the_applications_client_id_is_a_warning(site, browser, caplog):
    site.fake.update_identity_pool(site.pool_id, providers={GOOGLE: ["another-app"]})
    token = site.token(audience="this-app")
    answer = await browser.get("/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    [record] = _refusals(caplog)
    assert (record.levelname, record.reason) == ("WARNING", "provider_not_configured")
    assert "Incorrect token audience" in record.getMessage()
    assert "Add the token's audience, this-app, to the client ids" in record.getMessage()


async def test_a_request_without_a_token_or_with_none_that_is_one_is_logged(site, browser, caplog):
    caplog.set_level("INFO")
    await browser.get("/me")
    await browser.get("/me", headers={"Authorization": 'Bearer "quoted"'})
    bare, quoted = _refusals(caplog)
    assert bare.reason == "no_token"
    assert "ValidationError" in quoted.getMessage()
    assert "without quotes" in quoted.getMessage()


async def test_an_application_whose_key_is_bad_does_not_start(monkeypatch, tmp_path):
    monkeypatch.setenv("AMPLIFY_FEDERATION_KEY", "")
    lifespan = users_lifespan(
        lambda: FederatedUsers(Site().pool_id, store=EncryptedFileStore(tmp_path / "sessions"))
    )
    with pytest.raises(ConfigurationError, match="AMPLIFY_FEDERATION_KEY is set, but empty"):
        async with lifespan(FastAPI()):
            pass
