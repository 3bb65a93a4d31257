"""From an HTTP answer to a typed one, or to a typed error.

This file owns which members a whole answer has, and how much of one is read. Nothing is taken for
granted that Cognito does not document.
"""

import json
import math
import re
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple, Never, cast

from amplify_federation._cognito.errors import (
    Refusal,
    error_code,
    error_message,
    error_of,
    redacted,
)
from amplify_federation._cognito.requests import ASSUME_ROLE, ID_PATTERN, MAX_ID, Call
from amplify_federation._model.values import AWSCredentials, Secret
from amplify_federation.errors import MalformedResponseError, ServiceError

MAX_BODY = 262_144  # bytes after decoding; a real answer has about 2,000
_LEAF = re.compile(r"<(\w+)>([^<>]*)</\1>", re.ASCII)
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&"))
_MAX_DEPTH = 32  # nested objects and arrays; a real answer has 2
_OK, _REDIRECTION = 200, 300  # statuses; in between are the successes
_HOOK_ADVICE = (
    "A response hook of the `http_client` raised before the answer was read: let it read the "
    "answer first (`await response.aread()`), or leave it out of this client."
)


class Answer(NamedTuple):
    """A whole answer: the identity, where promised the credentials, or an OpenID token."""

    identity_id: str = ""
    credentials: AWSCredentials | None = None
    open_id_token: Secret | None = None


class Reply:
    """An HTTP answer. `body` is `None` if it was over the cap; `headers` finds names in any case.

    `unread` if a hook raised before the body was read.
    """

    __slots__ = ("body", "headers", "status", "unread")

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        body: bytes | None,
        unread: bool = False,  # noqa: FBT001, FBT002  # positional for speed
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.unread = unread

    def __repr__(self) -> str:
        return f"<Reply {self.status}>"  # the body may hold credentials


class UndecodableError(Exception):
    """The content coding cannot be undone; the text says why without the answer."""


def plain(coding: str | None, body: bytes) -> bytes | None:
    """Return a body without its content coding, or `None` if it is over the cap before or after.

    The requests accept no coding, but a proxy may compress all the same. httpx would
    inflate 64 KiB of a bomb to 64 MiB at once, so it is not used. Raises `UndecodableError`.
    """
    if len(body) > MAX_BODY:
        return None
    coding = (coding or "identity").strip().lower()
    if coding == "identity":
        return body
    if coding not in {"gzip", "x-gzip", "deflate"}:
        message = "the answer has a content coding that was not asked for"
        raise UndecodableError(message)
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)  # a gzip or a zlib header
    try:
        inflated = inflater.decompress(body, MAX_BODY + 1)
    except zlib.error:
        inflated = None
    if inflated is not None and len(inflated) > MAX_BODY:
        return None
    if inflated is None or not inflater.eof:
        message = "the content coding of the answer is broken"
        raise UndecodableError(message)
    return inflated


class _UnfitError(Exception):
    """The answer lacks a member or has a wrong one; the text says which, without the answer."""


def decode(call: Call, http: Reply) -> Answer:
    """Return the answer of a call; raises the `ServiceError` that it is otherwise.

    No frame of the traceback binds a member of the answer, which may be a secret.
    """
    if not _OK <= http.status < _REDIRECTION:
        raise _error_answer(call, http)
    try:
        return _of_this_call(call, _answer(call, http))
    except _UnfitError as unfit:
        said = f"{call.operation}: the answer is not Cognito's: {unfit}."
    # Outside the handler: the frames of the inner error bind the members.
    raise MalformedResponseError(
        said, operation=call.operation, status=http.status, request_id=_request_id(call, http)
    )


def _error_answer(call: Call, http: Reply) -> ServiceError:
    """Return the error that an answer with another status than success tells."""
    error = error_of(call, _refusal(call, http, _members(call, http) or {}))
    if http.unread and error.code is None:
        error.recovery_suggestion = _HOOK_ADVICE
    return error


def _refusal(call: Call, http: Reply, members: Mapping[str, object]) -> Refusal:
    code = error_code(members, http.headers)
    return Refusal(http.status, code, error_message(members), _request_id(call, http))


def _request_id(call: Call, http: Reply) -> str | None:
    said = http.headers.get("x-amzn-requestid")
    return said and redacted(call, said)


def _members(call: Call, http: Reply) -> Mapping[str, object] | None:
    return _xml_members(http.body) if call.url is not None else _json_members(http.body)


def _json_members(body: bytes | None) -> dict[str, object] | None:
    if not body or _depth(body) > _MAX_DEPTH:
        return None
    try:
        parsed: object = _decoder.decode(body.decode())
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, object]", parsed) if isinstance(parsed, dict) else None


def _xml_members(body: bytes | None) -> dict[str, object] | None:
    """Return the texts of an XML answer's innermost elements, which suffice for STS's answers.

    Nothing is expanded, so an answer cannot make itself larger than it is.
    """
    try:
        text = (body or b"").decode()
    except ValueError:
        return None
    found = _LEAF.findall(text)
    return {name: _unescaped(value.strip()) for name, value in found} if found else None


def _unescaped(text: str) -> str:
    for entity, character in _ENTITIES:
        text = text.replace(entity, character)
    return text


def _depth(body: bytes) -> int:
    # Brackets inside strings count too: no answer of Cognito's comes near the bound either way.
    # `replace` finds them with memchr; `count` takes four times as long.
    return 2 * len(body) - len(body.replace(b"[", b"")) - len(body.replace(b"{", b""))


def _no_constant(_name: str) -> Never:
    raise ValueError


# Made once: `json.loads` makes one for each answer when it is given an option.
_decoder = json.JSONDecoder(parse_constant=_no_constant)


def _answer(call: Call, http: Reply) -> Answer:
    operation = call.operation
    if http.status != _OK:
        _fail(f"status {http.status} is none that Cognito gives")
    if http.body is None:
        _fail(f"it is larger than {MAX_BODY} bytes")
    members = _members(call, http)
    if members is None:
        _fail("it is no XML" if call.url is not None else "it is no JSON object")
    if operation == "UnlinkIdentity":
        return Answer()
    if operation == ASSUME_ROLE:
        return Answer(credentials=_credentials(members, key_member="SecretAccessKey"))
    identity_id = _text(members, "IdentityId")
    if len(identity_id) > MAX_ID or not ID_PATTERN.fullmatch(identity_id):
        _fail("IdentityId is no identity id")
    if operation == "GetCredentialsForIdentity":
        return Answer(identity_id, credentials=_credentials(members.get("Credentials")))
    if operation == "GetOpenIdToken":
        return Answer(identity_id, open_id_token=Secret(_text(members, "Token")))
    return Answer(identity_id)


def _of_this_call(call: Call, answer: Answer) -> Answer:
    """Return the answer, unless it is about another identity and no merge explains that.

    Cognito merges identities of one pool, so of one region, and only when logins prove it.
    """
    given = call.identity_id
    if given is None or not answer.identity_id or answer.identity_id == given:
        return answer
    if not call.secrets or answer.identity_id.partition(":")[0] != given.partition(":")[0]:
        _fail("it is about another identity")
    return answer


def _credentials(value: object, *, key_member: str = "SecretKey") -> AWSCredentials:
    if not isinstance(value, dict):
        _fail("Credentials is missing")
    members = cast("dict[str, object]", value)
    expiration = _expiration(members.get("Expiration"))
    return AWSCredentials(
        _text(members, "AccessKeyId"),
        Secret(_text(members, key_member)),
        Secret(_text(members, "SessionToken")),
        expiration,
    )


def _text(members: Mapping[str, object], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not value:
        _fail(f"{name} is missing")
    return value


def _expiration(value: object) -> datetime:
    """Read epoch seconds, a quoted number, or ISO 8601; all three have been seen."""
    try:
        if isinstance(value, str):
            value = _from_text(value)
        if isinstance(value, datetime):
            return value.astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        _fail("Expiration is no time")
    return _fail("Expiration is no time")


def _from_text(value: str) -> float | datetime:
    try:
        return float(value)
    except ValueError:
        read = datetime.fromisoformat(value)
        return read if read.tzinfo else read.replace(tzinfo=UTC)


def _fail(what: str) -> Never:
    raise _UnfitError(what)
