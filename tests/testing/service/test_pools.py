import re

import pytest

from amplify_federation import AuthProvider
from amplify_federation.testing import FakeCognito, PoolRoles


def test_pool_id_is_plain_text_of_the_services_form(fake):
    pool = fake.create_identity_pool()
    assert type(pool) is str
    assert re.fullmatch(r"us-west-2:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", pool)
    assert fake.create_identity_pool() != pool
    assert FakeCognito(region="eu-west-1").create_identity_pool().startswith("eu-west-1:")
    assert fake.create_identity_pool(region="cn-north-1").startswith("cn-north-1:")


def test_usual_pool_takes_google_and_no_guests(call, fake):
    pool = fake.create_identity_pool()
    google = {"accounts.google.com": fake.issue_token(AuthProvider.GOOGLE, "alice")}
    assert call("GetId", IdentityPoolId=pool, Logins=google).status == 200
    assert call("GetId", IdentityPoolId=pool).status == 400


def test_one_client_id_that_is_no_list_is_a_mistake(fake):
    with pytest.raises(TypeError, match="as a list"):
        fake.create_identity_pool({AuthProvider.GOOGLE: "my-client-id"})


def test_roles_are_arns_that_tell_users_from_guests():
    roles = PoolRoles()
    assert roles.authenticated != roles.unauthenticated
    assert roles.authenticated.startswith("arn:aws:iam::")
