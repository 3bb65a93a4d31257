import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_federation import AuthProvider
from amplify_federation.testing import FakeCognito, ManualClock
from amplify_federation.testing._service.errors import ServiceRefusal

GOOGLE = AuthProvider.GOOGLE
OIDC = AuthProvider.oidc("https://login.example.com/tenant/")
USER_POOL = AuthProvider.cognito_user_pool("us-west-2_Ab1Cd2Ef3")
SAML = AuthProvider.saml("arn:aws:iam::123456789012:saml-provider/Example")
JWT_PROVIDERS = [GOOGLE, AuthProvider.APPLE, OIDC, USER_POOL]
OPAQUE_PROVIDERS = [AuthProvider.FACEBOOK, AuthProvider.AMAZON, AuthProvider.TWITTER, SAML]
ALL = [*JWT_PROVIDERS, *OPAQUE_PROVIDERS]
MALFORMED = "Invalid login token. Not a valid OpenId Connect identity token."
SIGNATURE = "Invalid login token. Couldn't verify signed token."
by_key = pytest.mark.parametrize("provider", ALL, ids=lambda p: p.login_key)


def refusal(call, pool, provider, token):
    reply = call("GetId", IdentityPoolId=pool, Logins={provider.login_key: token})
    assert reply.status == 400, reply.body
    assert reply.code == "NotAuthorizedException"
    assert token not in json.dumps(reply.body)
    return reply.message


def altered(token, **claims):
    """The token with other claims under the old signature."""
    header, payload, signature = token.split(".")
    old = json.loads(base64.urlsafe_b64decode(payload + "=="))
    new = base64.urlsafe_b64encode(json.dumps(old | claims).encode()).rstrip(b"=").decode()
    return f"{header}.{new}.{signature}"


@by_key
def test_tokens_of_every_kind_prove_their_user(call, fake, provider):
    pool = fake.create_identity_pool(ALL)
    alice, again, bob = (
        call.identity(pool, {provider.login_key: fake.issue_token(provider, user)})
        for user in ("alice", "alice", "bob")
    )
    assert alice == again != bob


@by_key
def test_provider_that_the_pool_does_not_have_is_refused(call, fake, provider):
    pool = fake.create_identity_pool([one for one in ALL if one != provider])
    message = refusal(call, pool, provider, fake.issue_token(provider, "alice"))
    assert message == "Token is not from a supported provider of this identity pool."


@pytest.mark.parametrize("provider", JWT_PROVIDERS, ids=lambda p: p.login_key)
def test_jwt_expires_after_five_minutes_of_grace(call, fake, provider):
    pool = fake.create_identity_pool(ALL)
    token = fake.issue_token(provider, "alice", lifetime=600)
    expires = int(fake.time()) + 600
    fake.advance(899)
    call.identity(pool, {provider.login_key: token})
    fake.advance(1)
    assert refusal(call, pool, provider, token) == (
        f"Invalid login token. Token expired: {int(fake.time())} >= {expires}"
    )


@pytest.mark.parametrize("provider", OPAQUE_PROVIDERS, ids=lambda p: p.login_key)
def test_opaque_token_expires_without_grace(call, fake, provider):
    pool = fake.create_identity_pool(ALL)
    token = fake.issue_token(provider, "alice", lifetime=600)
    fake.advance(599)
    call.identity(pool, {provider.login_key: token})
    fake.advance(1)
    assert refusal(call, pool, provider, token).startswith("Invalid login token. Token expired: ")


@pytest.mark.parametrize(
    "token", ["no-jwt", "a.b", "a.b.c", "e30.e30", "e30.W10.AA", "e30.e30.A", "€.€.€"]
)
def test_text_that_is_no_jwt_is_malformed(call, fake, token):
    assert refusal(call, fake.create_identity_pool(), GOOGLE, token) == MALFORMED


@pytest.mark.parametrize("provider", JWT_PROVIDERS, ids=lambda p: p.login_key)
def test_jwt_of_a_forger_has_a_wrong_signature(call, fake, provider):
    pool = fake.create_identity_pool(ALL)
    token = fake.issue_token(provider, "alice", forged=True)
    assert refusal(call, pool, provider, token) == SIGNATURE


@pytest.mark.parametrize("provider", OPAQUE_PROVIDERS, ids=lambda p: p.login_key)
def test_opaque_token_of_a_forger_is_unknown(call, fake, provider):
    pool = fake.create_identity_pool(ALL)
    token = fake.issue_token(provider, "alice", forged=True)
    assert refusal(call, pool, provider, token) == "Invalid login token."


def test_altered_claims_break_the_signature_even_of_a_token_that_was_taken(call, fake):
    pool = fake.create_identity_pool()
    token = fake.issue_token(GOOGLE, "alice")
    call.identity(pool, {GOOGLE.login_key: token})
    assert refusal(call, pool, GOOGLE, altered(token, sub="bob")) == SIGNATURE


def test_unsigned_jwt_has_a_wrong_signature(call, fake):
    pool = fake.create_identity_pool()
    _, payload, _ = fake.issue_token(GOOGLE, "alice").split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    assert refusal(call, pool, GOOGLE, f"{none}.{payload}.") == SIGNATURE


def test_token_of_another_issuer_is_told_apart(call, fake):
    pool = fake.create_identity_pool(ALL)
    token = fake.issue_token(OIDC, "alice")
    message = "Invalid login token. Issuer doesn't match providerName"
    assert refusal(call, pool, GOOGLE, token) == message
    call.identity(pool, {OIDC.login_key: token})
    assert refusal(call, pool, GOOGLE, token) == message


def test_issuer_may_be_named_without_scheme_as_google_does(call, fake):
    pool = fake.create_identity_pool()
    token = fake.issue_token(GOOGLE, "alice", claims={"iss": "accounts.google.com"})
    same = fake.issue_token(GOOGLE, "alice")
    assert call.identity(pool, {GOOGLE.login_key: token}) == call.identity(
        pool, {GOOGLE.login_key: same}
    )


def test_audience_must_be_a_client_of_the_pool(call, fake):
    pool = fake.create_identity_pool({GOOGLE: ["web", "ios"], USER_POOL: ["app"]})
    for audience in ("web", "ios"):
        call.identity(
            pool, {GOOGLE.login_key: fake.issue_token(GOOGLE, "alice", audience=audience)}
        )
    assert "audience" in refusal(
        call, pool, GOOGLE, fake.issue_token(GOOGLE, "alice", audience="stranger")
    )
    assert (
        refusal(call, pool, USER_POOL, fake.issue_token(USER_POOL, "alice", audience="stranger"))
        == "Token is not from a supported provider of this identity pool."
    )


@pytest.mark.parametrize("claims", [{"azp": "web"}, {"aud": ["other", "web"]}])
def test_authorized_party_or_one_of_many_audiences_is_enough(call, fake, claims):
    pool = fake.create_identity_pool({GOOGLE: ["web"]})
    token = fake.issue_token(GOOGLE, "alice", claims={"aud": "other"} | claims)
    call.identity(pool, {GOOGLE.login_key: token})


def test_opaque_token_of_another_application_is_refused(call, fake):
    pool = fake.create_identity_pool({AuthProvider.FACEBOOK: ["app"]})
    token = fake.issue_token(AuthProvider.FACEBOOK, "alice", audience="stranger")
    assert refusal(call, pool, AuthProvider.FACEBOOK, token) == "Invalid login token."


def test_opaque_token_of_another_provider_is_refused(call, fake):
    pool = fake.create_identity_pool()
    token = fake.issue_token(AuthProvider.FACEBOOK, "alice")
    assert refusal(call, pool, AuthProvider.AMAZON, token) == "Invalid login token."


@pytest.mark.parametrize("claim", ["aud", "sub", "exp"])
def test_missing_claim_is_named(call, fake, claim):
    pool = fake.create_identity_pool()
    token = fake.issue_token(GOOGLE, "alice", claims={claim: None})
    assert refusal(call, pool, GOOGLE, token) == (
        f"Invalid login token. Missing a required claim: {claim}"
    )


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": "soon"},
        {"exp": True},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"sub": 7},
        {"sub": ""},
    ],
)
def test_claim_of_a_wrong_type_is_malformed(call, fake, claims):
    pool = fake.create_identity_pool()
    assert refusal(call, pool, GOOGLE, fake.issue_token(GOOGLE, "a", claims=claims)) == MALFORMED


def test_token_taken_back_by_its_provider_is_inactive(call, fake):
    pool = fake.create_identity_pool()
    for provider in (GOOGLE, AuthProvider.FACEBOOK):
        token = fake.issue_token(provider, "alice")
        call.identity(pool, {provider.login_key: token})
        fake.deactivate_token(token)
        assert refusal(call, pool, provider, token) == "Token is inactive"


def test_token_of_cognito_is_no_login_of_a_provider(call, fake):
    pool = fake.create_identity_pool({GOOGLE: ["web"], AuthProvider.DEVELOPER: ["login.example"]})
    _, token = fake.issue_developer_token(pool, "alice")
    message = "Invalid login token. Can't pass in a Cognito token."
    assert refusal(call, pool, AuthProvider.DEVELOPER, token) == message
    assert refusal(call, pool, GOOGLE, token) == message


def test_fakes_in_one_process_share_the_issuers_keys_and_no_opaque_tokens(call, fake):
    other = FakeCognito(clock=fake._clock)
    pool = fake.create_identity_pool()
    call.identity(pool, {GOOGLE.login_key: other.issue_token(GOOGLE, "alice")})
    token = other.issue_token(AuthProvider.FACEBOOK, "alice")
    assert refusal(call, pool, AuthProvider.FACEBOOK, token) == "Invalid login token."


@given(position=st.integers(0), character=st.sampled_from("AQgw_-.=é"))
def test_token_with_one_other_character_is_never_taken(position, character):
    fake = FakeCognito(clock=ManualClock())
    pool = fake.create_identity_pool({GOOGLE: ["web"]})
    token = fake.issue_token(GOOGLE, "alice", claims={"jti": "1"}, audience="web")
    position %= len(token)
    other = token[:position] + character + token[position + 1 :]
    checks = fake._operations.checks
    if other != token:
        with pytest.raises(ServiceRefusal):
            checks.logins(fake._pools.get(pool), {GOOGLE.login_key: other})
    assert checks.logins(fake._pools.get(pool), {GOOGLE.login_key: token})


@pytest.mark.parametrize("roles", ["one", 7, None, {"a": 1}, [7]])
def test_odd_claims_do_no_harm(call, fake, roles):
    pool = fake.create_identity_pool({GOOGLE: ["web"], AuthProvider.DEVELOPER: ["login.example"]})
    claims = {"cognito:roles": roles, "azp": roles}
    logins = {GOOGLE.login_key: fake.issue_token(GOOGLE, "alice", claims=claims)}
    assert call.credentials(call.identity(pool, logins), logins).status == 200


def test_many_tokens_do_not_fill_the_memory(call, fake, monkeypatch):
    monkeypatch.setattr("amplify_federation.testing._service.tokens._REMEMBERED", 2)
    pool = fake.create_identity_pool()
    tokens = [fake.issue_token(GOOGLE, str(number)) for number in range(5)]
    first = [call.identity(pool, {GOOGLE.login_key: token}) for token in tokens]
    assert [call.identity(pool, {GOOGLE.login_key: token}) for token in tokens] == first
    assert len(fake._operations.checks._verified) <= 2
