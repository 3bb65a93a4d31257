import pytest

from amplify_federation import AuthProvider
from amplify_federation.testing import FakeCognito

GOOGLE = AuthProvider.GOOGLE
DEVELOPER = AuthProvider.DEVELOPER.login_key
RULES = {
    "Type": "Rules",
    "AmbiguousRoleResolution": "AuthenticatedRole",
    "RulesConfiguration": {
        "Rules": [
            {
                "Claim": "level",
                "MatchType": "Equals",
                "Value": "7",
                "RoleARN": "arn:aws:iam::123456789012:role/seven",
            }
        ]
    },
}


@pytest.fixture
def fake(clock):
    return FakeCognito(clock=clock, check_signatures=False)


@pytest.fixture
def pool(fake):
    providers = {GOOGLE: ["web"], AuthProvider.DEVELOPER: ["backend"]}
    return fake.create_identity_pool(providers, guest_access=True, classic_flow=True)


def logins(fake, user, **claims):
    return {GOOGLE.login_key: fake.issue_token(GOOGLE, user, claims=claims)}


def developer_token(call, pool, user, **more):
    logins = {"backend": user, **more.pop("logins", {})}
    return call("GetOpenIdTokenForDeveloperIdentity", IdentityPoolId=pool, Logins=logins, **more)


def test_role_mapping_decides_the_role(call, fake, pool):
    call(
        "SetIdentityPoolRoles",
        IdentityPoolId=pool,
        Roles={"authenticated": "arn:aws:iam::123456789012:role/usual"},
        RoleMappings={GOOGLE.login_key: RULES},
    )
    for level, role in ((7, "seven"), (6, "usual")):
        given = logins(fake, "alice", level=level)
        alice = call.identity(pool, given)
        token = call.credentials(alice, given).body["Credentials"]["SessionToken"]
        assert fake.read_session_token(token).role_arn.endswith(f"/{role}")


def test_role_mapping_of_a_provider_that_the_pool_has_not_is_refused(call, pool):
    reply = call(
        "SetIdentityPoolRoles",
        IdentityPoolId=pool,
        Roles={},
        RoleMappings={"login.example.com": RULES},
    )
    assert reply.code == "InvalidParameterException"
    assert "is not a configured provider" in reply.message


def test_classic_flow_is_refused_with_role_mappings_and_when_unset(call, fake, pool):
    guest = call.identity(pool)
    call(
        "SetIdentityPoolRoles",
        IdentityPoolId=pool,
        Roles={},
        RoleMappings={GOOGLE.login_key: RULES},
    )
    reply = call("GetOpenIdToken", IdentityId=guest)
    assert reply.code == "InvalidParameterException"
    assert "not supported with RoleMappings" in reply.message
    made = call(
        "CreateIdentityPool", IdentityPoolName="game", AllowUnauthenticatedIdentities=True
    ).body
    assert "AllowClassicFlow" not in made
    guest = call.identity(made["IdentityPoolId"])
    assert "not enabled" in call("GetOpenIdToken", IdentityId=guest).message


def test_login_for_a_pool_without_providers_is_refused_in_the_services_words(call, fake):
    pool = fake.create_identity_pool({}, guest_access=True)
    given = logins(fake, "alice")
    assert "does not have identity providers" in call.get_id(pool, Logins=given).message
    guest = call.identity(pool)
    assert call.credentials(guest, given).message.startswith("Logins don't match.")


def test_developer_name_is_no_public_provider(call, pool):
    guest = call.identity(pool)
    reply = call.credentials(guest, {"backend": "alice"})
    assert (reply.code, reply.message) == (
        "InvalidParameterException",
        "Please provide a valid public provider",
    )


def test_identity_with_a_login_needs_it_for_a_developer_token(call, fake, pool):
    given = logins(fake, "alice")
    alice = call.identity(pool, given)
    reply = developer_token(call, pool, "u-1", IdentityId=alice)
    assert (reply.code, reply.message[:19]) == ("NotAuthorizedException", "Logins don't match.")
    reply = developer_token(call, pool, "u-1", IdentityId=alice, logins=given)
    assert reply.body["IdentityId"] == alice
    assert developer_token(call, pool, "u-1").body["IdentityId"] == alice
    other = call.identity(pool)
    reply = developer_token(call, pool, "u-1", IdentityId=other)
    assert reply.code == "DeveloperUserAlreadyRegisteredException"


@pytest.mark.parametrize("given", [{}, {"backend": "a", "accounts.google.com": "x"}, {"x": "a"}])
def test_developer_token_needs_one_developer_login(call, pool, given):
    reply = call("GetOpenIdTokenForDeveloperIdentity", IdentityPoolId=pool, Logins=given)
    assert reply.status == 400


def test_merge_and_lookup_of_unknown_developer_users_are_not_found(call, fake, pool):
    developer_token(call, pool, "bob")
    named = {"IdentityPoolId": pool, "DeveloperProviderName": "backend"}
    merge = {"SourceUserIdentifier": "bob", "DestinationUserIdentifier": "nobody"}
    assert call("MergeDeveloperIdentities", **named, **merge).code == "ResourceNotFoundException"
    merge = {"SourceUserIdentifier": "bob", "DestinationUserIdentifier": "bob"}
    assert call("MergeDeveloperIdentities", **named, **merge).code == "InvalidParameterException"
    wrong = {**named, "DeveloperProviderName": "other"}
    assert call("MergeDeveloperIdentities", **wrong, **merge).code == "InvalidParameterException"
    assert call("LookupDeveloperIdentity", IdentityPoolId=pool).code == "InvalidParameterException"
    guest = call.identity(pool)
    lookup = {"IdentityPoolId": pool, "IdentityId": guest, "DeveloperUserIdentifier": "bob"}
    assert call("LookupDeveloperIdentity", **lookup).code == "ResourceConflictException"


def test_unlinked_developer_user_leaves_its_identity_closed(call, fake, pool):
    issued = developer_token(call, pool, "bob").body
    identity, token = issued["IdentityId"], {DEVELOPER: issued["Token"]}
    given = {
        "IdentityPoolId": pool,
        "IdentityId": identity,
        "DeveloperProviderName": "backend",
        "DeveloperUserIdentifier": "bob",
    }
    assert call.credentials(identity, token).status == 200
    assert call("UnlinkDeveloperIdentity", **given).body == {}
    assert "forbidden" in call.credentials(identity, token).message
    assert call("UnlinkDeveloperIdentity", **given).code == "ResourceNotFoundException"
    assert "forbidden" in call.credentials(identity).message


def test_tags_and_maps_of_what_is_not_there_are_not_found(call, pool):
    assert call("ListTagsForResource", ResourceArn="a" * 20).code == "ResourceNotFoundException"
    given = {"IdentityPoolId": pool, "IdentityProviderName": "x"}
    assert call("GetPrincipalTagAttributeMap", **given).code == "ResourceNotFoundException"
