"""Provider and client of a sign-in: options, then environment, then the configuration file."""

import json

import click
import pytest

from amplify_federation import ConfigurationError
from amplify_federation.cli.client_settings import (
    ClientSettings,
    client_secret,
    issuer_of,
    resolved,
)

POOL = "us-west-2_Ab1Cd2Ef3"
USER_POOL = f"https://cognito-idp.us-west-2.amazonaws.com/{POOL}"


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch):
    names = (
        "PROVIDER",
        "CLIENT_ID",
        "CLIENT_SECRET",
        "CLIENT_SECRET_FILE",
        "DISCOVERY_URL",
        "SCOPE",
    )
    for name in (*names, "CONFIG"):
        monkeypatch.delenv(f"AMPLIFY_FEDERATION_{name}", raising=False)


def written(tmp_path, document):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize(
    "document",
    [
        {"amplify_federation": {"provider": f"user-pool:{POOL}", "client_id": "c"}},
        {"auth": {"user_pool_id": POOL, "user_pool_client_id": "c"}},
        {"aws_user_pools_id": POOL, "aws_user_pools_web_client_id": "c"},
    ],
    ids=["a section of ours", "Amplify Gen 2", "Amplify Gen 1"],
)
def test_a_file_names_provider_and_client(tmp_path, document, monkeypatch):
    path = written(tmp_path, document)
    for config in (path, None):
        found = resolved(ClientSettings(), config)
        assert (issuer_of(found.provider), found.client_id) == (USER_POOL, "c")
        monkeypatch.setenv("AMPLIFY_FEDERATION_CONFIG", str(path))


def test_another_provider_above_leaves_the_client_below_alone(tmp_path, monkeypatch):
    path = written(tmp_path, {"amplify_federation": {"provider": "google", "client_id": "below"}})
    monkeypatch.setenv("AMPLIFY_FEDERATION_CLIENT_ID", "above")
    assert resolved(ClientSettings(), path).client_id == "above"
    monkeypatch.setenv("AMPLIFY_FEDERATION_PROVIDER", "google")
    monkeypatch.setenv("AMPLIFY_FEDERATION_DISCOVERY_URL", "http://127.0.0.1/x")
    same = resolved(ClientSettings(provider="oidc:https://accounts.google.com"), path)
    assert (same.client_id, same.discovery_url) == ("above", "http://127.0.0.1/x")
    other = ClientSettings(provider="oidc:issuer.example.com", client_id="c")
    assert resolved(other, path).discovery_url is None
    with pytest.raises(click.UsageError, match="--client-id"):
        resolved(ClientSettings(provider="oidc:issuer.example.com"), path)


def test_an_issuer_stays_as_it_was_given():
    assert issuer_of("oidc:https://tenant.auth0.com/") == "https://tenant.auth0.com/"
    assert issuer_of("OIDC:issuer.example.com/a") == "https://issuer.example.com/a"
    assert issuer_of("custom:accounts.google.com") == issuer_of("Google")


def test_a_section_that_is_no_text_is_refused(tmp_path):
    path = written(tmp_path, {"amplify_federation": {"provider": 1}})
    with pytest.raises(ConfigurationError, match=r"amplify_federation\.provider"):
        resolved(ClientSettings(), path)


@pytest.mark.parametrize(
    "content",
    ["s3cret\n", "\ufeffs3cret", '{"installed": {"client_id": "c", "client_secret": "s3cret"}}'],
)
def test_a_secret_comes_from_a_file(tmp_path, content, monkeypatch):
    path = tmp_path / "secret"
    path.write_text(content, encoding="utf-8")
    assert client_secret(str(path))() == "s3cret"
    monkeypatch.setenv("AMPLIFY_FEDERATION_CLIENT_SECRET_FILE", str(path))
    assert client_secret(None)() == "s3cret"


def test_a_secret_comes_from_the_environment(monkeypatch):
    assert client_secret(None)() is None
    monkeypatch.setenv("AMPLIFY_FEDERATION_CLIENT_SECRET", "s3cret")
    assert client_secret(None)() == "s3cret"


@pytest.mark.parametrize("content", [b"", b"canary one", b"\xff\xfe", b'{"installed": {}}', None])
def test_a_file_without_a_secret_is_refused_unshown(tmp_path, content):
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        client_secret(str(path))
    assert "canary" not in caught.value.message
    assert "the secret alone" in caught.value.recovery_suggestion
