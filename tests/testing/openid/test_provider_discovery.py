import httpx
import pytest

from amplify_federation import AuthProvider
from amplify_federation.testing import FakeCognito, ManualClock
from amplify_federation.testing._openid.issuers import Jwt, encoded

OIDC = AuthProvider.oidc("https://login.example.com/tenant")
DISCOVERY = "/.well-known/openid-configuration"


@pytest.mark.parametrize("provider", [AuthProvider.GOOGLE, OIDC], ids=lambda p: p.login_key)
def test_issuer_publishes_the_key_that_signs_its_tokens(call, fake, provider):
    host, _, path = provider.login_key.partition("/")
    prefix = f"/{path}" if path else ""
    document = call.send(method="GET", host=host, path=prefix + DISCOVERY)
    assert document.status == 200
    assert document.body == fake.discovery_document(provider)
    assert document.body["issuer"] == f"https://{provider.login_key}"
    keys_path = document.body["jwks_uri"].removeprefix(f"https://{host}")
    keys = call.send(method="GET", host=host, path=keys_path).body
    assert keys == fake.jwks(provider)
    [key] = keys["keys"]
    assert Jwt.parse(fake.issue_token(provider, "alice")).header["kid"] == key["kid"]
    assert (key["kty"], key["alg"], key["use"]) == ("RSA", "RS256", "sig")


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "localhost"])
def test_loopback_server_publishes_issuers_under_their_names(call, host):
    document = call.send(
        method="GET", host=host, path=f"/{AuthProvider.GOOGLE.login_key}{DISCOVERY}"
    )
    assert document.body["issuer"] == "https://accounts.google.com"
    assert document.body["jwks_uri"] == f"http://{host}/accounts.google.com/.well-known/jwks.json"


def test_a_server_that_has_a_name_in_its_network_publishes_issuers_too(fake):
    with fake.serve() as url, httpx.Client() as client:
        answer = client.get(
            f"{url}/{AuthProvider.GOOGLE.login_key}{DISCOVERY}", headers={"host": "cognito:9229"}
        )
    document = answer.json()
    assert document["issuer"] == "https://accounts.google.com"
    assert document["token_endpoint"] == "http://cognito:9229/accounts.google.com/token"


def test_a_server_behind_a_tls_proxy_publishes_https(call):
    document = call.send(
        method="GET",
        host="localhost:8443",
        path=f"/{AuthProvider.GOOGLE.login_key}{DISCOVERY}",
        x_forwarded_proto="https",
    )
    assert document.body["token_endpoint"] == "https://localhost:8443/accounts.google.com/token"


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("accounts.google.com", "/"),
        ("127.0.0.1:1", DISCOVERY),
        ("graph.facebook.com", DISCOVERY),
        ("accounts.google.com", DISCOVERY + "/more"),
    ],
)
def test_other_pages_are_not_there(call, host, path):
    assert call.send(method="GET", host=host, path=path).status == 404


def test_published_key_verifies_with_another_implementation(call, fake):
    jwt = pytest.importorskip("joserfc.jwt", reason="joserfc is not installed")
    token = fake.issue_token(OIDC, "alice", audience="web", claims={"email": "a@example.com"})
    key_set = pytest.importorskip("joserfc.jwk").KeySet
    verified = jwt.decode(token, key_set.import_key_set(fake.jwks(OIDC)), algorithms=["RS256"])
    now = int(fake.time())
    assert verified.claims["sub"] == "alice"
    assert verified.claims["aud"] == "web"
    assert verified.claims["email"] == "a@example.com"
    assert (verified.claims["iat"], verified.claims["exp"]) == (now, now + 3600)


def test_a_library_that_looks_at_the_machines_clock_takes_the_tokens_of_a_manual_one():
    jwt = pytest.importorskip("joserfc.jwt", reason="joserfc is not installed")
    key_set = pytest.importorskip("joserfc.jwk").KeySet
    fake = FakeCognito(clock=ManualClock())
    keys = key_set.import_key_set(fake.jwks(OIDC))
    verified = jwt.decode(fake.issue_token(OIDC, "alice"), keys, algorithms=["RS256"])
    jwt.JWTClaimsRegistry().validate(verified.claims)


def test_base64url_is_without_padding():
    assert encoded(b"\xff\xfe\xfd\xfc") == "__79_A"
