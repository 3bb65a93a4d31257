"""What servers do wrong, and the one error that each must become."""

import gzip
import itertools
import json
import zlib
from functools import cache

from attrs import frozen

from amplify_federation import errors
from tests.fire import server
from tests.fire.server import always, saying, saying_credentials
from tests.scripted_server import Peer, Script

MEGABYTE = 1_000_000
HUGE = 200 * MEGABYTE  # bytes


@frozen
class Case:
    """A script, and what it becomes: an error's class, and whether a retry may help.

    Several classes, where the paths stop at different limits; `retryable` is then by the class.
    """

    name: str
    script: Script
    error: type[errors.AuthError] | tuple[type[errors.AuthError], ...] = errors.NetworkError
    retryable: bool = True

    def __str__(self) -> str:
        return self.name


def ok(*lines: bytes) -> bytes:
    """Return the head of an answer that promises what these lines say."""
    return b"\r\n".join([b"HTTP/1.1 200 OK", *lines, b"", b""])


def whole(peer: Peer) -> None:
    peer.request()


def reset_after(*pieces: bytes) -> Script:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(*pieces)
        peer.reset()

    return script


def repeating(data: bytes) -> Script:
    def script(peer: Peer) -> None:
        while peer.request():
            peer.send(data)

    return script


def hang_after(*pieces: bytes) -> Script:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(*pieces)
        peer.wait_for_close()

    return script


def dripping(start: bytes, piece: bytes) -> Script:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(start)
        peer.drip(itertools.repeat(piece))

    return script


def endless(start: bytes, piece: bytes) -> Script:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(start)
        peer.send_for_ever(piece)

    return script


CHUNKED = b"Transfer-Encoding: chunked"
IDENTITY = b'{"IdentityId": "%s"}' % server.IDENTITY_ID.encode()

BROKEN = [
    Case("reset after accept", lambda peer: peer.reset()),
    Case("close after accept", lambda _peer: None),
    Case("reset after the request", reset_after()),
    Case("close after the request", whole),
    Case("reset within the status line", reset_after(b"HTTP/1.1 2")),
    Case("close within the status line", always(b"HTTP/1.1 2")),
    Case("reset within the head", reset_after(b"HTTP/1.1 200 OK\r\nContent-Le")),
    Case("close within the head", always(b"HTTP/1.1 200 OK\r\nContent-Le")),
    Case("reset within the body", reset_after(ok(b"Content-Length: 70"), b'{"IdentityId')),
    Case("short body", always(ok(b"Content-Length: 500") + IDENTITY)),
    Case("short body of nothing", always(ok(b"Content-Length: 500"))),
    Case("close within a chunk", always(ok(CHUNKED) + b"30\r\n{")),
    Case("close between chunks", always(ok(CHUNKED) + b"1\r\n{\r\n")),
    Case("close before the last chunk", always(ok(CHUNKED) + b"%x\r\n%s\r\n" % (53, IDENTITY))),
    Case("close after an informational answer", always(b"HTTP/1.1 100 Continue\r\n\r\n")),
]


def echo(peer: Peer) -> None:
    """Send back what comes, as an echo server does."""
    peer.send(peer.request())


def telling_the_token(peer: Peer) -> None:
    """Repeat the login's token wherever an answer has room for text."""
    while request := peer.request():
        sent = json.loads(request.partition(b"\r\n\r\n")[2])
        token = next(iter(sent["Logins"].values()))
        body = json.dumps({"__type": "InternalErrorException", "message": f"Bad: {token}."})
        request_id = b"x-amzn-requestid: " + token.encode()
        peer.send(server.answer(body.encode(), request_id, status=b"500 " + token.encode()))


GARBAGE = [
    Case("an echo", echo),
    Case("garbage status line", always(b"lorem ipsum dolor\r\n\r\n")),
    Case("no status line", always(IDENTITY)),
    Case("status of letters", always(b"HTTP/1.1 abc OK\r\nContent-Length: 2\r\n\r\n{}")),
    Case("status of two digits", always(b"HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\n{}")),
    Case("status of four digits", always(b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\n{}")),
    Case("status 000", always(b"HTTP/1.1 000 Nil\r\nContent-Length: 2\r\n\r\n{}")),
    Case("HTTP/3.1", always(b"XHTTP/3.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")),
    Case("another protocol", always(b"SSH-2.0-OpenSSH_9.9\r\n")),
    Case("HTTP/2", always(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80")),
    Case("TLS alert", always(b"\x15\x03\x01\x00\x02\x02\x46")),
    Case("zero bytes", always(b"\x00" * 64)),
    Case("space before a header's colon", always(ok(b"A bad name : 1", b"Content-Length: 2"))),
    Case("header without a colon", always(ok(b"nonsense", b"Content-Length: 2"))),
    Case("zero byte in a header", always(ok(b"A: \x00", b"Content-Length: 2"))),
    Case("switch to another protocol", always(b"HTTP/1.1 101 Go\r\nUpgrade: x\r\n\r\n\x01\x02")),
    Case("unasked switch without a word", always(b"HTTP/1.1 101 Go\r\n\r\n")),
]

LENGTHS = [
    Case("two lengths", always(ok(b"Content-Length: 2", b"Content-Length: 3") + b"{} ")),
    Case("two lengths in one line", always(ok(b"Content-Length: 2, 3") + b"{} ")),
    Case("negative length", always(ok(b"Content-Length: -2") + b"{}")),
    Case("length of letters", always(ok(b"Content-Length: two") + b"{}")),
    Case("length with a sign", always(ok(b"Content-Length: +2") + b"{}")),
    Case("length in hex", always(ok(b"Content-Length: 0x2") + b"{}")),
    Case("length of forty digits", always(ok(b"Content-Length: " + b"9" * 40) + b"{}")),
    Case("length and broken chunks", always(ok(CHUNKED, b"Content-Length: 2") + b"{}")),
    Case("unknown transfer coding", always(ok(b"Transfer-Encoding: rot13") + b"{}")),
    Case("chunk size of letters", always(ok(CHUNKED) + b"xyz\r\n{}\r\n0\r\n\r\n")),
    Case("negative chunk", always(ok(CHUNKED) + b"-2\r\n{}\r\n0\r\n\r\n")),
    Case("chunk of forty digits", always(ok(CHUNKED) + b"f" * 40 + b"\r\n{}\r\n0\r\n\r\n")),
    Case("chunk longer than its size", always(ok(CHUNKED) + b"1\r\n{}\r\n0\r\n\r\n")),
    Case("body that is not chunked", always(ok(CHUNKED) + IDENTITY)),
]

NOT_COGNITO = [
    Case(name, script, errors.MalformedResponseError, retryable=False)
    for name, script in {
        "200 with HTML": saying(b"<html>It works!</html>", b"Content-Type: text/html"),
        "200 empty": saying(b""),
        "200 without a body or a length": always(ok()),
        "200 with blanks": saying(b" \r\n "),
        "201": saying(IDENTITY, status=b"201 Created"),
        "202": saying(IDENTITY, status=b"202 Accepted"),
        "204": repeating(b"HTTP/1.1 204 No Content\r\n\r\n"),
        "204 that promises a body": repeating(b"HTTP/1.1 204 No\r\nContent-Length: 9\r\n\r\n"),
        "body shorter than the JSON": always(
            ok(b"Connection: close", b"Content-Length: 20") + IDENTITY
        ),
        "null": saying(b"null"),
        "a null member": saying(b'{"IdentityId": null}'),
        "a number member": saying(b'{"IdentityId": 7}'),
        "an empty member": saying(b'{"IdentityId": ""}'),
        "an object member": saying(b'{"IdentityId": {"IdentityId": "us-west-2:0"}}'),
        "an empty object": saying(b"{}"),
        "an array": saying(b"[]"),
        "an array of answers": saying(b"[%s]" % IDENTITY),
        "a string": saying(b'"IdentityId"'),
        "a number": saying(b"7"),
        "NaN": saying(b"NaN"),
        "NaN beside": saying(IDENTITY[:-1] + b', "x": NaN}'),
        "Infinity beside": saying(IDENTITY[:-1] + b', "x": -Infinity}'),
        "two objects": saying(IDENTITY * 2),
        "half an object": saying(IDENTITY[:-1]),
        "100,000 nested arrays": saying(b"[" * 100_000),
        "100,000 nested arrays in a member": saying(b'{"IdentityId": ' + b"[" * 100_000),
        "100,000 nested objects": saying(b'{"IdentityId":' * 10_000),
        "a number of 200,000 digits": saying(IDENTITY[:-1] + b', "x": ' + b"9" * 200_000 + b"}"),
        "bytes that are no text": saying(b'{"IdentityId": "\xff\xfe"}'),
        "half a surrogate pair": saying(b'{"IdentityId": "us-west-2:\\ud800"}'),
        "an identity with a line break": saying(b'{"IdentityId": "us-west-2:0\\n"}'),
        "an identity of foreign digits": saying('{"IdentityId": "us-west-2:٣"}'.encode()),
        "an identity of 100,000 characters": saying(
            b'{"IdentityId": "us-west-2:%s"}' % (b"0" * 100_000)
        ),
        "one byte over the cap": saying(b" " * (262_144 + 1 - len(IDENTITY)) + IDENTITY),
    }.items()
]

ERROR_PAGES = [
    *(
        Case(
            f"{status} with a page",
            saying(b"<html>%d</html>" % status, status=b"%d X" % status),
            errors.UnknownServiceError,
            retryable=False,
        )
        for status in (400, 401, 403, 404, 407, 413, 418, 501, 505, 600, 999)
    ),
    Case(
        "304", repeating(b"HTTP/1.1 304 Same\r\n\r\n"), errors.UnknownServiceError, retryable=False
    ),
    *(
        Case(
            f"{status} with a page",
            saying(b"<html>%d</html>" % status, status=b"%d X" % status),
            errors.InternalServiceError,
        )
        for status in (500, 502, 503, 504)
    ),
    Case("an error that tells the token", telling_the_token, errors.InternalServiceError),
    Case("429 with a page", saying(b"<p>", status=b"429 X"), errors.TooManyRequestsError),
    Case(
        "an error code of a million characters",
        saying(b'{"__type": "%s"}' % (b"A" * 200_000), status=b"400 X"),
        errors.UnknownServiceError,
        retryable=False,
    ),
    Case(
        "an error that is an array",
        saying(b'[{"__type": "NotAuthorizedException"}]', status=b"400 X"),
        errors.UnknownServiceError,
        retryable=False,
    ),
    Case(
        "an error with null members",
        saying(b'{"__type": null, "message": null}', status=b"400 X"),
        errors.UnknownServiceError,
        retryable=False,
    ),
]

SLOW = [
    Case(name, script, (errors.NetworkError, errors.CallTimeoutError))
    for name, script in {
        "silence": lambda peer: peer.wait_for_close(),
        "silence after the request": hang_after(),
        "silence within the head": hang_after(b"HTTP/1.1 200 OK\r\nContent-"),
        "silence within the body": hang_after(ok(b"Content-Length: 70"), b"{"),
        "silence after an informational answer": hang_after(b"HTTP/1.1 100 Continue\r\n\r\n"),
        "drip of the head": dripping(b"HTTP/1.1 200 OK\r\nX: ", b"x"),
        "drip of headers": dripping(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        "drip of the body": dripping(ok(b"Content-Length: 100000"), b" "),
        "drip of chunks": dripping(ok(CHUNKED), b"1\r\n \r\n"),
        "drip of a body without a length": dripping(ok(), b" "),
        "drip of informational answers": dripping(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    }.items()
]
SLOW += [
    Case(
        "flood of informational answers",
        endless(b"", b"HTTP/1.1 100 Go\r\n\r\n" * 1000),
        (errors.NetworkError, errors.CallTimeoutError),
    )
]

MEMBERS = {
    "nothing": {},
    "null": {"Credentials": None},
    "an array": {"Credentials": [server.CREDENTIALS]},
    "a string": {"Credentials": "AKIA"},
    "no members": {"Credentials": {}},
    **{
        f"{name} null": {"Credentials": {**server.CREDENTIALS, name: None}}
        for name in server.CREDENTIALS
    },
    **{
        f"{name} an array": {"Credentials": {**server.CREDENTIALS, name: []}}
        for name in server.CREDENTIALS
    },
    **{
        f"expiration {value!r}": {"Credentials": {**server.CREDENTIALS, "Expiration": value}}
        for value in ("soon", "", "nan", "inf", "1e400", 1e300, -1e300, True, "2026-13-45T00:00:00")
    },
    "another identity's null": {"IdentityId": None, "Credentials": server.CREDENTIALS},
}
BAD_CREDENTIALS = [
    Case(
        name,
        saying_credentials({"IdentityId": server.IDENTITY_ID, **members}),
        errors.MalformedResponseError,
        retryable=False,
    )
    for name, members in MEMBERS.items()
]


@cache
def gzip_bomb() -> bytes:
    """Return 200 MB of blanks in 200 KB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    block = b" " * MEGABYTE
    pieces = [packer.compress(block) for _ in range(HUGE // MEGABYTE)]
    return b"".join([*pieces, packer.flush()])


def bomb(peer: Peer) -> None:
    saying(gzip_bomb(), b"Content-Encoding: gzip", b"Connection: close")(peer)


def bomb_in_chunks(peer: Peer) -> None:
    peer.request()
    packed = gzip_bomb()
    peer.send(ok(CHUNKED, b"Content-Encoding: gzip", b"Connection: close"))
    peer.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(packed), packed))


BLOCK = b" " * 65_536
TOO_LARGE = [
    Case(name, script, errors.MalformedResponseError, retryable=False)
    for name, script in {
        "200 MB": endless(ok(b"Content-Length: %d" % HUGE), BLOCK),
        "200 MB in chunks": endless(ok(CHUNKED), b"10000\r\n%s\r\n" % BLOCK),
        "200 MB in one chunk": endless(ok(CHUNKED) + b"%x\r\n" % HUGE, BLOCK),
        "200 MB in chunks of 256 bytes": endless(
            ok(CHUNKED), b"100\r\n%s\r\n" % (b" " * 256) * 100
        ),
        "a body without an end": endless(ok(), BLOCK),
        "gzip bomb": bomb,
        "gzip bomb in chunks": bomb_in_chunks,
    }.items()
]
TOO_LARGE += [
    Case("flood of headers", endless(b"HTTP/1.1 200 OK\r\n", b"X-Flood: 0123456789\r\n" * 1000)),
    Case("a header without an end", endless(b"HTTP/1.1 200 OK\r\nX: ", BLOCK)),
    Case("a status line without an end", endless(b"HTTP/1.1 200 ", BLOCK)),
    Case("a stream of random bytes", endless(b"", b"\x07\xff\x13\x00" * 16_384)),
    Case("a flood of blank lines", endless(b"", b"\r\n" * 32_768)),
]
TOO_LARGE += [
    Case(name, script, (errors.NetworkError, errors.MalformedResponseError))
    for name, script in {
        "a chunk size without an end": endless(ok(CHUNKED) + b"1;", b"x" * 65_536),
        "a flood of trailers": endless(ok(CHUNKED) + b"0\r\n", b"X-Flood: 0123456789\r\n" * 1000),
    }.items()
]

BROKEN_CODINGS = [
    Case(name, saying(body, b"Content-Encoding: " + coding))
    for name, coding, body in (
        ("gzip that is none", b"gzip", IDENTITY),
        ("gzip cut short", b"gzip", gzip.compress(IDENTITY)[:-12]),
        ("gzip with a wrong sum", b"gzip", gzip.compress(IDENTITY)[:-8] + b"\x00" * 8),
        ("deflate that is none", b"deflate", b"\xff" * 40),
        ("a coding that nobody knows", b"x-nonsense", IDENTITY),
    )
]

QUICK = BROKEN + GARBAGE + LENGTHS + NOT_COGNITO + ERROR_PAGES + BROKEN_CODINGS
