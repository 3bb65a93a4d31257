"""Which ID tokens are valid, and what is wrong with each other."""

import base64
import json

import pytest

from amplify_federation import (
    AuthProvider,
    ConfigurationError,
    MalformedResponseError,
    NotAuthorizedError,
)
from amplify_federation._model.values import Secret
from amplify_federation._oidc.id_token import Expected, id_token_claims
from amplify_federation.testing import FakeCognito, ManualClock
from tests.oidc.kit import CLIENT, GOOGLE, ISSUER

NOW = 1_800_000_000.0


@pytest.fixture
def fake():
    fake = FakeCognito(clock=ManualClock(time=NOW))
    fake.create_identity_pool({GOOGLE: [CLIENT], AuthProvider.APPLE: [CLIENT]})
    return fake


def claims_of(fake, token, *, issuer=ISSUER, nonce=None, access_token=None, keys=None):
    """Return the claims of a token that came for this client."""
    expected = Expected(issuer, CLIENT, nonce, access_token, NOW)
    return id_token_claims(Secret(token), keys or fake.jwks(GOOGLE)["keys"], expected)


def unsigned(header, claims):
    parts = (json.dumps(part).encode() for part in (header, claims))
    return ".".join([*(base64.urlsafe_b64encode(p).decode().rstrip("=") for p in parts), ""])


CLAIMS = {"iss": ISSUER, "sub": "alice", "aud": CLIENT, "iat": int(NOW), "exp": int(NOW) + 3600}


def test_a_good_token_gives_its_claims(fake):
    token = fake.issue_token(GOOGLE, "alice", claims={"nonce": "n"})
    assert claims_of(fake, token, nonce="n")["sub"] == "alice"


def test_google_may_leave_out_its_scheme_and_nobody_else(fake):
    token = fake.issue_token(GOOGLE, "alice", claims={"iss": GOOGLE.login_key})
    assert claims_of(fake, token)["sub"] == "alice"
    apple = AuthProvider.APPLE
    token = fake.issue_token(apple, "alice", claims={"iss": apple.login_key})
    issuer, keys = f"https://{apple.login_key}", fake.jwks(apple)["keys"]
    with pytest.raises(MalformedResponseError, match="iss"):
        claims_of(fake, token, issuer=issuer, keys=keys)


def test_an_audience_list_with_this_client_is_good(fake):
    token = fake.issue_token(GOOGLE, "alice", claims={"aud": [CLIENT, "x"], "azp": CLIENT})
    assert claims_of(fake, token)["aud"] == [CLIENT, "x"]


@pytest.mark.parametrize(
    ("claims", "kind", "said"),
    [
        ({"iss": "https://evil.example.com"}, MalformedResponseError, "iss"),
        ({"aud": "another"}, ConfigurationError, "aud"),
        ({"aud": None}, ConfigurationError, "aud"),
        ({"azp": "another"}, ConfigurationError, "azp"),
        ({"nonce": None}, NotAuthorizedError, "nonce"),
        ({"nonce": "another"}, NotAuthorizedError, "nonce"),
        ({"exp": int(NOW) - 301}, NotAuthorizedError, "exp"),
        ({"exp": float("nan")}, NotAuthorizedError, "exp"),
        ({"iat": int(NOW) + 302}, NotAuthorizedError, "iat"),
        ({"sub": None}, MalformedResponseError, "sub"),
        ({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, MalformedResponseError, "at_hash"),
    ],
    ids=str,
)
def test_a_claim_that_does_not_fit_is_named(fake, claims, kind, said):
    token = fake.issue_token(GOOGLE, "alice", claims={"nonce": "n", **claims})
    with pytest.raises(kind, match=said):
        claims_of(fake, token, nonce="n", access_token=Secret("access"))


@pytest.mark.parametrize(
    "token",
    [
        unsigned({"alg": "none"}, CLAIMS),
        unsigned({"alg": "HS256"}, CLAIMS),
        unsigned({"alg": "RS256", "kid": "unknown"}, CLAIMS),
        unsigned({"alg": "RS256"}, CLAIMS) + "AAAA",
        unsigned({}, CLAIMS),
        unsigned([], CLAIMS),
        unsigned({"alg": "RS256", "crit": ["x"]}, CLAIMS),
        unsigned({"alg": "RS256", "crit": 1}, CLAIMS),
        "opaque",
        "a.b.c",
        "\u00e9.b.c",
    ],
)
def test_a_token_that_the_issuer_did_not_sign_is_refused(fake, token):
    with pytest.raises(MalformedResponseError, match="not one of"):
        claims_of(fake, token)


def test_a_forged_token_is_refused(fake):
    token = fake.issue_token(GOOGLE, "alice", forged=True)
    with pytest.raises(MalformedResponseError):
        claims_of(fake, token)


def test_another_issuers_key_does_not_sign_here(fake):
    token = fake.issue_token(AuthProvider.APPLE, "alice", audience=CLIENT, claims={"iss": ISSUER})
    with pytest.raises(MalformedResponseError):
        claims_of(fake, token)


def test_keys_of_no_use_are_passed_over(fake):
    good = fake.jwks(GOOGLE)["keys"]
    odd = [
        {"kty": "oct", "k": "AAAA"},
        {"kty": "new"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "a curve of tomorrow", "x": "AA", "y": "AA"},
        {**good[0], "n": "\u00e9"},
        {**good[0], "kid": 1},
        {**good[0], "use": "enc"},
        "x",
        None,
    ]
    token = fake.issue_token(GOOGLE, "alice")
    assert claims_of(fake, token, keys=[*odd, *good])["sub"] == "alice"


@pytest.mark.parametrize("keys", [None, [], {}, [{"kty": "RSA", "n": 1}]])
def test_without_a_key_nothing_is_believed(fake, keys):
    expected = Expected(ISSUER, CLIENT, None, None, NOW)
    with pytest.raises(MalformedResponseError, match="not one of"):
        id_token_claims(Secret(fake.issue_token(GOOGLE, "alice")), keys, expected)
