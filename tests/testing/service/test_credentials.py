"""Roles, principal tags, and credentials."""

import pytest

from amplify_federation.testing import PoolRoles
from amplify_federation.testing._service.credentials import principal_tags_of, role_of
from amplify_federation.testing._service.errors import ServiceRefusal
from amplify_federation.testing._service.pools import Pool
from amplify_federation.testing._service.tokens import Login

KEY = "cognito-idp.us-west-2.amazonaws.com/us-west-2_abc"
ROLES = PoolRoles("arn:usual", "arn:guest")


def login(**claims):
    return Login(KEY, "alice", {"aud": "client", **claims})


def pool_with(mapping=None, tags=None):
    mappings = {f"{KEY}:client": mapping} if mapping else {}
    principal_tags = {KEY: tags} if tags else {}
    return Pool(
        "us-west-2:0", {}, roles=ROLES, role_mappings=mappings, principal_tags=principal_tags
    )


def rules(match_type, value, resolution="AuthenticatedRole"):
    rule = {"Claim": "groups", "MatchType": match_type, "Value": value, "RoleARN": "arn:rule"}
    return {
        "Type": "Rules",
        "AmbiguousRoleResolution": resolution,
        "RulesConfiguration": {"Rules": [rule]},
    }


@pytest.mark.parametrize(
    ("match_type", "value", "groups", "role"),
    [
        ("Equals", "staff", ["staff", "eu"], "arn:rule"),
        ("Equals", "staff", "staff-eu", "arn:usual"),
        ("Contains", "aff", "staff", "arn:rule"),
        ("Contains", "x", "staff", "arn:usual"),
        ("StartsWith", "st", "staff", "arn:rule"),
        ("StartsWith", "aff", "staff", "arn:usual"),
        ("NotEqual", "staff", "guests", "arn:rule"),
        ("NotEqual", "staff", "staff", "arn:usual"),
        ("NotEqual", "staff", ["eu", "staff"], "arn:usual"),
        ("NotEqual", "staff", None, "arn:usual"),
    ],
)
def test_rule_that_matches_a_claim_gives_its_role(match_type, value, groups, role):
    claims = {} if groups is None else {"groups": groups}
    assert (
        role_of(pool_with(rules(match_type, value)), [login(**claims)], None, guest=False) == role
    )


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"cognito:preferred_role": "arn:mine", "cognito:roles": ["arn:a", "arn:b"]}, "arn:mine"),
        ({"cognito:roles": ["arn:a"]}, "arn:a"),
        ({"cognito:roles": ["arn:a", "arn:b"]}, "arn:usual"),
        ({}, "arn:usual"),
    ],
)
def test_token_mapping_takes_the_role_that_the_token_names(claims, role):
    mapping = {"Type": "Token", "AmbiguousRoleResolution": "AuthenticatedRole"}
    assert role_of(pool_with(mapping), [login(**claims)], None, guest=False) == role


def test_ambiguous_role_is_denied_where_the_pool_says_so():
    with pytest.raises(ServiceRefusal, match=f"rules for: {KEY} denied"):
        role_of(pool_with(rules("Equals", "staff", "Deny")), [login()], None, guest=False)


def test_custom_role_must_be_one_of_the_tokens():
    offering = login(**{"cognito:roles": ["arn:a", "arn:b"]})
    assert role_of(pool_with(), [offering], "arn:b", guest=False) == "arn:b"
    with pytest.raises(ServiceRefusal, match="CustomRoleArn"):
        role_of(pool_with(), [offering], "arn:c", guest=False)


def test_guest_gets_the_role_of_guests():
    assert role_of(pool_with(), [], None, guest=True) == "arn:guest"


def test_claims_become_principal_tags():
    mapped = {"UseDefaults": False, "PrincipalTags": {"team": "groups", "none": "missing"}}
    assert principal_tags_of(pool_with(tags=mapped), [login(groups=["a", "b"])]) == {"team": "a,b"}
    defaults = {"UseDefaults": True, "PrincipalTags": {}}
    tags = principal_tags_of(pool_with(tags=defaults), [login()])
    assert tags == {"username": "alice", "client": "client"}
    assert principal_tags_of(pool_with(), [login()]) == {}


@pytest.fixture
def pool(fake):
    return fake.create_identity_pool(guest_access=True)


def test_session_token_tells_the_test_what_it_stands_for(call, fake, pool):
    guest = call.identity(pool)
    credentials = call.credentials(guest).body["Credentials"]
    issued = fake.read_session_token(credentials["SessionToken"])
    assert issued.access_key_id == credentials["AccessKeyId"]
    assert issued.identity_id == guest
    assert issued.role_arn.endswith("Unauth_Role")
    assert issued.expiration == credentials["Expiration"]


@pytest.mark.parametrize("text", ["", "nonsense", "IQoJb3JpZ2luX2VjAAAA", "W10="])
def test_session_token_of_somebody_else_is_told(fake, text):
    with pytest.raises(ValueError, match="not issued by a FakeCognito"):
        fake.read_session_token(text)


def test_session_token_is_about_as_long_as_those_of_aws(call, pool):
    for _ in range(5):
        token = call.credentials(call.identity(pool)).body["Credentials"]["SessionToken"]
        assert 900 < len(token) < 1100
