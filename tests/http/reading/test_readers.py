"""Both parsers, one behaviour: each test runs over httptools and over h11."""

import gzip
import zlib

import pytest

from amplify_federation._cognito.exchange import MAX_BODY
from amplify_federation._http.reading.answer import MAX_HEAD, NoAnswer
from amplify_federation._http.reading.plain_reader import PlainReader

OK = b"HTTP/1.1 200 OK\r\n"


def fast_reader():
    pytest.importorskip("httptools", reason="the extra `fast` is not installed")
    from amplify_federation._http.reading.fast_reader import (  # noqa: PLC0415  # needs the extra
        FastReader,
    )

    return FastReader()


@pytest.fixture(params=[fast_reader, PlainReader], ids=["httptools", "h11"])
def reader(request):
    reader = request.param()
    reader.begin()
    return reader


def fed(reader, data: bytes, step: int = 65_536):
    for start in range(0, len(data), step):
        answer = reader.feed(memoryview(data[start : start + step]))
        if answer is not None:
            return answer
    return None


def with_body(body: bytes, *headers: bytes) -> bytes:
    lines = b"".join(line + b"\r\n" for line in headers)
    return OK + lines + b"Content-Length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize("step", [1, 7, 65_536])
def test_an_answer_is_read_whole_however_it_is_cut(reader, step):
    answer = fed(reader, with_body(b'{"a": 1}', b"X-Amzn-RequestId: r", b"Empty:", b"B: c"), step)
    assert answer.status == 200
    assert answer.body == b'{"a": 1}'
    assert answer.headers["x-amzn-requestid"] == "r"
    assert answer.headers["empty"] == ""
    assert answer.headers["b"] == "c"
    assert reader.reusable


def test_repeated_headers_are_joined(reader):
    answer = fed(reader, with_body(b"", b"A: 1", b"a: 2"))
    assert answer.headers["a"] == "1, 2"


def test_one_connection_gives_one_answer_after_another(reader):
    for number in range(3):
        reader.begin()
        body = b"%d" % number
        assert fed(reader, with_body(body, b"N: %d" % number)).body == body
        assert reader.reusable


@pytest.mark.parametrize("status", [400, 429, 503, 301])
def test_an_error_status_is_an_answer_like_any_other(reader, status):
    answer = fed(reader, b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\n{}" % status)
    assert (answer.status, answer.body) == (status, b"{}")


def test_an_answer_without_content_ends_with_its_head(reader):
    assert fed(reader, b"HTTP/1.1 204 No Content\r\n\r\n").body == b""


@pytest.mark.parametrize("step", [1, 65_536])
def test_informational_answers_are_passed_over(reader, step):
    hints = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    answer = fed(reader, hints + with_body(b"{}"), step)
    assert answer.status == 200
    assert "link" not in answer.headers


@pytest.mark.parametrize("step", [1, 65_536])
def test_a_chunked_body_is_put_together_and_trailers_are_dropped(reader, step):
    data = OK + b"Transfer-Encoding: chunked\r\nA: head\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n"
    answer = fed(reader, data + b"A: trailer\r\n\r\n", step)
    assert answer.body == b"abcde"
    assert answer.headers["a"] == "head"


def test_a_body_without_length_ends_with_the_stream(reader):
    assert fed(reader, OK + b"Connection: close\r\n\r\n{}") is None
    assert reader.end().body == b"{}"
    assert not reader.reusable


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
def test_a_stream_that_ends_early_gives_no_answer(reader, data):
    assert fed(reader, data) is None
    assert reader.end() is None


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
def test_what_is_no_answer_is_refused(reader, data):
    with pytest.raises(NoAnswer, match="RemoteProtocolError"):
        fed(reader, data)


def test_a_body_at_the_cap_is_taken_and_one_over_it_is_none(reader):
    assert fed(reader, with_body(b"a" * MAX_BODY)).body == b"a" * MAX_BODY
    reader.begin()
    assert fed(reader, with_body(b"a" * (MAX_BODY + 1))).body is None


def test_an_endless_body_is_given_up_at_the_cap(reader):
    assert fed(reader, OK + b"Content-Length: 1000000000000\r\n\r\n") is None
    piece = memoryview(b"a" * 65_536)
    for _ in range(MAX_BODY // 65_536):
        assert reader.feed(piece) is None
    assert reader.feed(piece).body is None
    assert not reader.reusable


def test_endless_chunk_extensions_are_given_up(reader):
    assert fed(reader, OK + b"Transfer-Encoding: chunked\r\n\r\n") is None
    pieces = b"".join(b"1;" + b"x" * 2_000 + b"\r\na\r\n" for _ in range(1_000))
    assert fed(reader, pieces).body is None


@pytest.mark.parametrize(
    "piece",
    [b"A: " + b"x" * 1_000, b"HTTP/1.1 100 Continue\r\n\r\n", b"x" * 1_000],
    ids=["header value", "informational answers", "status line"],
)
def test_an_endless_head_is_given_up(reader, piece):
    if piece.startswith(b"A"):
        fed(reader, OK)
    elif piece.startswith(b"x"):
        fed(reader, b"HTTP/1.1 200 ")
    with pytest.raises(NoAnswer, match="RemoteProtocolError"):
        fed(reader, piece * (MAX_HEAD // len(piece) + 2), len(piece))


def test_too_many_headers_are_refused(reader):
    assert fed(reader, with_body(b"", *(b"A%d: x" % n for n in range(99)))) is not None
    reader.begin()
    with pytest.raises(NoAnswer, match="too many headers"):
        fed(reader, with_body(b"", *(b"A%d: x" % n for n in range(100))))


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
def test_an_answer_may_spoil_its_connection(reader, data):
    assert fed(reader, data).body == b"{}"
    assert not reader.reusable


@pytest.mark.parametrize(
    ("coding", "compress"),
    [(b"gzip", gzip.compress), (b"X-GZIP", gzip.compress), (b"deflate", zlib.compress)],
)
def test_a_compressed_body_is_understood_though_identity_was_asked_for(reader, coding, compress):
    data = with_body(compress(b'{"a": 1}'), b"Content-Encoding: " + coding)
    assert fed(reader, data).body == b'{"a": 1}'


def test_a_decompression_bomb_is_an_answer_without_body(reader):
    bomb = gzip.compress(b"\0" * (100 * MAX_BODY))
    assert len(bomb) < MAX_BODY
    assert fed(reader, with_body(bomb, b"Content-Encoding: gzip")).body is None


@pytest.mark.parametrize(
    ("coding", "body"),
    [(b"gzip", b"not gzip"), (b"gzip", gzip.compress(b"x" * 99)[:-9]), (b"br", b"x")],
    ids=["garbage", "cut short", "unknown coding"],
)
def test_a_broken_coding_is_refused(reader, coding, body):
    with pytest.raises(NoAnswer, match="DecodingError"):
        fed(reader, with_body(body, b"Content-Encoding: " + coding))
