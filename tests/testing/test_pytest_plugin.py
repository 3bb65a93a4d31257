import os
import subprocess
import sys
import tempfile
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import pytest

from amplify_federation import AuthProvider, EncryptedFileStore, LimitExceededError, SignedOut

HEAVY = ("httpx", "httpcore", "ssl", "cryptography", "uvicorn", "filelock", "asyncio", "trio")


async def test_federated_auth_signs_in_against_the_fake(
    federated_auth, fake_cognito, identity_pool
):
    token = fake_cognito.issue_token(AuthProvider.GOOGLE, "alice")
    async with federated_auth as auth:
        result = await auth.federate_to_identity_pool(token, AuthProvider.GOOGLE)
        assert result.identity_id.startswith("us-west-2:")
    assert [call.operation for call in fake_cognito.calls] == [
        "GetId",
        "GetCredentialsForIdentity",
    ]
    assert fake_cognito.calls[0].input["IdentityPoolId"] == identity_pool


async def test_manual_clock_moves_the_session_and_the_fake(
    federated_auth, fake_cognito, manual_clock
):
    token = fake_cognito.issue_token(AuthProvider.GOOGLE, "alice", lifetime=2 * 3600)
    await federated_auth.federate_to_identity_pool(token, AuthProvider.GOOGLE)
    first = (await federated_auth.fetch_auth_session()).credentials
    manual_clock.advance(3600)
    second = (await federated_auth.fetch_auth_session()).credentials
    assert second.expiration > first.expiration
    fake_cognito.advance(2 * 3600)
    assert not (await federated_auth.fetch_auth_session()).is_signed_in


async def test_fault_reaches_the_session(federated_auth, fake_cognito):
    token = fake_cognito.issue_token(AuthProvider.GOOGLE, "alice")
    fake_cognito.fail_next("LimitExceededException", operation="GetId")
    with pytest.raises(LimitExceededError):
        await federated_auth.federate_to_identity_pool(token, AuthProvider.GOOGLE)
    assert isinstance(federated_auth.state, SignedOut)


def test_sessions_of_tests_are_kept_from_the_users_own():
    home = Path(os.environ["AMPLIFY_FEDERATION_HOME"])
    assert home.is_relative_to(tempfile.gettempdir())
    assert not home.exists()
    store = EncryptedFileStore()
    anyio.run(partial(store.compare_and_set, "name", b"data", expected=None))
    assert home.exists()


def test_each_test_has_a_folder_of_its_own(tmp_path):
    (tmp_path / "test_homes.py").write_text(
        "import os\nseen = set()\n"
        "def test_one(): seen.add(os.environ['AMPLIFY_FEDERATION_HOME'])\n"
        "def test_two(): assert os.environ['AMPLIFY_FEDERATION_HOME'] not in seen\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "amplify_federation.testing.pytest_plugin"],
        cwd=tmp_path,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
@pytest.mark.parametrize("scope", ["session", "module"])
def test_fixture_of_a_wider_scope_writes_nowhere_of_the_users(tmp_path, workers, scope):
    if workers:
        pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    (tmp_path / "test_scope.py").write_text(
        "import anyio, functools, os, pytest\n"
        "from amplify_federation import EncryptedFileStore\n"
        f"@pytest.fixture(scope={scope!r})\n"
        "def written():\n"
        "    store = EncryptedFileStore()\n"
        "    write = functools.partial(store.compare_and_set, 'n', b'd', expected=None)\n"
        "    anyio.run(write)\n"
        "    return os.environ['AMPLIFY_FEDERATION_HOME']\n"
        "def test_one(written): assert os.path.isdir(written)\n"
        "def test_two(written): print(written)\n"
    )
    users_own = tmp_path / "own"
    environment = os.environ | {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "AMPLIFY_FEDERATION_HOME": str(users_own),
    }
    plugin = ["-p", "amplify_federation.testing.pytest_plugin"]
    xdist = ["-p", "xdist", *workers] if workers else []
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugin, *xdist],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr
    assert not users_own.exists()


async def test_signed_in_client_reaches_an_application_that_runs(
    federated_users, signed_in_client, fake_cognito
):
    fastapi = pytest.importorskip("fastapi", reason="fastapi is not installed")
    starlette = pytest.importorskip(
        "amplify_federation.integrations.starlette", reason="starlette is not installed"
    )
    steps = []

    @asynccontextmanager
    async def lifespan(app):
        async with starlette.users_lifespan(lambda: federated_users)(app) as state:
            steps.append("start")
            yield state
        steps.append("stop")

    app = fastapi.FastAPI(lifespan=lifespan)
    bearer = fastapi.Depends(starlette.BearerSession(AuthProvider.GOOGLE))

    @app.get("/me")
    async def me(session=bearer):
        return session.identity_id

    async with signed_in_client(app, user="alice") as client:
        alice = (await client.get("/me")).json()
        assert (await client.get("/me", headers={"Authorization": ""})).status_code == 401
    assert fake_cognito.calls[0].operation == "GetId"
    assert alice.startswith("us-west-2:")
    assert steps == ["start", "stop"]


async def test_signed_in_client_brings_the_token_of_a_provider(signed_in_client):
    starlette = pytest.importorskip("starlette.applications", reason="starlette is missing")
    responses = pytest.importorskip("starlette.responses", reason="starlette is missing")

    async def token(request):
        return responses.PlainTextResponse(request.headers["authorization"])

    app = starlette.Starlette()
    app.add_route("/", token)
    async with signed_in_client(app, provider=AuthProvider.FACEBOOK) as client:
        assert (await client.get("/")).text.startswith("Bearer EAA")


def test_plugin_loads_nothing_of_the_kit_and_nothing_heavy():
    script = (
        "import sys, pytest\nbefore = set(sys.modules)\n"
        "import amplify_federation.testing.pytest_plugin\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "COVERAGE_PROCESS_START": ""},  # coverage loads much itself
        capture_output=True,
        text=True,
        check=True,
    )
    own = [name for name in done.stdout.split() if name.startswith("amplify_federation.")]
    assert own == [
        "amplify_federation._version",
        "amplify_federation.errors",
        "amplify_federation.testing",
        "amplify_federation.testing.pytest_plugin",
    ]
    assert not {name.partition(".")[0] for name in done.stdout.split()} & set(HEAVY)


def test_plugin_is_found_by_its_entry_point(pytestconfig):
    plugin = pytestconfig.pluginmanager.get_plugin("amplify_federation")
    assert plugin.__name__ == "amplify_federation.testing.pytest_plugin"
