import pytest


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
