import pytest

POOL = "us-west-2:00000000-0000-0000-0000-000000000000"
TOKENS = {f"login{number}.example.com": "t" for number in range(11)}


def assert_invalid(reply, *texts):
    assert (reply.status, reply.code) == (400, "InvalidParameterException"), reply.body
    for text in texts:
        assert text in reply.message


@pytest.mark.parametrize(
    ("operation", "given", "text"),
    [
        ("GetId", {}, "at 'identityPoolId' failed to satisfy constraint: Member must not be null"),
        ("GetId", {"IdentityPoolId": None}, "Member must not be null"),
        ("GetId", {"IdentityPoolId": ""}, "length greater than or equal to 1"),
        ("GetId", {"IdentityPoolId": "us-west-2_pool"}, r"pattern: [\w-]+:[0-9a-f-]+"),
        ("GetId", {"IdentityPoolId": POOL + "\n"}, "pattern"),
        ("GetId", {"IdentityPoolId": "é:0"}, "pattern"),
        ("GetId", {"IdentityPoolId": "r:" + "0" * 54}, "length less than or equal to 55"),
        ("GetId", {"IdentityPoolId": POOL, "AccountId": "12a"}, r"pattern: \d+"),
        ("GetId", {"IdentityPoolId": POOL, "AccountId": "1" * 16}, "less than or equal to 15"),
        ("GetId", {"IdentityPoolId": POOL, "Logins": TOKENS}, "less than or equal to 10"),
        ("GetId", {"IdentityPoolId": POOL, "Logins": {"k" * 129: "t"}}, "equal to 128"),
        ("GetId", {"IdentityPoolId": POOL, "Logins": {"": "t"}}, "equal to 128"),
        ("GetId", {"IdentityPoolId": POOL, "Logins": {"k": ""}}, "equal to 50000"),
        ("GetId", {"IdentityPoolId": POOL, "Logins": {"k": "t" * 50_001}}, "equal to 50000"),
        ("GetCredentialsForIdentity", {}, "'identityId'"),
        (
            "GetCredentialsForIdentity",
            {"IdentityId": POOL, "CustomRoleArn": "a" * 19},
            "greater than or equal to 20",
        ),
        (
            "GetCredentialsForIdentity",
            {"IdentityId": POOL, "CustomRoleArn": "a" * 2049},
            "less than or equal to 2048",
        ),
        ("GetOpenIdToken", {}, "'identityId'"),
        ("UnlinkIdentity", {"IdentityId": POOL, "LoginsToRemove": []}, "'logins'"),
        ("UnlinkIdentity", {"IdentityId": POOL, "Logins": {}}, "'loginsToRemove'"),
        (
            "UnlinkIdentity",
            {"IdentityId": POOL, "Logins": {}, "LoginsToRemove": ["k" * 129]},
            "equal to 128",
        ),
    ],
)
def test_input_over_a_limit_is_an_invalid_parameter(call, operation, given, text):
    assert_invalid(call(operation, **given), " detected: ", text)


def test_all_that_is_wrong_is_told_at_once(call):
    reply = call("GetId", IdentityPoolId="", AccountId="x")
    assert_invalid(reply, "3 validation errors detected: ", "'identityPoolId'", "'accountId'")


def test_token_over_the_limit_is_not_echoed(call):
    reply = call("GetId", IdentityPoolId=POOL, Logins={"k": "canary" * 10_000})
    assert "canary" not in reply.message


@pytest.mark.parametrize(
    "given",
    [
        {"IdentityPoolId": 7},
        {"IdentityPoolId": POOL, "Logins": "token"},
        {"IdentityPoolId": POOL, "Logins": ["token"]},
        {"IdentityPoolId": POOL, "Logins": {"accounts.google.com": 7}},
        {"IdentityPoolId": POOL, "Logins": {"accounts.google.com": None}},
    ],
)
def test_input_of_a_wrong_type_is_not_serialized(call, given):
    reply = call("GetId", **given)
    assert (reply.status, reply.code) == (400, "SerializationException")


def test_limits_themselves_are_within(call, fake):
    pool = fake.create_identity_pool(guest_access=True)
    reply = call("GetId", IdentityPoolId=pool, AccountId="1" * 15, Logins={"k" * 128: "t" * 50_000})
    assert reply.code == "NotAuthorizedException"


def test_unknown_members_are_passed_over(call, fake):
    pool = fake.create_identity_pool(guest_access=True)
    assert call("GetId", IdentityPoolId=pool, Colour="blue", Logins=None).status == 200
