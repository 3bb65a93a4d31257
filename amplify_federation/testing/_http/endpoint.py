"""The AWS JSON 1.1 endpoint: an HTTP request in, an HTTP response and a `Call` out.

This file owns the protocol, the form of signatures included.
"""

import json
import re
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from email.utils import formatdate
from typing import Any

from attrs import evolve

from amplify_federation.testing._http.faults import Fault, Faults, Quotas
from amplify_federation.testing._http.messages import (
    Call,
    ProviderCall,
    Request,
    Response,
)
from amplify_federation.testing._openid.clients import OAuthError
from amplify_federation.testing._openid.provider import Address, OpenIdProvider
from amplify_federation.testing._service import errors
from amplify_federation.testing._service.dispatch import Dispatch
from amplify_federation.testing._service.errors import ServiceRefusal
from amplify_federation.testing._service.model import OPERATIONS
from amplify_federation.testing._service.operations import Operations
from amplify_federation.testing._service.validation import decode

CONTENT_TYPE = "application/x-amz-json-1.1"
TARGET_PREFIX = "AWSCognitoIdentityService."
_UNKNOWN_BODY = b"<UnknownOperationException/>\n"
_BAD_REQUEST = 400  # the status of client errors, whatever the model says
_FAULT_STATUS = {"InternalErrorException": 500, "ServiceUnavailableException": 503}
# The hosts that the published rules give for `cognito-identity`.
ENDPOINT_HOST = re.compile(r"cognito-identity(?:-fips)?\.([a-z0-9-]+)\.[a-z0-9.-]+", re.ASCII)
_NO_FAULT = Fault(None)
_HEADER_TEXT = 4096  # characters; h11 and httptools take headers of 16 KiB and more
# Seen in public logs of browsers, on every answer.
_CORS = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date",
}
_PREFLIGHT_AGE = "172800"  # seconds; what AWS's services answer


class Endpoint:
    """Answers requests from any thread, one at a time."""

    def __init__(  # noqa: PLR0913  # its collaborators
        self,
        operations: Operations,
        provider: OpenIdProvider,
        quotas: Quotas,
        lock: AbstractContextManager[object],
        record: Callable[[Call | ProviderCall], None],
        *,
        check_signatures: bool,
        region: str,
    ) -> None:
        self.faults = Faults()
        self._lock = lock
        self._dispatch = Dispatch(operations)
        self._provider = provider
        self._quotas = quotas
        self._record = record
        self._default_region = region
        self._check_signatures = check_signatures
        self._date = (0, "")

    def answer(self, request: Request) -> Response:
        """Return the answer of the service."""
        with self._lock:
            if request.method == "OPTIONS":
                return self._preflight(request)
            if address := self._provider.address_of(request):
                return self._provider_call(address, request)
            media_type = request.headers.get("content-type", "").partition(";")[0].strip()
            if request.method != "POST" or media_type.lower() != CONTENT_TYPE:
                return self._stamped(404, "application/xml", _UNKNOWN_BODY)
            return self._call(request)

    def _preflight(self, request: Request) -> Response:
        """Return the answer to a browser's preflight of a request from another origin."""
        answer = self._stamped(200, "text/plain", b"")
        asked = request.headers.get("access-control-request-headers", "*")
        answer.headers["access-control-allow-methods"] = "GET, HEAD, POST, OPTIONS"
        answer.headers["access-control-allow-headers"] = asked
        answer.headers["access-control-max-age"] = _PREFLIGHT_AGE
        return answer

    def _provider_call(self, address: Address, request: Request) -> Response:
        fault = self.faults.take(address.endpoint, by_name=True) or _NO_FAULT
        if fault.code is None and fault.status is not None:
            answer = self._foreign_page(fault.status)
        else:
            refused = None
            if fault.code is not None:
                text = fault.message or f"Injected {fault.code}."
                refused = OAuthError(fault.code, text, fault.status or _BAD_REQUEST)
            answer = self._provider.respond(address, request, refused)
            answer.headers.update(self._stamp())
            if request.method == "HEAD":
                answer = evolve(answer, body=b"")
        if fault is not _NO_FAULT:
            answer = _altered(answer, evolve(fault, status=None))
        call = ProviderCall(
            address.login_key, address.endpoint, request.method, answer.status, answer.cut
        )
        self._record(call)
        return answer

    def _call(self, request: Request) -> Response:
        target = request.headers.get("x-amz-target", "")
        operation = target.removeprefix(TARGET_PREFIX) if target.startswith(TARGET_PREFIX) else ""
        fault = self.faults.take(operation) or _NO_FAULT
        given: dict[str, Any] | None = None
        code: str | None = None
        try:
            given = self._decoded(operation, request.body)
            if fault.code is None and fault.status is not None:
                answer = self._foreign_page(fault.status)
            else:
                answer = self._success(self._perform(operation, given, fault, request))
        except ServiceRefusal as refused:
            code = refused.code
            answer = self._failure(refused)
        if fault is not _NO_FAULT:
            answer = _altered(answer, fault)
        request_id = answer.headers.get("x-amzn-requestid")
        call = Call(
            operation,
            given,
            request.headers,
            answer.status,
            code,
            request_id,
            cut=fault.cut_connection,
        )
        self._record(call)
        return answer

    def _decoded(self, operation: str, body: bytes) -> dict[str, Any] | None:
        """Return the input of a known operation; that of an unknown one is not decoded."""
        return decode(body) if operation in OPERATIONS else None

    def _perform(
        self, operation: str, given: dict[str, Any] | None, fault: Fault, request: Request
    ) -> dict[str, Any]:
        if given is None:
            raise ServiceRefusal(errors.UNKNOWN_OPERATION)
        region = self._region(operation, request)
        if not self._quotas.allow(operation):
            raise ServiceRefusal(errors.THROTTLED, errors.RATE_EXCEEDED)
        if fault.code is not None:
            raise ServiceRefusal(fault.code, fault.message or f"Injected {fault.code}.")
        return self._dispatch.perform(operation, given, region, self._default_region)

    def _region(self, operation: str, request: Request) -> str | None:
        """Return the region of the host or of the signature, which is checked here."""
        region = region_of(request.host)
        if not OPERATIONS[operation].signed:
            return region
        if self._check_signatures:
            signed_region = check_signature(request.headers)
            # A loopback address has no region, and the signature has the caller's.
            return region or signed_region
        return region

    def _success(self, output: dict[str, Any]) -> Response:
        return self._stamped(200, CONTENT_TYPE, _compact(output))

    def _foreign_page(self, status: int) -> Response:
        """Return an HTML page, as a proxy before the service sends it."""
        page = self._stamped(status, "text/html", f"<html><h1>{status}</h1></html>\n".encode())
        del page.headers["x-amzn-requestid"]
        return page

    def _failure(self, refused: ServiceRefusal) -> Response:
        body = {"__type": refused.code}
        if refused.message is not None:
            # Seen: the service's parser, which comes before the service, writes the name otherwise.
            member = "Message" if refused.code == errors.SERIALIZATION else "message"
            body[member] = refused.message
        status = _FAULT_STATUS.get(refused.code, _BAD_REQUEST)
        answer = self._stamped(status, CONTENT_TYPE, _compact(body))
        answer.headers["x-amzn-errortype"] = f"{refused.code}:"
        if refused.message is not None:
            answer.headers["x-amzn-errormessage"] = _header_text(refused.message)
        return answer

    def _stamped(self, status: int, content_type: str, body: bytes) -> Response:
        headers = {"content-type": content_type, "content-length": str(len(body))}
        return Response(status, headers | self._stamp(), body)

    def _stamp(self) -> dict[str, str]:
        """Return the headers that every answer has."""
        now = int(self._dispatch.clock.time())
        if self._date[0] != now:
            self._date = (now, formatdate(now, usegmt=True))
        return {"date": self._date[1], "x-amzn-requestid": str(uuid.uuid4()), **_CORS}


def region_of(host: str) -> str | None:
    """Return the region whose endpoint a host is, or `None` for any other host."""
    found = ENDPOINT_HOST.fullmatch(host)
    return found and found[1]


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _header_text(message: str) -> str:
    # A header holds one line of printable ASCII; a caller's value in the message may be anything,
    # of any length, and clients take no endless header (without a public source: where AWS cuts).
    return re.sub(r"[^\x20-\x7e]", "?", message[:_HEADER_TEXT])


def _altered(answer: Response, fault: Fault) -> Response:
    headers = answer.headers
    if fault.retry_after_ms is not None:
        headers = {**headers, "x-amz-retry-after": str(fault.retry_after_ms)}
    return evolve(
        answer,
        headers=headers,
        status=fault.status or answer.status,
        delay=fault.delay,
        cut=fault.cut_connection,
    )


_SCHEME = "AWS4-HMAC-SHA256 "
_SERVICE = "cognito-identity"
_SCOPE = re.compile(r"[A-Za-z0-9]+/(\d{8})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request", re.ASCII)


def check_signature(headers: Mapping[str, str]) -> str:
    """Return the region in the scope of a request's signature, or refuse the request.

    Refuses with MissingAuthenticationTokenException without one, IncompleteSignatureException if
    a part is missing, InvalidSignatureException for another service or no hexadecimal digest.
    """
    header = headers.get("authorization", "")
    if not header.startswith(_SCHEME):
        raise ServiceRefusal(errors.MISSING_SIGNATURE, "Missing Authentication Token")
    pairs = (part.strip().partition("=") for part in header.removeprefix(_SCHEME).split(","))
    given = {name: value for name, _, value in pairs}
    missing = [
        f"Authorization header requires '{name}' parameter."
        for name in ("Credential", "Signature", "SignedHeaders")
        if not given.get(name)
    ]
    if not missing and not (headers.get("x-amz-date") or headers.get("date")):
        missing = [
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        ]
    if missing:
        raise ServiceRefusal(errors.INCOMPLETE_SIGNATURE, " ".join(missing))
    scope = _SCOPE.fullmatch(given["Credential"])
    if scope is None:
        raise ServiceRefusal(errors.INCOMPLETE_SIGNATURE, errors.CREDENTIAL_FORM)
    if scope[3] != _SERVICE:
        message = f"Credential should be scoped to correct service: '{_SERVICE}'."
        raise ServiceRefusal(errors.INVALID_SIGNATURE, message)
    if not re.fullmatch(r"[0-9a-f]{64}", given["Signature"]):
        raise ServiceRefusal(errors.INVALID_SIGNATURE, errors.SIGNATURE_MISMATCH)
    return scope[2]
