import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_federation import IdentityPool
from amplify_federation._configuration import AmplifyAuth, read_amplify_config
from amplify_federation.errors import ConfigurationError, InvalidAccountTypeError

POOL = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768"
GEN_2 = {
    "version": "1.4",
    "auth": {
        "aws_region": "us-east-1",
        "user_pool_id": "us-east-1_Ab1Cd2Ef3",
        "user_pool_client_id": "client",
        "identity_pool_id": POOL,
        "unauthenticated_identities_enabled": False,
    },
}
GEN_1 = {
    "UserAgent": "aws-amplify-cli/2.0",
    "Version": "1.0",
    "auth": {
        "plugins": {
            "awsCognitoAuthPlugin": {
                "CredentialsProvider": {
                    "CognitoIdentity": {"Default": {"PoolId": POOL, "Region": "us-west-2"}}
                },
                "CognitoUserPool": {"Default": {"PoolId": "us-east-1_Ab1", "Region": "us-east-1"}},
            }
        }
    },
}


def gen_1(provider):
    return {"auth": {"plugins": {"awsCognitoAuthPlugin": {"CredentialsProvider": provider}}}}


def gen_2(**auth):
    return {"version": "1", "auth": {"identity_pool_id": POOL, **auth}}


@pytest.mark.parametrize("members", [GEN_1, GEN_2], ids=["gen 1", "gen 2"])
@pytest.mark.parametrize("as_file", [str, lambda path: path], ids=["text", "path"])
def test_a_file_of_either_generation_is_told_by_its_shape(tmp_path, members, as_file):
    path = tmp_path / "configuration.json"
    path.write_text(json.dumps(members), encoding="utf-8")
    assert read_amplify_config(as_file(path)) == AmplifyAuth(POOL, guest_access=False)


def test_a_mapping_is_read_like_a_file():
    assert read_amplify_config(GEN_2) == AmplifyAuth(POOL, guest_access=False)


def test_a_file_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "outputs.json"
    path.write_text(json.dumps(GEN_2), encoding="utf-8-sig")
    assert read_amplify_config(path).identity_pool_id == POOL


@pytest.mark.parametrize(("said", "guests"), [(True, True), (False, False)])
def test_gen_2_says_whether_guests_are_allowed(said, guests):
    assert (
        read_amplify_config(gen_2(unauthenticated_identities_enabled=said)).guest_access is guests
    )


def test_gen_2_without_the_flag_allows_guests_as_amplify_takes_it():
    assert read_amplify_config(gen_2()).guest_access is True


@pytest.mark.parametrize("flag", ["true", 1, None])
def test_a_flag_that_is_no_boolean_is_refused(flag):
    with pytest.raises(ConfigurationError, match="unauthenticated_identities_enabled"):
        read_amplify_config(gen_2(unauthenticated_identities_enabled=flag))


def test_gen_1_knows_no_guests():
    assert read_amplify_config(GEN_1).guest_access is False


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"version": "1"},
        {"auth": None},
        {"auth": []},
        {"auth": {}},
        {"auth": {"user_pool_id": "us-east-1_A"}},
        {"auth": {"identity_pool_id": None}},
        {"auth": {"plugins": {}}},
        {"auth": {"plugins": None}},
        {"auth": {"plugins": {"awsCognitoAuthPlugin": []}}},
        gen_1({}),
        gen_1({"CognitoIdentity": {"Default": {}}}),
        gen_1({"CognitoIdentity": "none"}),
    ],
)
def test_a_configuration_without_an_identity_pool_is_an_account_of_the_wrong_type(members):
    with pytest.raises(InvalidAccountTypeError):
        read_amplify_config(members)


@pytest.mark.parametrize(
    "members",
    [gen_2(identity_pool_id=7), gen_1({"CognitoIdentity": {"Default": {"PoolId": ["x"]}}})],
)
def test_a_pool_id_that_is_no_text_is_refused(members):
    with pytest.raises(ConfigurationError, match="must be a string"):
        read_amplify_config(members)


@pytest.mark.parametrize("source", [None, 7, b"path", ["path"]])
def test_what_is_neither_path_nor_mapping_is_refused(source):
    with pytest.raises(ConfigurationError, match=type(source).__name__):
        read_amplify_config(source)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xfe\xff", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "is not a JSON object"),
        (b"null", "is not a JSON object"),
    ],
)
def test_a_file_that_is_no_json_object_is_refused(tmp_path, content, said):
    path = tmp_path / "outputs.json"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=said) as caught:
        read_amplify_config(path)
    assert str(path) in caught.value.message
    assert caught.value.__context__ is None


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path):
    for path in (tmp_path / "missing.json", tmp_path):
        with pytest.raises(ConfigurationError, match="cannot be read") as caught:
            read_amplify_config(path)
        assert str(path) in caught.value.message


def test_a_path_that_no_file_can_have_is_refused():
    with pytest.raises(ConfigurationError):
        read_amplify_config(f"outputs{os.sep}\0.json")


JAVASCRIPT = {
    "aws_project_region": "us-east-1",
    "aws_cognito_identity_pool_id": POOL,
    "aws_user_pools_id": "us-east-1_Ab1",
}
SCRIPT = f"""/* eslint-disable */
// WARNING: DO NOT EDIT. This file is automatically generated.

const awsmobile = {json.dumps(JAVASCRIPT, indent=4)};


export default awsmobile;
"""
MOBILE = {"Version": "1.0", "CredentialsProvider": {
    "CognitoIdentity": {"Default": {"PoolId": POOL, "Region": "us-west-2"}}
}}  # fmt: skip


@pytest.mark.parametrize(
    ("members", "guests"),
    [
        (JAVASCRIPT, False),
        ({**JAVASCRIPT, "aws_mandatory_sign_in": "enable"}, False),
        ({**JAVASCRIPT, "aws_mandatory_sign_in": "disable"}, True),
        (MOBILE, False),
        ({"Auth": {"identityPoolId": POOL, "region": "us-east-1"}}, False),
        ({"Auth": {"identityPoolId": POOL, "mandatorySignIn": False}}, True),
        ({"Auth": {"identityPoolId": POOL, "mandatorySignIn": True}}, False),
        ({"Auth": {"Cognito": {"identityPoolId": POOL}}}, False),
        ({"Auth": {"Cognito": {"identityPoolId": POOL, "allowGuestAccess": True}}}, True),
    ],
)
def test_the_shapes_of_other_platforms_are_read(members, guests):
    assert read_amplify_config(members) == AmplifyAuth(POOL, guest_access=guests)


@pytest.mark.parametrize(
    "members",
    [
        {"Auth": {"identityPoolId": POOL, "mandatorySignIn": "yes"}},
        {"Auth": {"Cognito": {"identityPoolId": POOL, "allowGuestAccess": "true"}}},
        {**JAVASCRIPT, "aws_mandatory_sign_in": None},
    ],
)
def test_a_flag_that_means_nothing_is_refused_by_its_name(members):
    with pytest.raises(ConfigurationError, match=r"mandatory|allowGuestAccess"):
        read_amplify_config(members)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("aws-exports.js", SCRIPT),
        ("aws-exports.ts", SCRIPT.replace("\n", "\r\n")),
        ("amplifyconfiguration.dart", f"const amplifyconfig = '''{json.dumps(GEN_1)}''';"),
    ],
)
def test_the_generated_scripts_are_read(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")
    assert read_amplify_config(path).identity_pool_id == POOL


@pytest.mark.parametrize(
    "members",
    [
        {"AuthStack": {"IdentityPoolId": POOL, "UserPoolId": "us-west-2_Ab1"}},
        {"Stack": {"AuthIdentityPoolId1A2B3C4D": POOL}},
        {"Stack": {"ExportsOutputRefIdentityPool7E8F9A0B": POOL, "IdentityPoolId": POOL}},
        {"identity_pool_id": {"sensitive": False, "type": "string", "value": POOL}},
        {"outputs": [{"identityPool": POOL}]},
    ],
)
def test_outputs_with_one_key_that_names_an_identity_pool_are_read(members):
    assert read_amplify_config(members) == AmplifyAuth(POOL, guest_access=False)


OTHER = POOL.replace("b4cd", "b4ce")


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"Stack": {"PoolRef": POOL}}, "`Stack.PoolRef`"),
        ({"Outputs": [{"OutputKey": "Pool", "OutputValue": POOL}]}, "`Outputs.0.OutputValue`"),
        ({"a": {"IdentityPoolId": POOL}, "b": {"IdentityPoolId": OTHER}}, "several"),
        ({"auth": {"identityPool": [{"x": POOL}]}}, "`auth.identityPool.0.x`"),
    ],
)
def test_a_pool_id_at_an_unknown_place_is_named_with_what_to_write(members, said):
    with pytest.raises(ConfigurationError, match=said) as caught:
        read_amplify_config(members)
    assert f"IdentityPool({POOL!r})" in caught.value.recovery_suggestion
    assert IdentityPool(POOL).identity_pool_id == POOL  # the advice, followed


def test_a_pool_id_in_a_file_that_is_no_json_is_named_too(tmp_path):
    path = tmp_path / "config.js"
    path.write_text(f"export const Auth = {{ identityPoolId: '{POOL}' }};")
    with pytest.raises(ConfigurationError, match="is not JSON") as caught:
        read_amplify_config(path)
    assert f"IdentityPool({POOL!r})" in caught.value.recovery_suggestion


def test_a_file_without_any_pool_names_the_keys_that_were_looked_for():
    with pytest.raises(InvalidAccountTypeError) as caught:
        read_amplify_config({"auth": {"user_pool_id": "us-east-1_A"}})
    for key in ("auth.identity_pool_id", "aws_cognito_identity_pool_id", "Auth.identityPoolId"):
        assert f"`{key}`" in caught.value.message


@given(st.recursive(st.none() | st.booleans() | st.text() | st.just(POOL),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))  # fmt: skip
def test_any_json_object_is_read_or_refused_in_our_words(value):
    for members in ({"auth": value}, {"Auth": value}, {"x": value}):
        try:
            read = read_amplify_config(members)
        except (ConfigurationError, InvalidAccountTypeError):
            continue
        assert isinstance(read.identity_pool_id, str)
