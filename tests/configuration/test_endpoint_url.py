import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_federation._configuration.endpoint_url import is_true, resolve_endpoint
from amplify_federation.errors import ConfigurationError

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
