"""Fixtures for applications that federate; pytest finds them by the installed entry point.

Nothing heavy is imported until a fixture is used. For the whole run, fixtures of any scope too,
sessions are kept away from the user's own (`AMPLIFY_FEDERATION_HOME` is a temporary folder), and
calls go over httpx's own transport (`AMPLIFY_FEDERATION_TRANSPORT`, unless it is set), so that
respx, pytest-httpx and vcrpy intercept them.
"""

import os
import shutil
import tempfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    import httpx

    from amplify_federation import AuthProvider, FederatedAuth, FederatedUsers
    from amplify_federation.testing import FakeCognito, ManualClock

    SignedInClient = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]

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
    from amplify_federation.testing import ManualClock  # noqa: PLC0415  # only when used

    return ManualClock()


@pytest.fixture
def fake_cognito(manual_clock: "ManualClock") -> "FakeCognito":
    """An embedded Cognito on `manual_clock`."""
    from amplify_federation.testing import FakeCognito  # noqa: PLC0415  # only when used

    return FakeCognito(clock=manual_clock)


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
    import httpx  # noqa: PLC0415  # 100 ms, only when used

    from amplify_federation import AuthSettings, FederatedAuth  # noqa: PLC0415  # with it

    client = httpx.AsyncClient(transport=fake_cognito.transport)
    return FederatedAuth(
        identity_pool, http_client=client, settings=AuthSettings(clock=manual_clock)
    )


@pytest.fixture
def federated_users(
    identity_pool: str, fake_cognito: "FakeCognito", manual_clock: "ManualClock"
) -> "FederatedUsers":
    """`FederatedUsers` of `identity_pool` in memory, whose calls `fake_cognito` answers.

    Give it to the application under test in place of its own.
    """
    import httpx  # noqa: PLC0415  # 100 ms, only when used

    from amplify_federation import (  # noqa: PLC0415  # with it
        AuthSettings,
        FederatedUsers,
        MemoryStore,
    )

    client = httpx.AsyncClient(transport=fake_cognito.transport)
    return FederatedUsers(
        identity_pool,
        store=MemoryStore(),
        http_client=client,
        settings=AuthSettings(clock=manual_clock),
    )


@pytest.fixture
def signed_in_client(fake_cognito: "FakeCognito") -> "SignedInClient":
    """A test client of a Starlette or FastAPI application, with a signed-in user.

    `async with signed_in_client(app, user="alice") as client: await client.get("/me")`. Not an
    async fixture, so that it serves pytest-asyncio and anyio alike.
    """
    from amplify_federation.testing.asgi import signed_in_client  # noqa: PLC0415  # when used

    def connect(
        app: object, user: str = "alice", provider: "AuthProvider | None" = None
    ) -> "AbstractAsyncContextManager[httpx.AsyncClient]":
        return signed_in_client(app, fake_cognito, user=user, provider=provider)

    return connect
