"""What a classic flow may ask of STS."""

import pytest

from amplify_federation import ClassicFlow, ConfigurationError, IdentityPool

POOL = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768"
ROLE = "arn:aws:iam::123456789012:role/player"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"role_arn": "player"}, "role_arn"),
        ({"role_arn": f"{ROLE}{'x' * 2048}"}, "role_arn"),
        ({"session_name": "x"}, "session_name"),
        ({"session_name": "a b"}, "session_name"),
        ({"duration": 899}, "duration"),
        ({"duration": 43_201}, "duration"),
        ({"duration": 3600.0}, "duration"),
        ({"session_policy": "no json"}, "session_policy"),
        ({"session_policy": "[]"}, "session_policy"),
        ({"session_policy": '{"a": "' + "x" * 2048 + '"}'}, "session_policy"),
    ],
)
def test_what_sts_would_refuse_is_refused_at_once(arguments, said):
    with pytest.raises(ConfigurationError, match=said):
        ClassicFlow(**{"role_arn": ROLE, **arguments})


def test_a_pool_takes_one_flow():
    with pytest.raises(ConfigurationError, match="custom_role_arn"):
        IdentityPool(POOL, classic_flow=ClassicFlow(ROLE), custom_role_arn=ROLE)
    with pytest.raises(ConfigurationError, match="ClassicFlow"):
        IdentityPool(POOL, classic_flow=True)


def test_sts_is_the_regions_unless_configured(monkeypatch):
    def sts(**arguments):
        return IdentityPool(POOL, classic_flow=ClassicFlow(ROLE), **arguments).sts_endpoint

    assert IdentityPool(POOL).sts_endpoint == ""
    assert sts() == "https://sts.us-west-2.amazonaws.com"
    assert sts(use_fips=True) == "https://sts-fips.us-west-2.amazonaws.com"
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:4566/")
    assert sts() == "http://127.0.0.1:4566"
