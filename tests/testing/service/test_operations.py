import json

from amplify_federation import AuthProvider
from amplify_federation.testing import PoolRoles
from amplify_federation.testing._openid.issuers import Jwt, signing_key

GOOGLE = AuthProvider.GOOGLE
DEVELOPER = AuthProvider.DEVELOPER.login_key
READER, WRITER = (f"arn:aws:iam::123456789012:role/{name}" for name in ("Reader", "Writer"))


def test_credentials_live_one_hour_and_are_unique(call, fake, pool, google):
    logins = google()
    alice = call.identity(pool, logins)
    first, second = (call.credentials(alice, logins).body["Credentials"] for _ in range(2))
    assert first["Expiration"] == fake.time() + 3600
    assert first["AccessKeyId"].startswith("ASIA")
    assert (len(first["AccessKeyId"]), len(first["SecretKey"])) == (20, 40)
    for member in ("AccessKeyId", "SecretKey", "SessionToken"):
        assert first[member] != second[member]


def test_guests_are_refused_where_they_are_off(call, fake, pool):
    guest = call.identity(pool)
    fake.update_identity_pool(pool, guest_access=False)
    for reply in (call("GetId", IdentityPoolId=pool), call.credentials(guest)):
        assert (reply.code, reply.message) == (
            "NotAuthorizedException",
            "Unauthenticated access is not supported for this identity pool.",
        )


def test_empty_logins_are_a_guest(call, pool):
    assert call("GetId", IdentityPoolId=pool, Logins={}).status == 200


def test_unknown_pool_and_identity_are_not_found(call, fake, pool, google):
    missing = "us-west-2:00000000-0000-0000-0000-000000000000"
    reply = call("GetId", IdentityPoolId=missing)
    assert (reply.code, reply.message) == (
        "ResourceNotFoundException",
        f"IdentityPool '{missing}' not found.",
    )
    for operation in ("GetCredentialsForIdentity", "GetOpenIdToken"):
        reply = call(operation, IdentityId=missing)
        assert (reply.code, reply.message) == (
            "ResourceNotFoundException",
            f"Identity '{missing}' not found.",
        )
    guest = call.identity(pool)
    fake.delete_identity_pool(pool)
    assert call.credentials(guest).message == f"IdentityPool '{pool}' not found."


def test_pool_without_a_role_is_misconfigured(call, fake, pool, google):
    logins = google()
    alice, guest = call.identity(pool, logins), call.identity(pool)
    fake.update_identity_pool(pool, roles=PoolRoles(authenticated=None))
    assert call.credentials(guest).status == 200
    assert call.credentials(alice, logins).code == "InvalidIdentityPoolConfigurationException"
    fake.update_identity_pool(pool, roles=PoolRoles(unauthenticated=None))
    assert call.credentials(alice, logins).status == 200
    assert call.credentials(guest).code == "InvalidIdentityPoolConfigurationException"


def test_role_is_chosen_among_those_of_the_token(call, fake, pool, google):
    logins = google(**{"cognito:roles": [READER, WRITER], "cognito:preferred_role": WRITER})
    alice = call.identity(pool, logins)
    assert call.role(alice, logins) == WRITER
    assert call.role(alice, logins, CustomRoleArn=READER) == READER
    refused = call.credentials(alice, logins, CustomRoleArn=READER + "X")
    assert refused.code == "NotAuthorizedException"


def test_role_of_the_pool_serves_a_token_without_roles(call, fake, pool, google):
    logins = google()
    alice = call.identity(pool, logins)
    assert call.role(alice, logins, CustomRoleArn=READER) == PoolRoles().authenticated


def test_developer_token_gives_credentials_to_its_identity_alone(call, fake, pool):
    alice, token = fake.issue_developer_token(pool, "alice")
    again, _ = fake.issue_developer_token(pool, "alice")
    bob, _ = fake.issue_developer_token(pool, "bob")
    assert alice == again != bob
    assert call.role(alice, {DEVELOPER: token}) == PoolRoles().authenticated
    assert call.credentials(alice, {DEVELOPER: token}).body["IdentityId"] == alice
    assert "don't match" in call.credentials(bob, {DEVELOPER: token}).message


def test_developer_token_expires_and_is_checked(call, fake, pool):
    alice, token = fake.issue_developer_token(pool, "alice", lifetime=60)
    other_pool = fake.create_identity_pool({AuthProvider.DEVELOPER: ["login.example"]})
    _, foreign = fake.issue_developer_token(other_pool, "alice")
    google = fake.issue_token(GOOGLE, "alice")
    for wrong in (foreign, "nonsense"):
        reply = call.credentials(alice, {DEVELOPER: wrong})
        assert reply.message == "Invalid login token. Not a Cognito token."
    assert "Issuer" in call.credentials(alice, {DEVELOPER: google}).message
    fake.advance(60)
    assert "Token expired" in call.credentials(alice, {DEVELOPER: token}).message


def test_developer_token_makes_a_user_of_a_guest(call, fake, pool):
    guest = call.identity(pool)
    alice, token = fake.issue_developer_token(pool, "alice", identity_id=guest)
    assert alice == guest
    assert call.credentials(guest, {DEVELOPER: token}).status == 200
    assert "forbidden" in call.credentials(guest).message


def test_developer_token_links_other_logins(call, fake, pool, google):
    alice, token = fake.issue_developer_token(pool, "alice")
    logins = google("al")
    assert call.credentials(alice, {DEVELOPER: token, **logins}).status == 200
    assert call.identity(pool, logins) == alice


def test_developer_token_of_a_deleted_identity_is_of_no_use(call, fake, pool):
    alice, token = fake.issue_developer_token(pool, "alice")
    fake.delete_identity(alice)
    assert call.credentials(alice, {DEVELOPER: token}).code == "ResourceNotFoundException"


def test_open_id_token_is_cognitos_own_for_ten_minutes(call, fake, pool, google):
    logins = google()
    alice = call.identity(pool, logins)
    reply = call("GetOpenIdToken", IdentityId=alice, Logins=logins)
    assert reply.body["IdentityId"] == alice
    jwt = Jwt.parse(reply.body["Token"])
    assert signing_key(DEVELOPER).verifies(jwt)
    assert jwt.claims["iss"] == "https://cognito-identity.amazonaws.com"
    assert (jwt.claims["sub"], jwt.claims["aud"]) == (alice, pool)
    assert jwt.claims["exp"] - jwt.claims["iat"] == 600
    assert jwt.claims["amr"] == [
        "authenticated",
        "accounts.google.com",
        "accounts.google.com:web:alice",
    ]


def test_open_id_token_of_a_guest_says_so_and_is_no_developer_token(call, pool):
    guest = call.identity(pool)
    token = call("GetOpenIdToken", IdentityId=guest).body["Token"]
    assert Jwt.parse(token).claims["amr"] == ["unauthenticated"]
    assert "Not a Cognito token" in call.credentials(guest, {DEVELOPER: token}).message


def test_open_id_token_needs_the_classic_flow(call, fake):
    pool = fake.create_identity_pool(guest_access=True)
    reply = call("GetOpenIdToken", IdentityId=call.identity(pool))
    assert (reply.code, reply.message) == (
        "InvalidParameterException",
        "Basic (classic) flow is not enabled, please use enhanced flow.",
    )


def test_no_refusal_carries_a_token(call, fake, pool):
    token = fake.issue_token(GOOGLE, "canary", claims={"aud": "canary"})
    reply = call("GetId", IdentityPoolId=pool, Logins={GOOGLE.login_key: token})
    assert reply.status == 400
    assert token not in json.dumps(reply.body)
    assert "canary" not in repr(fake.calls) + repr(fake)
