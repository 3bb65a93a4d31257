import json

import pytest

from amplify_federation._cognito.requests import (
    MAX_LOGINS,
    MAX_TOKEN,
    checked_identity_id,
    checked_provider,
    checked_token,
    get_credentials,
    get_id,
    get_open_id_token,
    unlink_identity,
)
from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.values import Secret
from amplify_federation.errors import ValidationError
from tests.cognito.calls import IDENTITY, LOGINS, POOL, TOKEN

ROLE = "arn:aws:iam::123456789012:role/Reader"
SENT = {"accounts.google.com": TOKEN}
REGION = "us-west-2"


@pytest.mark.parametrize(
    ("call", "operation", "body"),
    [
        (get_id(POOL, {}), "GetId", {"IdentityPoolId": POOL}),
        (
            get_id(POOL, LOGINS, account_id="123"),
            "GetId",
            {"IdentityPoolId": POOL, "AccountId": "123", "Logins": SENT},
        ),
        (get_credentials(IDENTITY, {}), "GetCredentialsForIdentity", {"IdentityId": IDENTITY}),
        (
            get_credentials(IDENTITY, LOGINS, role_arn=ROLE),
            "GetCredentialsForIdentity",
            {"IdentityId": IDENTITY, "CustomRoleArn": ROLE, "Logins": SENT},
        ),
        (
            get_open_id_token(IDENTITY, LOGINS),
            "GetOpenIdToken",
            {"IdentityId": IDENTITY, "Logins": SENT},
        ),
        (
            unlink_identity(IDENTITY, LOGINS, (AuthProvider.FACEBOOK,)),
            "UnlinkIdentity",
            {"IdentityId": IDENTITY, "LoginsToRemove": ["graph.facebook.com"], "Logins": SENT},
        ),
    ],
)
def test_a_call_sends_the_members_of_its_operation_and_no_null(call, operation, body):
    assert call.operation == operation
    assert json.loads(call.body) == body


def test_a_call_knows_the_secrets_that_it_sends_and_does_not_show_them():
    call = get_id(POOL, LOGINS)
    assert call.secrets == (Secret(TOKEN),)
    assert TOKEN not in repr(call)
    assert TOKEN.encode() in call.body


def test_ten_logins_go_out_and_eleven_do_not():
    def logins(count):
        return {AuthProvider.custom(f"p{n}.example.com"): Secret("t") for n in range(count)}

    assert len(json.loads(get_id(POOL, logins(MAX_LOGINS)).body)["Logins"]) == 10
    with pytest.raises(ValidationError, match="11 logins"):
        get_id(POOL, logins(MAX_LOGINS + 1))


@pytest.mark.parametrize(("logins", "providers"), [({}, (AuthProvider.GOOGLE,)), (LOGINS, ())])
def test_unlinking_needs_a_proof_and_something_to_unlink(logins, providers):
    with pytest.raises(ValidationError, match="Unlinking"):
        unlink_identity(IDENTITY, logins, providers)


@pytest.mark.parametrize("token", ["t", "t" * MAX_TOKEN, TOKEN, "consumer;secret", "a b"])
def test_a_token_of_1_to_50000_characters_is_taken(token):
    assert checked_token(token) == Secret(token)


def test_a_token_that_is_a_secret_already_is_checked_and_stays_the_same():
    secret = Secret(TOKEN)
    assert checked_token(secret) is secret
    with pytest.raises(ValidationError, match="empty"):
        checked_token(Secret(""))


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("", "empty"),
        (" \t", "empty"),
        ("t" * (MAX_TOKEN + 1), "50001 characters"),
        ("canary\ncanary", "line break"),
        ("can\u00e1ry", "no token has"),
        ("canary\x7f", "no token has"),
        (None, "NoneType"),
        (b"canary", "bytes"),
        (7, "int"),
        (["canary"], "list"),
    ],
)
def test_what_is_no_token_is_refused_without_being_shown(token, said):
    with pytest.raises(ValidationError, match=said) as caught:
        checked_token(token)
    assert "canary" not in caught.value.message


def test_a_provider_is_an_auth_provider():
    assert checked_provider(AuthProvider.GOOGLE) is AuthProvider.GOOGLE


@pytest.mark.parametrize("provider", [None, "accounts.google.com", 7, AuthProvider])
def test_what_is_no_provider_is_refused_with_how_to_make_one(provider):
    with pytest.raises(ValidationError, match=r"AuthProvider\.GOOGLE"):
        checked_provider(provider)


@pytest.mark.parametrize("identity_id", [IDENTITY, "us-west-2:0", "us-west-2:" + "a" * 45])
def test_an_identity_id_of_the_pools_region_is_taken(identity_id):
    assert checked_identity_id(identity_id, REGION) == identity_id


@pytest.mark.parametrize(
    "identity_id",
    [
        "", "us-west-2", "us-west-2:", ":0", "us-west-2:g", "us-west-2:A", "us-west-2:0\n",
        "us-west-2:" + "a" * 46, "us west 2:0", "\u00fc:0", "us-west-2:0:0", None, 7,
    ],
)  # fmt: skip
def test_what_is_no_identity_id_is_refused(identity_id):
    with pytest.raises(ValidationError, match="identity id"):
        checked_identity_id(identity_id, REGION)


def test_an_identity_id_of_another_region_is_refused():
    with pytest.raises(ValidationError, match="region 'us-east-1'"):
        checked_identity_id(IDENTITY, "us-east-1")
