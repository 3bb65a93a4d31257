import json
import os

import pytest

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
