import httpx
import pytest

from amplify_federation import AuthProvider
from amplify_federation.testing import FakeCognito, cassette_settings

HEADERS = {"content-type": "application/x-amz-json-1.1", "authorization": "canary"}


def call(client, url, operation, **given):
    target = {"x-amz-target": f"AWSCognitoIdentityService.{operation}"}
    return client.post(url, json=given, headers=HEADERS | target).json()


def test_cassette_holds_neither_token_nor_credentials(tmp_path):
    vcr = pytest.importorskip("vcr", reason="vcrpy is not installed")
    cassette = tmp_path / "cassette.yaml"
    fake = FakeCognito()
    pool = fake.create_identity_pool()
    logins = {"accounts.google.com": fake.issue_token(AuthProvider.GOOGLE, "alice")}
    recorder = vcr.VCR(**cassette_settings())
    with fake.serve() as url, httpx.Client() as client, recorder.use_cassette(str(cassette)):
        alice = call(client, url, "GetId", IdentityPoolId=pool, Logins=logins)["IdentityId"]
        given = call(client, url, "GetCredentialsForIdentity", IdentityId=alice, Logins=logins)
    recorded = cassette.read_text()
    secrets = [*logins.values(), *map(given["Credentials"].get, ("SecretKey", "SessionToken"))]
    assert not [one for one in (*secrets, "canary") if one in recorded]
    assert alice in recorded
    with httpx.Client() as client, recorder.use_cassette(str(cassette)) as played:
        again = call(client, url, "GetId", IdentityPoolId=pool, Logins=logins)
        assert (again["IdentityId"], played.play_count) == (alice, 1)


def test_cassette_of_a_sign_in_holds_no_code_and_no_secret_of_the_client(tmp_path):
    vcr = pytest.importorskip("vcr", reason="vcrpy is not installed")
    cassette = tmp_path / "cassette.yaml"
    fake = FakeCognito()
    secret = "canary+%&"
    fake.create_identity_pool({AuthProvider.APPLE: ["web"]})
    fake.set_up_provider(AuthProvider.APPLE, client_secrets={"web": secret})
    form = {"grant_type": "refresh_token", "client_id": "web", "client_secret": secret}
    form |= dict.fromkeys(("code", "code_verifier", "refresh_token", "device_code"), "canary")
    recorder = vcr.VCR(**cassette_settings())
    with fake.serve() as url, recorder.use_cassette(str(cassette)), httpx.Client() as client:
        device = client.post(f"{url}/appleid.apple.com/device_authorization", data=form).json()
        refused = client.post(f"{url}/appleid.apple.com/token", data=form).json()
    recorded = cassette.read_text()
    assert not [one for one in ("canary", device["device_code"]) if one in recorded]
    assert "grant_type=refresh_token" in recorded
    assert refused["error"] in recorded
