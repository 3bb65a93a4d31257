"""Fixtures for applications that federate; pytest finds them by the installed entry point.

Every run of pytest imports this file, so httpx (100 ms), and with it the kit, come with the first
fixture that needs them. For the whole run, fixtures of any scope too,
sessions are kept away from the user's own (`AMPLIFY_FEDERATION_HOME` is a temporary folder), and
calls go over httpx's own transport (`AMPLIFY_FEDERATION_TRANSPORT`, unless it is set), so that
respx, pytest-httpx and vcrpy intercept them.
"""

import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest

import amplify_federation
from amplify_federation import testing

if TYPE_CHECKING:
    import httpx

    from amplify_federation import AuthProvider, FederatedAuth, FederatedUsers
    from amplify_federation.testing import FakeCognito, ManualClock

_HOME = "AMPLIFY_FEDERATION_HOME"
_TRANSPORT = "AMPLIFY_FEDERATION_TRANSPORT"


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Set the variables of the whole run, in each worker of pytest-xdist too.

    Fixtures of a session or module run outside every test; they write under this folder. It is
    named and not made, since most runs never write there.
    """
    patch = pytest.MonkeyPatch()
    name = f"amplify_federation-{os.urandom(8).hex()}"
    home = os.path.join(tempfile.gettempdir(), name)  # noqa: PTH118  # pathlib gains nothing here
    patch.setenv(_HOME, home)
    if not os.environ.get(_TRANSPORT):
        patch.setenv(_TRANSPORT, "httpx")

    def undo() -> None:
        patch.undo()
        shutil.rmtree(home, ignore_errors=True)

    config.add_cleanup(undo)


@pytest.fixture(autouse=True)
def _isolated_sessions(  # pyright: ignore[reportUnusedFunction]  # pytest uses it
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # One folder a test, below the run's, where nothing can be that an earlier test left.
    monkeypatch.setenv(_HOME, f"{os.environ[_HOME]}/{os.urandom(8).hex()}")


@pytest.fixture
def manual_clock() -> "ManualClock":
    """A clock that stands until the test moves it, shared by the fake and `federated_auth`."""
    return testing.ManualClock()


@pytest.fixture
def fake_cognito(manual_clock: "ManualClock") -> "FakeCognito":
    """An embedded Cognito on `manual_clock`."""
    return testing.FakeCognito(clock=manual_clock)


@pytest.fixture
def identity_pool(fake_cognito: "FakeCognito") -> str:
    """The id of an identity pool of `fake_cognito`: Google, Facebook, Amazon, Apple, no guests."""
    return fake_cognito.create_identity_pool()


@pytest.fixture
def federated_auth(
    identity_pool: str, fake_cognito: "FakeCognito", manual_clock: "ManualClock"
) -> "FederatedAuth":
    """A signed-out `FederatedAuth` of `identity_pool`, whose calls `fake_cognito` answers.

    It needs no closing, since it opens nothing; `async with federated_auth` works as usual. Not an
    async fixture, so that it serves any plugin for async tests.
    """
    return amplify_federation.FederatedAuth(
        identity_pool,
        http_client=_client(transport=fake_cognito.transport),
        settings=amplify_federation.AuthSettings(clock=manual_clock),
    )


@pytest.fixture
def federated_users(
    identity_pool: str, fake_cognito: "FakeCognito", manual_clock: "ManualClock"
) -> "FederatedUsers":
    """`FederatedUsers` of `identity_pool` in memory, whose calls `fake_cognito` answers.

    Give it to the application under test in place of its own.
    """
    return amplify_federation.FederatedUsers(
        identity_pool,
        store=amplify_federation.MemoryStore(),
        http_client=_client(transport=fake_cognito.transport),
        settings=amplify_federation.AuthSettings(clock=manual_clock),
    )


@pytest.fixture
def signed_in_client(
    fake_cognito: "FakeCognito",
) -> "Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]":
    """A test client of a Starlette or FastAPI application, with a signed-in user.

    `async with signed_in_client(app, user="alice") as client: await client.get("/me")`. Not an
    async fixture, so that it serves pytest-asyncio and anyio alike. Each request carries a bearer
    token that `provider`, Google unless given, issued for `user`. The application is started and
    stopped around the block.
    """

    @asynccontextmanager
    async def connect(
        app: object, user: str = "alice", provider: "AuthProvider | None" = None
    ) -> "AsyncGenerator[httpx.AsyncClient]":
        issuer = provider or amplify_federation.AuthProvider.GOOGLE
        headers = {"Authorization": f"Bearer {fake_cognito.issue_token(issuer, user)}"}
        application = cast("Any", app)  # FastAPI's and Starlette's classes are an extra
        # httpx's transport leaves the lifespan, and the state that it yields, to its user.
        async with application.router.lifespan_context(application) as state:

            async def with_state(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401  # ASGI
                await application({**scope, "state": dict(state or {})}, receive, send)

            async with _client(
                app=with_state, base_url="http://testserver", headers=headers
            ) as client:
                yield client

    return connect


def _client(
    transport: "httpx.AsyncBaseTransport | None" = None,
    *,
    app: Any = None,  # noqa: ANN401  # ASGI
    **more: Any,  # noqa: ANN401  # httpx's
) -> "httpx.AsyncClient":
    import httpx  # noqa: PLC0415  # see the top of the file

    return httpx.AsyncClient(transport=transport or httpx.ASGITransport(app), **more)
