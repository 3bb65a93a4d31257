"""One POST as bytes."""

import pytest

from amplify_federation._http.lean.request import endpoint_of
from amplify_federation._http.reading.answer import NoAnswer


def head_of(url: str, headers: dict[str, str] | None = None, body: bytes = b"{}") -> list[str]:
    request = endpoint_of(url).request(headers or {}, body)
    head, _, rest = request.partition(b"\r\n\r\n")
    assert rest == body
    return head.decode().split("\r\n")


@pytest.mark.parametrize(
    ("url", "host", "port", "tls", "line", "host_header"),
    [
        ("https://a.example", "a.example", 443, True, "POST / HTTP/1.1", "a.example"),
        ("https://a.example/", "a.example", 443, True, "POST / HTTP/1.1", "a.example"),
        ("http://a.example:80", "a.example", 80, False, "POST / HTTP/1.1", "a.example"),
        ("http://a.example:443", "a.example", 443, False, "POST / HTTP/1.1", "a.example:443"),
        ("http://127.0.0.1:5000/x/y", "127.0.0.1", 5000, False, "POST /x/y/ HTTP/1.1", None),
        ("http://[::1]:5000", "::1", 5000, False, "POST / HTTP/1.1", "[::1]:5000"),
        ("http://a.example/a b", "a.example", 80, False, "POST /a%20b/ HTTP/1.1", "a.example"),
        ("http://a.example/a%20b", "a.example", 80, False, "POST /a%20b/ HTTP/1.1", "a.example"),
    ],
)
def test_an_endpoint_is_read_from_its_url(url, host, port, tls, line, host_header):
    endpoint = endpoint_of(url)
    assert (endpoint.host, endpoint.port, endpoint.tls) == (host, port, tls)
    head = head_of(url)
    assert head[0] == line
    assert head[1] == f"Host: {host_header or '127.0.0.1:5000'}"


def test_a_request_carries_the_callers_headers_and_its_own_framing():
    head = head_of("http://a.example", {"X-Amz-Target": "t", "Accept": "*/*"}, b"12345")
    assert head[2:] == [
        "Accept-Encoding: identity",
        "X-Amz-Target: t",
        "Accept: */*",
        "Content-Length: 5",
    ]


@pytest.mark.parametrize(
    "name", ["Host", "content-length", "Accept-Encoding", "Connection", "Transfer-Encoding"]
)
def test_a_caller_cannot_set_what_frames_the_request(name):
    lines = [line.lower() for line in head_of("http://a.example", {name: "666"})]
    assert not any("666" in line for line in lines)


@pytest.mark.parametrize(
    "header",
    [{"X": "a\r\nY: b"}, {"X": "a\nb"}, {"X": "a\rb"}, {"X\r\nY": "a"}, {"X": "\u2028"}],
)
def test_a_header_that_breaks_its_line_is_refused(header):
    with pytest.raises(NoAnswer, match="LocalProtocolError"):
        endpoint_of("http://a.example").request(header, b"")
