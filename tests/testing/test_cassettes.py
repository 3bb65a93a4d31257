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
