import pytest

from amplify_federation.testing import PoolRoles
from amplify_federation.testing._service.errors import ServiceRefusal
from amplify_federation.testing._service.pools import Pool
from amplify_federation.testing._service.roles import principal_tags_of, role_of
from amplify_federation.testing._service.tokens import Login

KEY = "cognito-idp.us-west-2.amazonaws.com/us-west-2_abc"
ROLES = PoolRoles("arn:usual", "arn:guest")


def login(**claims):
    return Login(KEY, "alice", {"aud": "client", **claims})


def pool(mapping=None, tags=None):
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
        ("NotEqual", "staff", None, "arn:usual"),
    ],
)
def test_rule_that_matches_a_claim_gives_its_role(match_type, value, groups, role):
    claims = {} if groups is None else {"groups": groups}
    assert role_of(pool(rules(match_type, value)), [login(**claims)], None, guest=False) == role


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
    assert role_of(pool(mapping), [login(**claims)], None, guest=False) == role


def test_ambiguous_role_is_denied_where_the_pool_says_so():
    with pytest.raises(ServiceRefusal, match="ambiguous"):
        role_of(pool(rules("Equals", "staff", "Deny")), [login()], None, guest=False)


def test_custom_role_must_be_one_of_the_tokens():
    offering = login(**{"cognito:roles": ["arn:a", "arn:b"]})
    assert role_of(pool(), [offering], "arn:b", guest=False) == "arn:b"
    with pytest.raises(ServiceRefusal, match="CustomRoleArn"):
        role_of(pool(), [offering], "arn:c", guest=False)


def test_guest_gets_the_role_of_guests():
    assert role_of(pool(), [], None, guest=True) == "arn:guest"


def test_claims_become_principal_tags():
    mapped = {"UseDefaults": False, "PrincipalTags": {"team": "groups", "none": "missing"}}
    assert principal_tags_of(pool(tags=mapped), [login(groups=["a", "b"])]) == {"team": "a,b"}
    defaults = {"UseDefaults": True, "PrincipalTags": {}}
    tags = principal_tags_of(pool(tags=defaults), [login()])
    assert tags == {"username": "alice", "client": "client"}
    assert principal_tags_of(pool(), [login()]) == {}
