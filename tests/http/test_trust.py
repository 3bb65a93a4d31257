"""What the environment says of authorities, proxies and the transport."""

import ssl
from pathlib import Path

import httpx
import pytest

from amplify_federation._http.trust import (
    AUTHORITIES,
    authorities,
    endpoint_variable,
    present_tls_context,
    proxy_for,
    tls_context,
    transport_for,
    wants_httpx,
)
from amplify_federation.errors import ConfigurationError
from tests.fire.authority import Authority

URL = "https://cognito-identity.us-west-2.amazonaws.com"
PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in (*AUTHORITIES, *PROXIES, *(each.lower() for each in PROXIES)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("AMPLIFY_FEDERATION_TRANSPORT", raising=False)
    return monkeypatch


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def test_without_a_variable_certifis_authorities_are_trusted():
    assert authorities() == ("", "")
    assert tls_context() is tls_context()
    assert tls_context().cert_store_stats()["x509_ca"] > 50


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "AWS_CA_BUNDLE"])
def test_a_file_of_authorities_is_taken(environment, authority, name):
    environment.setenv(name, authority.path)
    assert tls_context().cert_store_stats()["x509_ca"] == 1


def test_the_variables_of_httpx_come_before_that_of_aws(environment, authority):
    environment.setenv("AWS_CA_BUNDLE", "/nowhere.pem")
    environment.setenv("SSL_CERT_FILE", authority.path)
    assert isinstance(tls_context(), ssl.SSLContext)


def test_an_empty_variable_counts_as_unset(environment):
    environment.setenv("SSL_CERT_FILE", "")
    assert authorities() == ("", "")


@pytest.mark.parametrize("name", AUTHORITIES)
@pytest.mark.parametrize("kind", ["missing", "empty", "no certificate"])
def test_authorities_that_cannot_be_read_are_told_with_variable_and_path(
    environment, tmp_path, name, kind
):
    path = tmp_path / "authorities"
    if name == "SSL_CERT_DIR" and kind != "missing":
        path.mkdir()
    elif kind != "missing":
        path.write_text("" if kind == "empty" else "hello")
    environment.setenv(name, str(path))
    with pytest.raises(ConfigurationError) as caught:
        tls_context()
    assert name in caught.value.message
    assert str(path) in caught.value.message
    # The advice, followed to its end.
    assert f"in {name}, or unset it" in caught.value.recovery_suggestion
    environment.delenv(name)
    tls_context()


def test_a_proxy_is_shown_without_its_password(environment):
    environment.setenv("HTTPS_PROXY", "http://user:canary@proxy.test:3128")
    assert proxy_for(URL) == "proxy.test:3128"
    assert transport_for(URL) == "httpx, through the proxy proxy.test:3128"


@pytest.mark.parametrize("exempt", ["*", "amazonaws.com", ".amazonaws.com", URL[8:]])
def test_a_host_may_be_exempt_from_the_proxy(environment, exempt):
    environment.setenv("ALL_PROXY", "http://proxy.test:3128")
    environment.setenv("NO_PROXY", f"other.test, {exempt}")
    assert proxy_for(URL) is None


def test_a_proxy_without_a_scheme_counts(environment):
    environment.setenv("https_proxy", "proxy.test:3128")
    assert proxy_for(URL) == "proxy.test:3128"


def test_a_proxys_port_out_of_range_is_a_fault_of_the_configuration(environment):
    environment.setenv("HTTPS_PROXY", "http://proxy.test:99999")
    with pytest.raises(ConfigurationError, match="port"):
        proxy_for(URL)


def test_the_transport_is_named(environment):
    assert transport_for(URL) == "LeanTransport"
    environment.setenv("AMPLIFY_FEDERATION_TRANSPORT", "httpx")
    assert transport_for(URL) == "httpx, as AMPLIFY_FEDERATION_TRANSPORT says"


def test_a_transport_that_nobody_knows_is_refused(environment):
    environment.setenv("AMPLIFY_FEDERATION_TRANSPORT", "aiohttp")
    with pytest.raises(ConfigurationError, match="'lean' or 'httpx'"):
        wants_httpx()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "cognito.localhost", "[::1]"])
def test_this_machine_is_never_reached_through_a_proxy(environment, host):
    environment.setenv("ALL_PROXY", "http://proxy.test:3128")
    environment.setenv("HTTP_PROXY", "http://proxy.test:3128")
    assert proxy_for(f"http://{host}:4566") is None
    assert transport_for(f"http://{host}:4566") == "LeanTransport"


# Entries of NO_PROXY: a URL, and whether it is exempt. httpx's own client is asked the same.
EXEMPTIONS = [
    ("https://a.example.test", "https://a.example.test", True),
    ("http://a.example.test", "https://a.example.test", False),
    ("all://a.example.test", "https://a.example.test", True),
    ("a.example.test:8443", "https://a.example.test:8443", True),
    ("a.example.test:8443", "https://a.example.test", False),
    ("example.test:8443", "https://a.example.test:8443", True),
    ("10.0.0.7", "https://10.0.0.7", True),
    ("10.0.0.7", "https://110.0.0.7", False),
    ("https://[fd00::7]:8443", "https://[fd00::7]:8443", True),
    ("fd00::7", "https://[fd00::7]", True),
    ("ample.test", "https://other.test", False),
]


@pytest.mark.parametrize(("entry", "url", "exempt"), EXEMPTIONS)
def test_an_entry_of_no_proxy_may_have_a_scheme_and_a_port(environment, entry, url, exempt):
    environment.setenv("ALL_PROXY", "http://proxy.test:3128")
    environment.setenv("NO_PROXY", entry)
    assert (proxy_for(url) is None) is exempt
    client = httpx.AsyncClient()
    direct = client._transport_for_url(httpx.URL(url)) is client._transport
    assert direct is exempt


def test_a_file_of_authorities_that_was_replaced_is_read_again(environment, authority, tmp_path):
    path = tmp_path / "authorities.pem"
    path.write_bytes(Path(authority.path).read_bytes())
    environment.setenv("AWS_CA_BUNDLE", str(path))
    before = tls_context()
    assert present_tls_context() is before
    path.write_bytes(2 * path.read_bytes())
    assert present_tls_context() is None
    assert tls_context() is not before
    assert present_tls_context() is tls_context()


def test_the_variable_that_names_an_endpoint_is_found(environment):
    environment.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566/")
    assert endpoint_variable("http://127.0.0.1:4566") == "AWS_ENDPOINT_URL"
    assert endpoint_variable("http://127.0.0.1:4567") is None
    environment.delenv("AWS_ENDPOINT_URL")
    assert endpoint_variable("http://127.0.0.1:4566") is None
