import re

import pytest

from amplify_federation import ConfigurationError
from amplify_federation.stores._redis_url import parse_redis_url


@pytest.mark.parametrize(
    "url",
    [
        "", "localhost", "http://localhost", "redis://", "redis+nothing://h", None, 7,
        "redis://h:port", "redis+sentinel://h:26379", "redis+sentinel:///service", "redis://h,i",
        "redis://h/zero", "redis+cluster://h/1", "unix://", "redis+unix://path",
        "redis://:hunter2@h/0?socket_timeout=x", "redis://:hunter2@h?decode_responses=True",
    ],
)  # fmt: skip
def test_an_url_that_means_no_redis_is_refused_unshown(url):
    error = parse_redis_url(url)
    assert isinstance(error, ConfigurationError)
    assert "hunter2" not in str(error)


@pytest.mark.parametrize(
    ("option", "why"),
    [
        ("decode_responses=True", "'decode_responses' .* none that the store takes: client_name"),
        ("protocol=3", "none that the store takes"),
        ("no_such_option=1", "'no_such_option'"),
        ("socket_keepalive=perhaps", "`socket_keepalive` .* has a value that is invalid"),
        ("sentinel_password=", "`sentinel_password`|'sentinel_password'"),
        ("ssl_ca_certs=/etc/hosts", "`ssl_ca_certs` .* needs TLS: use rediss://"),
    ],
)
@pytest.mark.parametrize("kind", ["redis://h", "redis+cluster://h", "redis+sentinel://h/name"])
def test_an_option_that_the_store_does_not_take_is_named(kind, option, why):
    error = parse_redis_url(f"{kind}?{option}")
    assert re.search(why, error.message)
    assert "URL" in error.recovery_suggestion


@pytest.mark.parametrize(
    "option", ["ssl_ca_certs=/no/such/file", "ssl_cert_reqs=perhaps", "ssl_check_hostname=x"]
)
def test_a_tls_option_that_cannot_be_followed_is_named(option):
    assert option.partition("=")[0] in parse_redis_url(f"rediss://h?{option}").message


def test_a_file_in_a_folder_that_may_not_be_entered_is_told(monkeypatch):
    def refused(_path):
        raise PermissionError

    monkeypatch.setattr("pathlib.Path.exists", refused)
    error = parse_redis_url("rediss://h?ssl_ca_certs=/root/ca.pem")
    assert "`ssl_ca_certs` in the URL of Redis names no file" in error.message


LOGIN = {"username": "user", "password": "p@ss"}


@pytest.mark.parametrize(
    ("url", "kind", "place", "addresses", "options"),
    [
        ("redis://h", "server", "h", [], {"host": "h", "port": 6379, "ssl": False, "db": 0}),
        (
            "valkeys://user:p%40ss@[::1]:1/2", "server", "[::1]:1", [],
            {**LOGIN, "host": "::1", "port": 1, "db": 2, "ssl": True, "ssl_check_hostname": True},
        ),
        (
            "unix://user:p%40ss@/run/a%20b.sock?db=1", "server", "/run/a b.sock", [],
            {**LOGIN, "unix_socket_path": "/run/a b.sock", "db": 1},
        ),
        (
            "redis+cluster://h,i:7", "cluster", "h,i:7", [("h", 6379), ("i", 7)], {"ssl": False},
        ),
        (
            "valkeys+sentinel://h,i:7/game/3?ssl_cert_reqs=none", "sentinel", "h,i:7",
            [("h", 26379), ("i", 7)],
            {"db": 3, "ssl": True, "ssl_cert_reqs": "none", "ssl_check_hostname": False},
        ),
    ],
)  # fmt: skip
def test_an_url_is_read(url, kind, place, addresses, options):
    found = parse_redis_url(url)
    assert (found.kind, found.place, found.addresses) == (kind, place, addresses)
    assert found.options == options
    assert found.service == ("game" if kind == "sentinel" else "")
    assert "p@ss" not in repr(found)


def test_the_login_before_the_at_is_the_masters_and_that_of_the_sentinels_is_theirs():
    url = "rediss+sentinel://user:p%40ss@h/game?sentinel_username=s&sentinel_password=s%2Bs%26"
    found = parse_redis_url(f"{url}&ssl_cert_reqs=none&socket_timeout=0.1&client_name=game")
    tls = {"ssl": True, "ssl_cert_reqs": "none", "ssl_check_hostname": False}
    common = {**tls, "socket_timeout": 0.1}
    assert found.options == {**common, **LOGIN, "db": 0, "client_name": "game"}
    assert found.sentinel_options == {**common, "username": "s", "password": "s+s&"}
    assert "s+s" not in repr(found)
