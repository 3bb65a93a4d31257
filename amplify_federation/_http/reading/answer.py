"""What of an answer is taken, whichever parser read it: the limits, the framing, the coding.

This file owns every limit on an answer. It must not parse HTTP: httptools or h11 do.
"""

import errno
from typing import Protocol

from amplify_federation._cognito.exchange import MAX_BODY, HttpAnswer
from amplify_federation._http.reading.coding import UndecodableError, plain

MAX_HEAD = 64 * 1024  # bytes, informational answers included; httpx has 100 KiB, Tomcat 8 KiB
MAX_HEADERS = 100  # as in Python's http.client
FINAL = 200  # the first status that is not informational
# A body that comes in chunks of one byte takes six bytes for each.
MAX_WIRE = MAX_HEAD + 6 * MAX_BODY

Pairs = list[tuple[bytes, bytes]]


class NoAnswer(Exception):  # noqa: N818  # it is the name of what happened
    """There is no answer: `kind` is httpx's class for it, `detail` says it without the request.

    `stale`: a kept connection ended before the first byte of the answer. `crowded`: the process
    has no file descriptor left.
    """

    def __init__(
        self, kind: str, detail: str, *, stale: bool = False, crowded: bool = False
    ) -> None:
        super().__init__(kind, detail)
        self.kind = kind
        self.detail = detail
        self.stale = stale
        self.crowded = crowded


class AnswerReader(Protocol):
    """Reads one answer after another from the bytes of one connection."""

    reusable: bool

    def begin(self) -> None:
        """Forget the last answer."""
        ...

    def feed(self, data: memoryview) -> HttpAnswer | None:
        """Return the answer once it is whole; raises `NoAnswer` for what is none."""
        ...

    def end(self) -> HttpAnswer | None:
        """Return the answer if the end of the stream is what ends it."""
        ...


def no_connection(error: BaseException) -> NoAnswer:
    """Return the error for a connection that could not be made; it says no more than the cause."""
    several: tuple[BaseException, ...] = getattr(error, "exceptions", ())  # one for each address
    error = several[0] if several else error
    number = getattr(error, "errno", None)
    detail = (
        getattr(error, "verify_message", None)  # of a certificate
        or getattr(error, "strerror", None)
        or (str(error) if isinstance(error, OSError) else "the host name is not one")
        or type(error).__name__
    )
    return NoAnswer("ConnectError", detail, crowded=number in {errno.EMFILE, errno.ENFILE})


def malformed(detail: str) -> NoAnswer:
    """Return the error for bytes that are no answer."""
    return NoAnswer("RemoteProtocolError", detail)


def undecodable(detail: str) -> NoAnswer:
    """Return the error for a body in a coding that cannot be undone."""
    return NoAnswer("DecodingError", detail)


def too_long() -> NoAnswer:
    """Return the error for a head over `MAX_HEAD`."""
    return malformed("the head of the answer is too long")


def read_headers(pairs: Pairs) -> dict[str, str]:
    """Return the headers, lower-case, repeated ones joined; refuse framing that is ambiguous."""
    if len(pairs) > MAX_HEADERS:
        reason = "the answer has too many headers"
        raise malformed(reason)
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name = raw_name.lower().decode("latin-1")
        value = raw_value.decode("latin-1").strip()
        if name in headers:
            value = f"{headers[name]}, {value}"
        headers[name] = value
    if "transfer-encoding" in headers and (
        "content-length" in headers or headers["transfer-encoding"].lower() != "chunked"
    ):
        reason = "the length of the answer is ambiguous"
        raise malformed(reason)
    return headers


def ends_with_stream(headers: dict[str, str]) -> bool:
    """Tell whether nothing but the end of the stream ends this answer's body."""
    return "content-length" not in headers and "transfer-encoding" not in headers


def answer_of(status: int, headers: dict[str, str], body: bytes) -> HttpAnswer:
    """Return the answer with its body decoded, or with none if that is over the cap."""
    try:
        content = plain(headers.get("content-encoding"), body)
    except UndecodableError as error:
        reason = str(error)
    else:
        return HttpAnswer(status, headers, content)
    raise undecodable(reason)
