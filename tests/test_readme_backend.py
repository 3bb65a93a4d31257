"""The README's web backend, as it stands there: served with a real Redis."""

import base64
import importlib.util
import re
import secrets
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from amplify_federation import AuthProvider
from amplify_federation.testing import FakeCognito
from tests.stores.redis_server import RedisServer, needs_redis

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def redis(tmp_path):
    server = RedisServer(tmp_path)
    yield server
    server.kill()


def loaded(readme, folder):
    """Return a README's program as a module."""
    (code,) = re.findall(r"^```python\n(# backend\.py\n.*?)^```", readme, re.MULTILINE | re.DOTALL)
    path = folder / "backend.py"
    path.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("backend", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@needs_redis
def test_the_backend_of_the_readme_serves_its_users(tmp_path, monkeypatch, redis):
    fake = FakeCognito()
    pool_id = fake.create_identity_pool()
    with fake.serve() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_COGNITO_IDENTITY", url)
        monkeypatch.setenv("IDENTITY_POOL_ID", pool_id)
        monkeypatch.setenv("REDIS_URL", redis.url)
        key = base64.b64encode(secrets.token_bytes(32)).decode()
        monkeypatch.setenv("AMPLIFY_FEDERATION_KEY", key)
        with TestClient(loaded(README, tmp_path).app) as browser:
            token = fake.issue_token(AuthProvider.GOOGLE, "alice")
            answers = [
                browser.get("/me", headers={"Authorization": f"Bearer {token}"}) for _ in range(3)
            ]
            assert [answer.status_code for answer in answers] == [200, 200, 200]
            assert answers[0].json()["identity"].startswith("us-west-2:")
            assert len(fake.calls) == 2  # one federation
            refused = browser.get("/me", headers={"Authorization": "Bearer nonsense"})
            assert refused.status_code == 401
            assert "Bearer" in refused.headers["WWW-Authenticate"]
