import copy
import json
import logging
import pickle

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_federation import ConfigurationError, IdentityPool, InvalidAccountTypeError
from amplify_federation._cognito.flow import PoolMembers
from amplify_federation.pool import is_true, resolve_endpoint

POOL = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768"
ROLE = "arn:aws:iam::123456789012:role/Reader"
OUTPUTS = {"version": "1", "auth": {"aws_region": "us-east-1", "identity_pool_id": POOL}}


@pytest.fixture(autouse=True)
def no_aws_variables(monkeypatch):
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_COGNITO_IDENTITY", "AWS_USE_FIPS_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("AWS_USE_DUALSTACK_ENDPOINT", raising=False)


def test_an_id_is_enough():
    pool = IdentityPool(POOL)
    assert pool.identity_pool_id == POOL
    assert pool.region == "us-west-2"
    assert pool.endpoint == "https://cognito-identity.us-west-2.amazonaws.com"
    assert (pool.account_id, pool.guest_access, pool.custom_role_arn) == (None, False, None)
    assert pool.members == PoolMembers(POOL)


def test_what_goes_into_calls_is_kept_together():
    pool = IdentityPool(POOL, account_id="123", custom_role_arn=ROLE)
    assert pool.members == PoolMembers(POOL, "123", ROLE)


def test_a_pool_is_a_value():
    pool = IdentityPool(POOL, guest_access=True)
    assert pool == IdentityPool(POOL, guest_access=True)
    assert hash(pool) == hash(copy.deepcopy(pool))
    assert pickle.loads(pickle.dumps(pool)) == pool  # noqa: S301  # our own bytes
    assert attrs.evolve(pool, guest_access=False) == IdentityPool(POOL)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        pool.region = "us-east-1"


@pytest.mark.parametrize("pool_id", ["af-x-1:0", "us-west-2:" + "0" * 45])
def test_a_pool_id_has_up_to_55_characters(pool_id):
    assert IdentityPool(pool_id).identity_pool_id == pool_id


@pytest.mark.parametrize(
    "pool_id",
    [
        "", "us-west-2", "us-west-2:", ":0", "us-west-2:XYZ", "us-west-2:" + "0" * 46, POOL + "\n",
        "us_west_2:0", "US-WEST-2:0", "-us:0", "us-:0", "evil.com/:0", "\u00fcs:0", None, 7, b"a:0",
    ],
)  # fmt: skip
def test_a_malformed_pool_id_is_refused(pool_id):
    with pytest.raises(ConfigurationError):
        IdentityPool(pool_id)


def test_a_region_that_agrees_is_taken_and_another_refused():
    assert IdentityPool(POOL, region="us-west-2").region == "us-west-2"
    with pytest.raises(ConfigurationError, match="disagrees"):
        IdentityPool(POOL, region="us-east-1")
    for region in ("", "us west", 7):
        with pytest.raises(ConfigurationError, match="is not an AWS region"):
            IdentityPool(POOL, region=region)


@pytest.mark.parametrize("region", ["fips-us-west-2", "us-west-2-fips"])
def test_a_region_spelled_with_fips_means_its_fips_endpoint(region):
    pool = IdentityPool(POOL, region=region)
    assert pool.region == "us-west-2"
    assert pool.endpoint == "https://cognito-identity-fips.us-west-2.amazonaws.com"


@pytest.mark.parametrize("account_id", ["1", "1" * 15])
def test_an_account_id_has_1_to_15_digits(account_id):
    assert IdentityPool(POOL, account_id=account_id).account_id == account_id


@pytest.mark.parametrize("account_id", ["", "1" * 16, "12a", "\u0661", "1\n", 123])
def test_a_malformed_account_id_is_refused(account_id):
    with pytest.raises(ConfigurationError, match="account_id"):
        IdentityPool(POOL, account_id=account_id)


def arn(length):
    return "arn:aws:iam::123456789012:role/".ljust(length, "r")


@pytest.mark.parametrize(
    "role", [ROLE, ROLE.replace(":aws:", ":aws-cn:"), arn(2048), ROLE + "/path+=,.@-_x"]
)
def test_a_role_is_an_arn_of_up_to_2048_characters(role):
    assert IdentityPool(POOL, custom_role_arn=role).custom_role_arn == role


@pytest.mark.parametrize(
    "role", ["", "Reader", arn(2049), ROLE + " ", ROLE + "\n", ROLE.replace("role", "user"), 7]
)
def test_a_malformed_role_is_refused(role):
    with pytest.raises(ConfigurationError, match="custom_role_arn"):
        IdentityPool(POOL, custom_role_arn=role)


@pytest.mark.parametrize("name", ["guest_access", "use_fips", "use_dualstack"])
@pytest.mark.parametrize("value", ["true", 1, 0])
def test_a_switch_is_true_or_false(name, value):
    with pytest.raises(ConfigurationError, match=name):
        IdentityPool(POOL, **{name: value})


def test_guest_access_is_never_undecided():
    with pytest.raises(ConfigurationError, match="guest_access"):
        IdentityPool(POOL, guest_access=None)


def test_an_endpoint_of_ones_own_replaces_the_rules(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert IdentityPool(POOL).endpoint == "http://127.0.0.1:1"
    assert IdentityPool(POOL, endpoint_url="http://127.0.0.1:2/").endpoint == "http://127.0.0.1:2"
    with pytest.raises(ConfigurationError, match="cannot be combined"):
        IdentityPool(POOL, use_fips=True)


@pytest.mark.parametrize(("asked", "allowed"), [(None, True), (True, True), (False, False)])
def test_a_file_says_whether_guests_are_allowed_unless_the_caller_does(asked, allowed):
    assert IdentityPool.from_amplify_config(OUTPUTS, guest_access=asked).guest_access is allowed


def test_the_region_of_a_file_is_the_user_pools_and_does_not_count(tmp_path):
    path = tmp_path / "amplify_outputs.json"
    path.write_text(json.dumps(OUTPUTS), encoding="utf-8")
    assert IdentityPool.from_amplify_config(path).region == "us-west-2"


def test_a_file_without_a_pool_or_with_a_malformed_one_is_refused():
    with pytest.raises(InvalidAccountTypeError):
        IdentityPool.from_amplify_config({"version": "1", "auth": {}})
    with pytest.raises(ConfigurationError):
        IdentityPool.from_amplify_config({"auth": {"identity_pool_id": "nonsense"}})


def environment(monkeypatch, **variables):
    for name, value in variables.items():
        monkeypatch.setenv(f"AMPLIFY_FEDERATION_{name}", value)


def test_the_environment_may_hold_a_pool(monkeypatch):
    environment(
        monkeypatch, POOL_ID=POOL, ACCOUNT_ID="123", GUEST_ACCESS="TRUE", CUSTOM_ROLE_ARN=ROLE
    )
    assert IdentityPool.from_env() == IdentityPool(
        POOL, account_id="123", guest_access=True, custom_role_arn=ROLE
    )


def test_the_environment_may_name_a_file(monkeypatch, tmp_path):
    path = tmp_path / "amplify_outputs.json"
    path.write_text(json.dumps(OUTPUTS), encoding="utf-8")
    environment(monkeypatch, CONFIG=str(path))
    assert IdentityPool.from_env() == IdentityPool(POOL, guest_access=True)
    environment(monkeypatch, GUEST_ACCESS="false")
    assert IdentityPool.from_env() == IdentityPool(POOL, guest_access=False)


def test_guests_are_off_unless_the_environment_allows_them(monkeypatch):
    environment(monkeypatch, POOL_ID=POOL, GUEST_ACCESS="")
    assert IdentityPool.from_env().guest_access is False


@pytest.mark.parametrize("word", ["1", "yes", "on"])
def test_a_guest_flag_that_is_neither_true_nor_false_is_refused(monkeypatch, word):
    environment(monkeypatch, POOL_ID=POOL, GUEST_ACCESS=word)
    with pytest.raises(ConfigurationError, match="GUEST_ACCESS"):
        IdentityPool.from_env()


def test_an_environment_with_no_pool_or_with_two_is_refused(monkeypatch):
    with pytest.raises(ConfigurationError, match="AMPLIFY_FEDERATION_POOL_ID") as caught:
        IdentityPool.from_env()
    assert "not both" not in caught.value.message
    environment(monkeypatch, POOL_ID=POOL, CONFIG="x.json")
    with pytest.raises(ConfigurationError, match="not both"):
        IdentityPool.from_env()


RULES = "https://cognito-identity.us-west-2.amazonaws.com"
FIPS = "https://cognito-identity-fips.us-west-2.amazonaws.com"
SERVICE, ALL = "AWS_ENDPOINT_URL_COGNITO_IDENTITY", "AWS_ENDPOINT_URL"
IGNORE = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"


def resolved(environ=None, *, region="us-west-2", **arguments):
    return resolve_endpoint(region, environ or {}, **arguments)


def test_without_anything_the_rules_of_aws_decide():
    assert resolved() == RULES


def test_an_argument_wins_over_the_environment():
    environ = {SERVICE: "https://service.example.com", ALL: "https://all.example.com"}
    assert resolved(environ, endpoint_url="https://mine.example.com") == "https://mine.example.com"


def test_the_services_variable_wins_over_that_for_all():
    environ = {SERVICE: "https://service.example.com", ALL: "https://all.example.com"}
    assert resolved(environ) == "https://service.example.com"
    del environ[SERVICE]
    assert resolved(environ) == "https://all.example.com"


@pytest.mark.parametrize("name", [SERVICE, ALL])
def test_an_empty_variable_counts_as_unset(name):
    assert resolved({name: ""}) == RULES


@pytest.mark.parametrize("word", ["true", "TRUE", " True "])
def test_the_variables_can_be_ignored(word):
    assert resolved({ALL: "https://all.example.com", IGNORE: word}) == RULES


@pytest.mark.parametrize("word", ["1", "yes", "false", "", "truee"])
def test_only_the_word_true_is_true(word):
    assert not is_true({"X": word}, "X")
    assert resolved({ALL: "https://all.example.com", IGNORE: word}) == "https://all.example.com"
    assert resolved({"AWS_USE_FIPS_ENDPOINT": word}) == RULES


def test_fips_and_dual_stack_come_from_the_environment():
    both = {"AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true"}
    assert resolved(both, region="eu-west-1") == "https://cognito-identity-fips.eu-west-1.api.aws"
    assert resolved({"AWS_USE_FIPS_ENDPOINT": "true"}) == FIPS


def test_an_argument_wins_over_the_switches_of_the_environment():
    both = {"AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true"}
    assert resolved(both, use_fips=False, use_dualstack=False) == RULES
    assert resolved(use_fips=True) == FIPS


@pytest.mark.parametrize(
    ("switch", "said"), [({"use_fips": True}, "FIPS"), ({"use_dualstack": True}, "dual-stack")]
)
def test_a_custom_endpoint_with_fips_or_dual_stack_is_a_contradiction(switch, said):
    with pytest.raises(ConfigurationError, match=f"{ALL} cannot be combined with {said}"):
        resolved({ALL: "https://all.example.com"}, **switch)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://h.example.com", "https://h.example.com"),
        ("https://h.example.com///", "https://h.example.com"),
        ("https://h.example.com/base/path/", "https://h.example.com/base/path"),
        ("HTTPS://H.example.com:8443", "HTTPS://H.example.com:8443"),
        ("http://127.0.0.1:4566", "http://127.0.0.1:4566"),
        ("http://[::1]:4566/", "http://[::1]:4566"),
    ],
)
def test_a_custom_endpoint_keeps_its_path_and_loses_trailing_slashes(url, kept):
    assert resolved(endpoint_url=url) == kept


@pytest.mark.parametrize(
    "url",
    [
        "", "h.example.com", "//h.example.com", "ftp://h.example.com", "https://", "https:///path",
        "https://u:p@h.example.com", "https://u@h.example.com", "https://h.example.com?x=1",
        "https://h.example.com/?", "https://h.example.com#f", "https://h.example.com:0",
        "https://h.example.com:", "https://h.example.com:99999", "https://h.example.com:x",
        "https://h.example.com\n", "https://h.exam ple.com", "https://h\u00e9.example.com",
        "https://h.example.com\\@evil.com", "https://[::1", "https://h.example.com\0", 7, b"x",
        "https://h%2eexample.com",
    ],
)  # fmt: skip
def test_a_malformed_endpoint_is_refused(url):
    with pytest.raises(ConfigurationError, match="endpoint_url") as caught:
        resolved(endpoint_url=url)
    assert "u:p" not in caught.value.message


def test_a_malformed_variable_is_named():
    with pytest.raises(ConfigurationError, match=SERVICE):
        resolved({SERVICE: "not a url"})


@pytest.mark.parametrize(
    "host", ["test.internal", "10.0.0.1", "127.0.0.1.evil.com", "localhost.evil"]
)
def test_plain_http_beyond_loopback_is_taken_with_one_warning(host, caplog):
    with caplog.at_level(logging.WARNING, "amplify_federation"):
        assert resolved(endpoint_url=f"http://{host}:80") == f"http://{host}:80"
    assert [record.event for record in caplog.records] == ["plain_http_endpoint"]
    assert host in caplog.text


@pytest.mark.parametrize(
    "url",
    ["http://localhost:1", "http://x.localhost", "http://127.1.2.3", "http://[::1]", "https://h"],
)
def test_loopback_and_tls_need_no_warning(url, caplog):
    resolved(endpoint_url=url)
    assert not caplog.records


@given(st.text())
def test_any_text_is_an_endpoint_or_a_configuration_error(text):
    for url in (text, f"https://{text}", f"https://h.example.com{text}"):
        try:
            resolved(endpoint_url=url)
        except ConfigurationError as error:
            assert error.__context__ is None  # noqa: PT017  # nothing is fine as well


def test_a_region_that_no_partition_has_is_refused_unless_an_endpoint_is_given():
    with pytest.raises(ConfigurationError, match="us-west2") as caught:
        IdentityPool("us-west2:b4cd4809-7ab1-42e1-b044-07dab9eaa768")
    assert "'us-west-2'" in caught.value.message
    url = "http://127.0.0.1:4566"
    assert IdentityPool("local:b4cd4809", endpoint_url=url).endpoint == url
