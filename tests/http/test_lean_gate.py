"""When the lean path steps aside for httpx."""

import subprocess
import sys
from unittest import mock

import httpcore
import httpx
import pytest
import respx

from amplify_federation._http import lean_gate
from amplify_federation._http.lean_gate import (
    httpx_is_untouched,
    lean_applies,
    may_be_proxied,
)

URL = "https://cognito-identity.us-west-2.amazonaws.com/"
PROXY = "http://proxy.example:3128"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def environment_only(monkeypatch):
    """Leave out the system settings that macOS and Windows add."""
    monkeypatch.setattr(
        "urllib.request.getproxies", __import__("urllib.request").request.getproxies_environment
    )


def test_the_lean_path_applies_where_nobody_interferes():
    assert lean_applies(URL)
    assert lean_applies("http://127.0.0.1:5000")


def test_it_applies_to_plain_hosts_and_http_alone():
    assert not lean_applies("ftp://a.example")
    assert not lean_applies("https://b\u00fccher.example")


def test_respx_is_noticed_while_it_mocks():
    with respx.mock:
        assert not lean_applies(URL)
    assert lean_applies(URL)


def test_respx_that_mocks_the_client_is_noticed():
    with respx.mock(using="httpx"):
        assert not lean_applies(URL)
    assert lean_applies(URL)


def test_pytest_httpx_is_noticed(request):
    pytest.importorskip("pytest_httpx", reason="pytest-httpx is not installed")
    request.getfixturevalue("httpx_mock")
    assert not lean_applies(URL)


def test_opentelemetry_is_noticed_while_it_instruments():
    tracing = pytest.importorskip(
        "opentelemetry.instrumentation.httpx", reason="OpenTelemetry is not installed"
    )
    instrumentor = tracing.HTTPXClientInstrumentor()
    instrumentor.instrument()
    try:
        assert not lean_applies(URL)
    finally:
        instrumentor.uninstrument()
    assert lean_applies(URL)


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (httpx.AsyncClient, "send"),
        (httpx.AsyncClient, "__init__"),
        (httpx.AsyncClient, "_send_single_request"),
        (httpx.AsyncClient, "_transport_for_url"),
        (httpx.AsyncHTTPTransport, "handle_async_request"),
        (httpcore.AsyncConnectionPool, "handle_async_request"),
        (httpcore.AsyncHTTPConnection, "handle_async_request"),
    ],
)
@pytest.mark.parametrize("autospec", [False, True])
def test_a_replaced_method_is_noticed(owner, name, autospec):
    with mock.patch.object(owner, name, autospec=autospec):
        assert not httpx_is_untouched()
    assert httpx_is_untouched()


def test_a_wrapper_that_equals_what_it_wraps_is_noticed(monkeypatch):
    wrapt = pytest.importorskip("wrapt", reason="wrapt is not installed")
    assert httpx_is_untouched()  # the original is known by now
    original = httpx.AsyncClient.send
    wrapper = wrapt.FunctionWrapper(original, lambda wrapped, _, args, kwargs: wrapped(*args))
    assert wrapper == original
    monkeypatch.setattr(httpx.AsyncClient, "send", wrapper)
    assert not httpx_is_untouched()


@pytest.mark.parametrize("name", ["AsyncClient", "AsyncHTTPTransport"])
def test_a_replaced_class_is_noticed(monkeypatch, name):
    monkeypatch.setattr(httpx, name, type(name, (getattr(httpx, name),), {}))
    assert not httpx_is_untouched()


def test_a_patch_that_came_before_us_is_noticed(monkeypatch):
    monkeypatch.setattr(lean_gate, "_found", ((sys.modules, "httpx", ...),))
    with respx.mock:
        assert not httpx_is_untouched()
    assert httpx_is_untouched()


def test_a_process_without_httpx_goes_the_lean_way_and_does_not_load_it():
    script = (
        "import sys; from amplify_federation._http.lean_gate import lean_applies; "
        f"assert lean_applies({URL!r}); assert 'httpx' not in sys.modules; "
        "assert 'urllib.request' not in sys.modules or sys.platform in ('darwin', 'win32')"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.usefixtures("environment_only")
@pytest.mark.parametrize(
    ("environment", "proxied"),
    [
        ({"HTTPS_PROXY": PROXY}, True),
        ({"https_proxy": PROXY}, True),
        ({"ALL_PROXY": PROXY}, True),
        ({"HTTP_PROXY": PROXY}, False),
        ({"HTTPS_PROXY": ""}, False),
        ({"NO_PROXY": "x"}, False),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, False),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "a.example, amazonaws.com"}, False),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": ".amazonaws.com"}, False),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "AmazonAWS.com"}, False),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "cognito-identity.us-west-2.amazonaws.com"}, False),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "aws.com"}, True),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": ",localhost,127.0.0.1"}, True),
    ],
)
def test_proxies_of_the_environment_are_noticed_as_httpx_reads_them(
    monkeypatch, environment, proxied
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert may_be_proxied(URL) is proxied
    assert lean_applies(URL) is not proxied
    mounts = httpx.AsyncClient()._mounts
    matching = [
        transport for pattern, transport in mounts.items() if pattern.matches(httpx.URL(URL))
    ]
    assert bool(matching and matching[0] is not None) is proxied


@pytest.mark.usefixtures("environment_only")
@pytest.mark.parametrize(
    ("url", "entry"),
    [
        ("http://127.0.0.1:80", "127.0.0.1"),
        ("http://localhost", "localhost"),
        ("http://[::1]", "::1"),
    ],
)
def test_loopback_hosts_may_be_exempt_from_the_proxy(monkeypatch, url, entry):
    monkeypatch.setenv("http_proxy", PROXY)
    assert may_be_proxied(url)
    monkeypatch.setenv("no_proxy", entry)
    assert not may_be_proxied(url)
