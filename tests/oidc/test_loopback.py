"""The listener of a sign-in: what it takes for the redirect, and what it does with all else."""

from contextlib import suppress
from urllib.parse import urlsplit

import anyio
import httpx
import pytest

from amplify_federation import ConfigurationError
from amplify_federation._oidc.loopback import loopback_redirect, page
from tests.concurrency import PATIENCE


def port_of(redirect):
    return urlsplit(redirect.uri).port


async def sent(redirect, data):
    """Send bytes; return all that comes back until the end."""
    async with await anyio.connect_tcp("127.0.0.1", port_of(redirect)) as stream:
        await stream.send(data)
        received = b""
        try:
            while True:
                received += await stream.receive()
        except anyio.EndOfStream:
            return received


async def test_the_first_redirect_gets_the_page_of_the_outcome():
    async with loopback_redirect("127.0.0.1", 0) as redirect, anyio.create_task_group() as group:
        answers = []

        async def browse():
            async with httpx.AsyncClient(trust_env=False) as browser:
                answers.append(await browser.get(f"{redirect.uri}?code=c&state=s"))

        group.start_soon(browse)
        assert (await redirect.answer()).reveal() == f"{redirect.uri}?code=c&state=s"
        again = await sent(redirect, request(redirect, target="/?code=d&state=s"))
        assert again.startswith(b"HTTP/1.1 404")  # one is served
        await redirect.show("Title", "Text", success=True)
    (answer,) = answers
    assert answer.status_code == 200
    assert "<h1>Title</h1>" in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def request(redirect, *, method="GET", target="/?code=c", host=None):
    host = host or f"127.0.0.1:{port_of(redirect)}"
    return f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


@pytest.mark.parametrize(
    "other",
    [
        {"target": "/favicon.ico"},
        {"target": "/callback?code=c"},
        {"target": "/"},
        {"method": "POST"},
        {"method": "HEAD"},
        {"host": "evil.example.com"},
        {"host": "localhost"},
    ],
    ids=str,
)
async def test_what_is_not_the_redirect_is_not_found(other):
    async with loopback_redirect("127.0.0.1", 0) as redirect:
        answer = await sent(redirect, request(redirect, **other))
        assert answer.startswith(b"HTTP/1.1 404")
        assert not redirect._came.is_set()


@pytest.mark.parametrize("data", [b"\x16\x03\x01 TLS", b"GET / HTTP/1.1\r\nx: " + b"y" * 70_000])
async def test_what_is_no_request_is_cut_off(data):
    async with loopback_redirect("127.0.0.1", 0) as redirect:
        with suppress(anyio.BrokenResourceError):  # reset, for what it did not read
            assert await sent(redirect, data) == b""
        assert not redirect._came.is_set()


async def test_a_connection_opened_ahead_holds_nothing_up():
    async with loopback_redirect("127.0.0.1", 0) as redirect:
        async with await anyio.connect_tcp("127.0.0.1", port_of(redirect)):
            answer = await sent(redirect, request(redirect, target="/favicon.ico"))
        assert answer.startswith(b"HTTP/1.1 404")


async def test_a_browser_that_went_away_holds_nothing_up():
    async with loopback_redirect("127.0.0.1", 0) as redirect:
        async with await anyio.connect_tcp("127.0.0.1", port_of(redirect)) as stream:
            await stream.send(request(redirect))
            await redirect.answer()
        with anyio.fail_after(PATIENCE):
            await redirect.show("Title", "Text", success=True)


async def test_it_listens_on_loopback_alone_and_only_inside():
    async with loopback_redirect("127.0.0.1", 0) as redirect:
        assert urlsplit(redirect.uri).hostname == "127.0.0.1"
    with pytest.raises(OSError, match="All connection attempts failed"):
        await anyio.connect_tcp("127.0.0.1", port_of(redirect))


async def test_what_the_body_raises_comes_out_as_it_is():
    with pytest.raises(KeyError):
        async with loopback_redirect("127.0.0.1", 0):
            raise KeyError


async def test_a_port_that_is_taken_is_named():
    async with loopback_redirect("127.0.0.1", 0) as redirect:
        with pytest.raises(ConfigurationError, match=str(port_of(redirect))):
            async with loopback_redirect("127.0.0.1", port_of(redirect)):
                pass


def test_nothing_on_a_page_is_html():
    shown = page("<i>", "<script>&\"'").decode()
    assert "<i>" not in shown
    assert "<script>" not in shown
