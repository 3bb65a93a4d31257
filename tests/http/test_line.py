import gc

import anyio
import httpx
import pytest

from amplify_federation._http import httpx_exchange
from amplify_federation._http import line as line_module
from amplify_federation._http.httpx_exchange import HttpxExchange
from amplify_federation._http.lean.exchange import LeanExchange
from amplify_federation._http.line import Line
from amplify_federation.errors import ConfigurationError
from tests.http.served import Reply, serving

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def test_a_callers_client_serves_all_calls_and_stays_open():
    async with httpx.AsyncClient() as client:
        line = Line("https://x.test", client)
        exchange = await line.exchange()
        assert isinstance(exchange, HttpxExchange)
        assert await line.exchange() is exchange
        await line.aclose()
        assert not client.is_closed


async def test_without_a_client_the_lean_way_is_taken_and_closed():
    with serving(Reply(200, b"answer")) as server:
        line = Line(server.url, None)
        exchange = await line.exchange()
        assert isinstance(exchange, LeanExchange)
        assert await line.exchange() is exchange
        answer = await exchange.post({"X-Amz-Target": "T"}, b"{}")
        assert answer.body == b"answer"
        assert server.asked[0].path == "/"
        await line.aclose()


async def test_where_a_proxy_is_set_one_client_is_made_and_closed(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    line = Line("https://x.test", None)
    seen = []

    async def ask():
        seen.append(await line.exchange())

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(ask)
    assert isinstance(seen[0], HttpxExchange)
    assert all(each is seen[0] for each in seen)
    client = seen[0]._client
    await line.aclose()
    assert client.is_closed


async def test_where_httpx_is_patched_httpx_is_asked(monkeypatch):
    async def send(*_, **__):
        """Take the place of the real one, as mocks and tracers do."""

    line = Line("https://x.test", None)
    assert isinstance(await line.exchange(), LeanExchange)
    with monkeypatch.context() as patched:
        patched.setattr(httpx.AsyncClient, "send", send)
        assert isinstance(await line.exchange(), HttpxExchange)
    assert isinstance(await line.exchange(), LeanExchange)
    await line.aclose()


async def test_a_client_that_cannot_be_made_is_a_matter_of_configuration(monkeypatch):
    def fail():
        raise OSError("no such CA file")

    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    monkeypatch.setattr(httpx_exchange, "default_client", fail)
    line = Line("https://x.test", None)
    with pytest.raises(ConfigurationError, match="no such CA file") as caught:
        await line.exchange()
    assert "SSL_CERT_FILE" in caught.value.recovery_suggestion
    assert caught.value.__context__ is None
    await line.aclose()


async def test_closing_a_line_that_was_never_used_opens_nothing():
    await Line("https://x.test", None).aclose()


async def test_the_url_of_a_call_is_the_endpoint_and_a_slash():
    with serving() as server:
        async with httpx.AsyncClient() as client:
            line = Line(f"{server.url}/base/path", client)
            await (await line.exchange()).post({}, b"{}")
        assert server.asked[0].path == "/base/path/"


async def test_each_client_has_a_quota_of_its_own():
    async with httpx.AsyncClient() as one, httpx.AsyncClient() as other:
        assert Line("https://x.test", one).quota is Line("https://y.test", one).quota
        assert Line("https://x.test", one).quota is not Line("https://x.test", other).quota
    assert Line("https://x.test", None).quota is not Line("https://x.test", None).quota


async def test_a_client_that_is_gone_takes_its_quota_along():
    client = httpx.AsyncClient()
    Line("https://x.test", client)
    before = len(line_module._QUOTAS)
    await client.aclose()
    del client
    gc.collect()
    assert len(line_module._QUOTAS) < before


def test_what_is_no_client_is_refused_at_once():
    with pytest.raises(ConfigurationError, match="AsyncClient"):
        Line("https://x.test", object())
