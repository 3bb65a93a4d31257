"""All 23 operations through boto3, which sends what AWS's model says and reads what it promises."""

import contextlib

import pytest

from amplify_federation import AuthProvider
from amplify_federation.testing import FakeCognito, ManualClock
from amplify_federation.testing._service.dispatch import snake
from amplify_federation.testing._service.model import OPERATIONS

boto3 = pytest.importorskip("boto3", reason="boto3 is not installed")
botocore_config = pytest.importorskip("botocore.config", reason="botocore is not installed")
REGION = "eu-central-1"


@pytest.fixture(scope="module")
def served():
    fake = FakeCognito(region=REGION, clock=ManualClock())
    with fake.serve() as url:
        yield fake, url


@pytest.fixture(scope="module")
def admin(served):
    _, url = served
    client = boto3.client(
        "cognito-identity",
        region_name=REGION,
        endpoint_url=url,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="example",
        config=botocore_config.Config(retries={"total_max_attempts": 1}),
    )
    with contextlib.closing(client):
        yield client


def test_every_operation_has_a_method_of_its_name():
    assert snake("GetOpenIdTokenForDeveloperIdentity") == "get_open_id_token_for_developer_identity"
    assert len({snake(name) for name in OPERATIONS}) == 23


def test_administrator_runs_every_operation(served, admin):
    fake, _ = served
    google, saml = AuthProvider.GOOGLE, "arn:aws:iam::123456789012:saml-provider/corp"
    pool = admin.create_identity_pool(
        IdentityPoolName="game",
        AllowUnauthenticatedIdentities=True,
        AllowClassicFlow=True,
        DeveloperProviderName="backend",
        SupportedLoginProviders={google.login_key: "web;ios"},
        SamlProviderARNs=[saml],
        OpenIdConnectProviderARNs=[
            "arn:aws:iam::123456789012:oidc-provider/login.example.com/tenant"
        ],
        CognitoIdentityProviders=[
            {
                "ProviderName": "cognito-idp.eu-central-1.amazonaws.com/eu-central-1_abc",
                "ClientId": "client",
                "ServerSideTokenCheck": True,
            }
        ],
        IdentityPoolTags={"team": "game"},
    )
    pool.pop("ResponseMetadata")
    pool_id = pool["IdentityPoolId"]
    assert pool_id.startswith(f"{REGION}:")
    described = admin.describe_identity_pool(IdentityPoolId=pool_id)
    described.pop("ResponseMetadata")
    assert described == pool
    assert pool["SupportedLoginProviders"] == {google.login_key: "ios;web"}
    assert pool["CognitoIdentityProviders"][0]["ServerSideTokenCheck"]
    arn = f"arn:aws:cognito-identity:{REGION}:123456789012:identitypool/{pool_id}"
    admin.tag_resource(ResourceArn=arn, Tags={"stage": "test"})
    admin.untag_resource(ResourceArn=arn, TagKeys=["team"])
    assert admin.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"stage": "test"}
    role = "arn:aws:iam::123456789012:role/player"
    admin.set_identity_pool_roles(
        IdentityPoolId=pool_id, Roles={"authenticated": role, "unauthenticated": f"{role}-guest"}
    )
    roles = admin.get_identity_pool_roles(IdentityPoolId=pool_id)
    assert roles["Roles"] == {"authenticated": role, "unauthenticated": f"{role}-guest"}
    admin.set_principal_tag_attribute_map(
        IdentityPoolId=pool_id,
        IdentityProviderName=google.login_key,
        PrincipalTags={"level": "game:level"},
    )
    tags = admin.get_principal_tag_attribute_map(
        IdentityPoolId=pool_id, IdentityProviderName=google.login_key
    )
    assert (tags["UseDefaults"], tags["PrincipalTags"]) == (False, {"level": "game:level"})
    token = fake.issue_token(google, "alice", audience="web", claims={"game:level": 7})
    logins = {google.login_key: token}
    alice = admin.get_id(IdentityPoolId=pool_id, Logins=logins)["IdentityId"]
    given = admin.get_credentials_for_identity(IdentityId=alice, Logins=logins)["Credentials"]
    issued = fake.read_session_token(given["SessionToken"])
    assert (issued.role_arn, issued.principal_tags) == (role, {"level": "7"})
    assert admin.get_open_id_token(IdentityId=alice, Logins=logins)["Token"]
    assert admin.describe_identity(IdentityId=alice)["Logins"] == [google.login_key]
    backend = {
        user: admin.get_open_id_token_for_developer_identity(
            IdentityPoolId=pool_id, Logins={"backend": user}, PrincipalTags={"user": user}
        )
        for user in ("bob", "rob")
    }
    developer_login = {"cognito-identity.amazonaws.com": backend["bob"]["Token"]}
    given = admin.get_credentials_for_identity(
        IdentityId=backend["bob"]["IdentityId"], Logins=developer_login
    )["Credentials"]
    assert fake.read_session_token(given["SessionToken"]).principal_tags == {"user": "bob"}
    merged = admin.merge_developer_identities(
        IdentityPoolId=pool_id,
        DeveloperProviderName="backend",
        SourceUserIdentifier="rob",
        DestinationUserIdentifier="bob",
    )["IdentityId"]
    assert merged == backend["bob"]["IdentityId"]
    found = admin.lookup_developer_identity(IdentityPoolId=pool_id, IdentityId=merged)
    assert found["DeveloperUserIdentifierList"] == ["bob", "rob"]
    admin.unlink_developer_identity(
        IdentityPoolId=pool_id,
        IdentityId=merged,
        DeveloperProviderName="backend",
        DeveloperUserIdentifier="rob",
    )
    with pytest.raises(admin.exceptions.ResourceNotFoundException):
        admin.lookup_developer_identity(IdentityPoolId=pool_id, DeveloperUserIdentifier="rob")
    admin.unlink_identity(IdentityId=alice, Logins=logins, LoginsToRemove=[google.login_key])
    listed = admin.list_identities(IdentityPoolId=pool_id, MaxResults=60, HideDisabled=True)
    assert [one["IdentityId"] for one in listed["Identities"]] == [merged]
    assert not admin.delete_identities(IdentityIdsToDelete=[merged])["UnprocessedIdentityIds"]
    with pytest.raises(admin.exceptions.ResourceNotFoundException):
        admin.describe_identity(IdentityId=merged)
    updated = admin.update_identity_pool(
        IdentityPoolId=pool_id, IdentityPoolName="new", AllowUnauthenticatedIdentities=False
    )
    assert "SupportedLoginProviders" not in updated
    assert "AllowClassicFlow" not in updated
    assert updated["IdentityPoolTags"] == {"stage": "test"}
    pools = admin.list_identity_pools(MaxResults=60)["IdentityPools"]
    assert {"IdentityPoolId": pool_id, "IdentityPoolName": "new"} in pools
    admin.delete_identity_pool(IdentityPoolId=pool_id)
    with pytest.raises(admin.exceptions.ResourceNotFoundException):
        admin.describe_identity_pool(IdentityPoolId=pool_id)
    assert {call.operation for call in fake.calls} == set(OPERATIONS)


def test_lists_come_a_page_at_a_time(served, admin):
    fake, _ = served
    made = [fake.create_identity_pool(region=REGION, name=f"page {n}") for n in range(5)]
    pages = admin.get_paginator("list_identity_pools").paginate(MaxResults=2)
    found = [pool["IdentityPoolId"] for page in pages for pool in page["IdentityPools"]]
    assert [pool for pool in found if pool in made] == made
    with pytest.raises(admin.exceptions.InvalidParameterException, match="NextToken"):
        admin.list_identity_pools(MaxResults=2, NextToken="nonsense")


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_modelled_error_can_be_injected(served, admin, name):
    fake, _ = served
    for code in sorted(OPERATIONS[name].errors):
        fake.fail_next(code, operation=name, message="as asked")
        with pytest.raises(getattr(admin.exceptions, code), match="as asked"):
            admin._make_api_call(name, sample_input(name))
        fake.clear_faults()


def sample_input(name):
    values = {
        "Logins": {},
        "LoginsToRemove": [],
        "MaxResults": 1,
        "AllowUnauthenticatedIdentities": False,
        "Roles": {},
        "Tags": {},
        "TagKeys": [],
        "IdentityIdsToDelete": ["r:0"],
        "ResourceArn": "a" * 20,
    }
    return {member: values.get(member, "r:0") for member in OPERATIONS[name].input.required}
