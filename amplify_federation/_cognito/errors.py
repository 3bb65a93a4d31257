"""The typed error of an error answer: by its code, and the reason of a refusal by its message.

This file owns the meaning of an error answer, and after which another token or another identity is
tried. A known code decides; without one only the statuses of throttling and of service faults have
a meaning: a proxy's 403 page is never a refusal.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from amplify_federation._cognito.advice import AMBIGUOUS_ROLE, advice_on_refusal
from amplify_federation._cognito.requests import Call
from amplify_federation._model.values import Secret
from amplify_federation.errors import (
    ExternalServiceError,
    InternalServiceError,
    InvalidIdentityPoolConfigurationError,
    InvalidParameterError,
    LimitExceededError,
    NotAuthorizedError,
    NotAuthorizedReason,
    ResourceConflictError,
    ResourceNotFoundError,
    ServiceError,
    TooManyRequestsError,
    UnknownServiceError,
)

MAX_MESSAGE = 500  # characters of a service's message that an error keeps
_THROTTLING = (
    # botocore's standard mode takes all of these for throttling.
    "TooManyRequestsException", "Throttling", "ThrottlingException", "ThrottledException",
    "RequestThrottled", "RequestThrottledException", "RequestLimitExceeded",
    "BandwidthLimitExceeded", "SlowDown", "PriorRequestNotComplete",
)  # fmt: skip
_BY_CODE: dict[str, type[ServiceError]] = {
    "NotAuthorizedException": NotAuthorizedError,
    "InvalidParameterException": InvalidParameterError,
    "ValidationException": InvalidParameterError,  # not modelled; seen in public logs
    "ResourceNotFoundException": ResourceNotFoundError,
    "ResourceConflictException": ResourceConflictError,
    "LimitExceededException": LimitExceededError,
    "InvalidIdentityPoolConfigurationException": InvalidIdentityPoolConfigurationError,
    # STS's: the role does not trust this identity, or the policy is none.
    "AccessDenied": InvalidIdentityPoolConfigurationError,
    "MalformedPolicyDocument": InvalidParameterError,
    "PackedPolicyTooLarge": InvalidParameterError,
    "ValidationError": InvalidParameterError,
    "IDPCommunicationError": ExternalServiceError,
    "ExternalServiceException": ExternalServiceError,
    "InternalErrorException": InternalServiceError,
    **dict.fromkeys(_THROTTLING, TooManyRequestsError),
}
_BY_STATUS: dict[int, type[ServiceError]] = {
    429: TooManyRequestsError,
    **dict.fromkeys((500, 502, 503, 504), InternalServiceError),
}
_RETRYABLE = (TooManyRequestsError, InternalServiceError, ExternalServiceError)

_CODE = re.compile(r"[\w.-]{1,128}", re.ASCII)
_PIECE = 12  # characters of a token, where a message was cut; shorter ones give nothing away
_WORD = re.compile(rf"[\w.~+/-]{{{_PIECE},}}", re.ASCII)

_R = NotAuthorizedReason
# Fragments of the messages in public logs, lower-case; the first that fits decides.
_REASONS = (
    ("token expired", _R.TOKEN_EXPIRED),
    ("not a valid openid connect", _R.TOKEN_MALFORMED),
    ("couldn't verify signed token", _R.TOKEN_SIGNATURE),
    ("token is inactive", _R.TOKEN_INACTIVE),
    ("issuer doesn't match", _R.WRONG_PROVIDER),
    ("can't pass in a cognito token", _R.WRONG_PROVIDER),
    ("not from a supported provider", _R.PROVIDER_NOT_CONFIGURED),
    ("incorrect token audience", _R.PROVIDER_NOT_CONFIGURED),
    ("unauthenticated access is not supported", _R.GUESTS_OFF),
    ("logins don't match", _R.IDENTITY_MISMATCH),
    ("is forbidden", _R.IDENTITY_MISMATCH),
)
_NO_POOL_ADVICE = (
    "Check the identity pool id and its region. An identity's id looks the same as a pool's: "
    "pass that of the pool."
)
_ABOUT_THE_TOKEN = frozenset(
    {_R.TOKEN_EXPIRED, _R.TOKEN_MALFORMED, _R.TOKEN_SIGNATURE, _R.TOKEN_INACTIVE}
)


class Refusal(NamedTuple):
    """The members of an error answer."""

    status: int
    code: str | None
    message: str
    request_id: str | None


def error_code(members: Mapping[str, object], headers: Mapping[str, str]) -> str | None:
    """Return the error code: `__type`, else `code`, else the header, without its ornaments."""
    for raw in (
        members.get("__type"),
        members.get("code"),
        members.get("Code"),  # of STS
        headers.get("x-amzn-errortype"),
    ):
        if not isinstance(raw, str):
            continue
        code = raw.partition(",")[0].partition(":")[0].rpartition("#")[2].strip()
        if _CODE.fullmatch(code):
            return code
    return None


def error_message(members: Mapping[str, object]) -> str:
    """Return the message of an error answer, or an empty string."""
    for raw in (members.get("message"), members.get("Message")):
        if isinstance(raw, str):
            return raw
    return ""


def error_of(call: Call, refusal: Refusal) -> ServiceError:
    """Return the typed error of an error answer, with the call's secrets redacted."""
    code = refusal.code
    kind = _BY_CODE.get(code or "") or _BY_STATUS.get(refusal.status, UnknownServiceError)
    if code and code not in _BY_CODE and redacted(call, code) != code:
        code = None  # an echo
    said = redacted(call, refusal.message) or code or f"HTTP status {refusal.status}"
    reason = reason_of(refusal.message)
    error = kind(
        f"{call.operation}: {said}",
        operation=call.operation,
        code=code,
        status=refusal.status,
        request_id=refusal.request_id,
        retryable=issubclass(kind, _RETRYABLE),
        recovery_suggestion=_advice(kind, call, reason, refusal.message),
    )
    if isinstance(error, NotAuthorizedError):
        error.reason = reason
        error.pools_fault = AMBIGUOUS_ROLE in refusal.message.lower()
    return error


def _advice(
    kind: type[ServiceError], call: Call, reason: NotAuthorizedReason, message: str
) -> str | None:
    if kind is NotAuthorizedError:
        return advice_on_refusal(call, reason, message)
    if kind is ResourceNotFoundError and call.operation == "GetId":
        return _NO_POOL_ADVICE
    return None


def reason_of(message: str) -> NotAuthorizedReason:
    """Read Cognito's message for the reason of a refusal."""
    lowered = message.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return next((reason for part, reason in _REASONS if part in lowered), _R.UNKNOWN)


def redacted(call: Call, text: str) -> str:
    """Return the text with every secret of the call as `[secure]`, capped and on one line."""
    for secret in call.secrets:
        text = _without_the_whole(text, secret.reveal())
    text = "".join(each if each.isprintable() else " " for each in text[:MAX_MESSAGE])
    for secret in call.secrets:
        text = _without_pieces(text, secret)
    return text[:MAX_MESSAGE]


def _without_the_whole(text: str, secret: str) -> str:
    if len(secret) >= _PIECE:
        return text.replace(secret, "[secure]")
    # A test's token, such as "t": only where it stands as a word, or the message would be noise.
    return re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "[secure]", text)


def _without_pieces(text: str, secret: Secret) -> str:
    def hide(found: re.Match[str]) -> str:
        word = found.group()
        starts = range(len(word) - _PIECE + 1)
        shows = any(word[start : start + _PIECE] in secret.reveal() for start in starts)
        return "[secure]" if shows else word

    return _WORD.sub(hide, text)


def is_about_the_token(error: Exception) -> bool:
    """Tell whether a refusal means that this token never helps again.

    A reason that we do not know counts against a token that is opaque or past its own `exp`. Of
    one that is good by its `exp` it may be the pool's: a role, a claim, an audience that an
    administrator changed, and that must not sign all users out.
    """
    if not isinstance(error, NotAuthorizedError):
        return False
    if error.reason is _R.UNKNOWN:
        return not error.pools_fault
    return error.reason in _ABOUT_THE_TOKEN


def identity_is_lost(error: Exception) -> bool:
    """Tell whether Cognito no longer knows the identity or no longer gives it to this login."""
    if isinstance(error, NotAuthorizedError):
        return error.reason is _R.IDENTITY_MISMATCH
    return isinstance(error, ResourceNotFoundError)
