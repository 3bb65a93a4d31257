"""What the README of the stores says: its backend is served, its URLs and options are taken."""

import base64
import importlib.util
import re
import secrets
from pathlib import Path

import anyio
import pytest
from starlette.testclient import TestClient

import amplify_federation
from amplify_federation import AuthProvider, FederatedUsers, MemoryStore
from amplify_federation.stores import _redis_client, _redis_url
from amplify_federation.stores.redis import RedisStore
from amplify_federation.testing import FakeCognito
from tests.stores.redis_server import PLENTY, RedisServer, needs_redis

README = (Path(amplify_federation.__file__).parent / "stores" / "README.md").read_text("utf-8")


def loaded(readme, folder):
    """Return a README's program as a module."""
    (code,) = re.findall(r"^```python\n(# backend\.py\n.*?)^```", readme, re.MULTILINE | re.DOTALL)
    path = folder / "backend.py"
    path.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("backend", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


POOL_ID = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768"


@needs_redis
def test_the_backend_serves_requests_jobs_and_websockets(tmp_path, monkeypatch):
    fake = FakeCognito()
    monkeypatch.setenv("IDENTITY_POOL_ID", fake.create_identity_pool())
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    monkeypatch.setenv("AMPLIFY_FEDERATION_KEY", key)
    redis = RedisServer(tmp_path)
    monkeypatch.setattr(_redis_client, "DEADLINE", PLENTY)
    monkeypatch.setenv("REDIS_URL", redis.url)
    reports = []
    try:
        with fake.serve() as url:
            monkeypatch.setenv("AWS_ENDPOINT_URL_COGNITO_IDENTITY", url)
            backend = loaded(README, tmp_path)
            write = backend.write_report

            async def noted(player):
                reports.append(await write(player))

            monkeypatch.setattr(backend, "write_report", noted)
            with TestClient(backend.app) as client:
                for provider in (AuthProvider.GOOGLE, AuthProvider.APPLE):
                    token = fake.issue_token(provider, "alice")
                    headers = {"Authorization": f"Bearer {token}"}
                    me = client.get("/me", headers=headers).json()
                    assert client.post("/reports", headers=headers).status_code == 200
                    assert reports.pop() == me["key"]
                    with client.websocket_connect("/live", headers=headers) as socket:
                        assert socket.receive_text() == me["identity"]
                token = fake.issue_token(AuthProvider.FACEBOOK, "alice")
                refused = client.get("/me", headers={"Authorization": f"Bearer {token}"})
                assert refused.status_code == 401
    finally:
        redis.stop()


def test_each_url_of_the_table_is_taken(tmp_path):
    authority = tmp_path / "authority.pem"
    authority.touch()
    urls = re.findall(r"^\| `(\w[\w+]*://[^`]*)` \|", README, re.MULTILINE)
    assert len(urls) == 5
    for url in urls:
        RedisStore(url.replace("FILE", str(authority)).replace(":port", ":6379"), key=bytes(32))


def test_each_option_is_named():
    options = re.search(r"Options behind a `\?`:(.*?)Others", README, re.DOTALL).group(1)
    taken = {*_redis_url.PLAIN_OPTIONS, *_redis_url.TLS_OPTIONS}
    assert set(re.findall(r"`(\w+)`", options)) == taken


@pytest.mark.parametrize("name", ["max_federations", "max_users"])
def test_the_bounds_are_those_of_the_code(name):
    (said,) = re.findall(rf"`{name}` \(([\d,]+)\)", README)
    assert FederatedUsers.__init__.__kwdefaults__[name] == int(said.replace(",", ""))


def test_what_is_said_of_users_is_so():
    users = FederatedUsers(POOL_ID, store=MemoryStore(), user_pool=lambda _user_id: None)
    assert users.auth("user-4711").state is not None
    assert callable(users.session_for)
    assert users.bearer("a.b.c", AuthProvider.GOOGLE) == users.bearer("a.b.c", AuthProvider.GOOGLE)
    anyio.run(users.aclose)
