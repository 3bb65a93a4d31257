import pytest

from amplify_federation import AuthProvider
from amplify_federation.testing import PoolRoles

GOOGLE = AuthProvider.GOOGLE
READER = "arn:aws:iam::123456789012:role/Reader"


def test_administration_of_an_unknown_pool_is_a_mistake_in_the_test(fake):
    for administer in (
        lambda: fake.update_identity_pool("us-west-2:0"),
        lambda: fake.delete_identity_pool("us-west-2:0"),
        lambda: fake.issue_developer_token("us-west-2:0", "alice"),
        lambda: fake.issue_developer_token(fake.create_identity_pool(), "alice"),
    ):
        with pytest.raises(LookupError):
            administer()


def test_developer_user_gets_no_identity_that_is_not_there_or_anothers(fake, pool):
    alice, _ = fake.issue_developer_token(pool, "alice")
    with pytest.raises(LookupError, match="not found"):
        fake.issue_developer_token(pool, "bob", identity_id="us-west-2:0")
    with pytest.raises(ValueError, match="Logins don't match"):
        fake.issue_developer_token(pool, "bob", identity_id=alice)
    fake.issue_developer_token(pool, "bob")
    with pytest.raises(ValueError, match="already registered"):
        fake.issue_developer_token(pool, "bob", identity_id=alice)
    assert fake.issue_developer_token(pool, "alice", identity_id=alice)[0] == alice


def test_developer_tokens_are_not_issued_like_others(fake):
    with pytest.raises(ValueError, match="issue_developer_token"):
        fake.issue_token(AuthProvider.DEVELOPER, "alice")


def test_administrator_may_change_one_setting_and_leave_the_rest(call, fake, pool, google):
    logins = google()
    alice = call.identity(pool, logins)
    fake.update_identity_pool(pool, providers=[AuthProvider.FACEBOOK])
    assert "supported provider" in call.credentials(alice, logins).message
    assert call.identity(pool)
    fake.update_identity_pool(pool, providers={GOOGLE: ["web"]}, roles=PoolRoles(READER))
    assert call.role(alice, logins) == READER
    fake.update_identity_pool(pool, classic_flow=False)
    assert call("GetOpenIdToken", IdentityId=alice, Logins=logins).status == 400


def test_a_pool_has_the_id_that_the_configuration_of_an_application_names(fake):
    pool = "eu-central-1:b4cd4809-7ab1-42e1-b044-07dab9eaa768"
    assert fake.create_identity_pool(pool_id=pool) == pool
    for wrong in (
        {"pool_id": pool},  # there is one
        {"pool_id": "eu-central-1:b4cd4809-7ab1-42e1-b044-07dab9eaa769", "region": "us-west-2"},
        {"pool_id": "b4cd4809-7ab1-42e1-b044-07dab9eaa768"},
        {"pool_id": "eu-central-1_Ab1Cd2Ef3"},
    ):
        with pytest.raises(ValueError):
            fake.create_identity_pool(**wrong)
    assert fake.identity_pools() == [pool]
