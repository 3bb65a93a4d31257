"""Fixtures for applications that federate; pytest finds them by the installed entry point.

Nothing heavy is imported until a fixture is used. Sessions of every test are kept away from the
user's own: `AMPLIFY_FEDERATION_HOME` is a temporary folder.
"""

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from amplify_federation import FederatedAuth
    from amplify_federation.testing import FakeCognito, ManualClock

_HOME = "AMPLIFY_FEDERATION_HOME"


@pytest.fixture(autouse=True)
def _isolated_sessions(  # pyright: ignore[reportUnusedFunction]  # pytest uses it
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One path a test, named and not made: most tests never write there.
    home = tmp_path_factory.getbasetemp() / f"amplify_federation-{os.urandom(8).hex()}"
    monkeypatch.setenv(_HOME, str(home))


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
