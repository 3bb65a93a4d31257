"""Both parsers, one behaviour: each test runs over httptools and over h11."""

import pytest

from amplify_federation._http.parser import MAX_HEAD, H11Parser, HttptoolsParser, ParseError

OK = b"HTTP/1.1 200 OK\r\n"


def httptools_parser():
    pytest.importorskip("httptools", reason="the extra `fast` is not installed")
    return HttptoolsParser()


@pytest.fixture(params=[httptools_parser, H11Parser], ids=["httptools", "h11"])
def parser(request):
    parser = request.param()
    parser.begin("POST")
    return parser


class Message:
    """A whole answer."""

    def __init__(self, parser):
        self.status = parser.head.status
        self.headers = dict(parser.head.headers)
        self.body = b"".join(parser.chunks)


def fed(parser, data: bytes, step: int = 65_536):
    for start in range(0, len(data), step):
        parser.feed(memoryview(data[start : start + step]))
        if parser.complete:
            return Message(parser)
    return None


def with_body(body: bytes, *headers: bytes) -> bytes:
    lines = b"".join(line + b"\r\n" for line in headers)
    return OK + lines + b"Content-Length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize("step", [1, 7, 65_536])
def test_an_answer_is_read_whole_however_it_is_cut(parser, step):
    answer = fed(parser, with_body(b'{"a": 1}', b"X-Amzn-RequestId: r", b"Empty:", b"B: c"), step)
    assert answer.status == 200
    assert answer.body == b'{"a": 1}'
    assert answer.headers[b"x-amzn-requestid"] == b"r"
    assert answer.headers[b"empty"] == b""
    assert answer.headers[b"b"] == b"c"
    assert parser.reusable


def test_one_connection_gives_one_answer_after_another(parser):
    for number in range(3):
        parser.begin("POST")
        body = b"%d" % number
        assert fed(parser, with_body(body, b"N: %d" % number)).body == body
        assert parser.reusable


@pytest.mark.parametrize("status", [400, 429, 503, 301])
def test_an_error_status_is_an_answer_like_any_other(parser, status):
    answer = fed(parser, b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\n{}" % status)
    assert (answer.status, answer.body) == (status, b"{}")


def test_an_answer_without_content_ends_with_its_head(parser):
    assert fed(parser, b"HTTP/1.1 204 No Content\r\n\r\n").body == b""


@pytest.mark.parametrize("step", [1, 65_536])
def test_informational_answers_are_passed_over(parser, step):
    hints = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    answer = fed(parser, hints + with_body(b"{}"), step)
    assert answer.status == 200
    assert b"link" not in answer.headers


@pytest.mark.parametrize("step", [1, 65_536])
def test_a_chunked_body_is_put_together_and_trailers_are_dropped(parser, step):
    data = OK + b"Transfer-Encoding: chunked\r\nA: head\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n"
    answer = fed(parser, data + b"A: trailer\r\n\r\n", step)
    assert answer.body == b"abcde"
    assert answer.headers[b"a"] == b"head"


def test_a_body_without_length_ends_with_the_stream(parser):
    assert fed(parser, OK + b"Connection: close\r\n\r\n{}") is None
    parser.end()
    assert parser.complete
    assert Message(parser).body == b"{}"
    assert not parser.reusable


@pytest.mark.parametrize(
    "data",
    [
        b"",
        OK,
        OK + b"Content-Length: 5\r\n\r\nabc",
        OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nab",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
    ids=["nothing", "half a head", "short body", "half a chunk", "only informational"],
)
def test_a_stream_that_ends_early_gives_no_answer(parser, data):
    assert fed(parser, data) is None
    with pytest.raises(ParseError, match="before the answer was whole"):
        parser.end()


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        b"<html>hello</html>\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        OK + b"Content-Length: -1\r\n\r\n",
        OK + b"Content-Length: 1x\r\n\r\na",
        OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: gzip\r\n\r\nabc",
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        OK + b"No colon here\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
    ],
)
def test_what_is_no_answer_is_refused(parser, data):
    with pytest.raises(ParseError):
        fed(parser, data)


def test_endless_chunk_extensions_are_given_up(parser):
    assert fed(parser, OK + b"Transfer-Encoding: chunked\r\n\r\n") is None
    pieces = b"".join(b"1;" + b"x" * 2_000 + b"\r\na\r\n" for _ in range(1_000))
    with pytest.raises(ParseError, match="too long"):
        fed(parser, pieces)


def test_chunks_of_one_byte_are_taken(parser):
    data = OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 50_000
    assert fed(parser, data + b"0\r\n\r\n").body == b"a" * 50_000


@pytest.mark.parametrize(
    "piece",
    [b"A: " + b"x" * 1_000, b"HTTP/1.1 100 Continue\r\n\r\n", b"x" * 1_000],
    ids=["header value", "informational answers", "status line"],
)
def test_an_endless_head_is_given_up(parser, piece):
    if piece.startswith(b"A"):
        fed(parser, OK)
    elif piece.startswith(b"x"):
        fed(parser, b"HTTP/1.1 200 ")
    with pytest.raises(ParseError):
        fed(parser, piece * (MAX_HEAD // len(piece) + 2), len(piece))


def test_too_many_headers_are_refused(parser):
    assert fed(parser, with_body(b"", *(b"A%d: x" % n for n in range(99)))) is not None
    parser.begin("POST")
    with pytest.raises(ParseError, match="too many headers"):
        fed(parser, with_body(b"", *(b"A%d: x" % n for n in range(100))))


@pytest.mark.parametrize(
    "data",
    [
        with_body(b"{}", b"Connection: close"),
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        with_body(b"{}") + b"HTTP/1.1 200 OK\r\n",
        with_body(b"{}") + b"garbage",
    ],
    ids=["connection: close", "http/1.0", "an answer too many", "garbage after it"],
)
def test_an_answer_may_spoil_its_connection(parser, data):
    assert fed(parser, data).body == b"{}"
    assert not parser.reusable
